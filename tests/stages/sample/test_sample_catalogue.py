"""The catalogue of the embedded sample is valid, and an invalid one is named."""

import pytest
from sample_files import BOTH

from semacdr.data.simulator import AUDIENCES, GENRES, MOODS, Parameters
from semacdr.errors import UserError
from semacdr.stages import sample

HEADER = "\t".join(sample.COLUMNS)


@BOTH
def test_catalogue_is_sound(catalogues, domain):
    works = catalogues[domain]
    assert len(works) >= 300
    assert [(w["year"], w["title"]) for w in works] == sorted((w["year"], w["title"]) for w in works)
    assert len({(w["title"].casefold(), w["creator"].casefold()) for w in works}) == len(works)
    assert min(w["year"] for w in works) >= (1600, 1895)[domain]
    assert max(w["year"] for w in works) <= 2025
    for work in works:
        assert 1 <= len(work["genres"]) <= 3 and 1 <= len(work["moods"]) <= 2
        assert len(set(work["genres"])) == len(work["genres"]) and len(set(work["moods"])) == len(work["moods"])
        assert 100 <= len(work["description"]) <= 220, work["title"]
        assert work["description"].endswith(".")
        assert not ("family" in work["genres"] and work["audience"] == "adults"), work["title"]


@BOTH
def test_every_attribute_has_works_in_both_domains(catalogues, domain):
    works = catalogues[domain]
    for name in GENRES + MOODS + AUDIENCES:
        holds = [w for w in works if name in w["genres"] or name in w["moods"] or name == w["audience"]]
        assert len(holds) >= 15, name
    assert set(sample.WORDS) == set(GENRES)
    assert len({words[domain] for words in sample.WORDS.values()}) == len(GENRES)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("title\tyear\n", "the first line must name"),
        (f"{HEADER}\n", "has no work"),
        (f"{HEADER}\nA\tB\t1990\tdrama\twry\tadults\n", "line 2: needs 7 fields"),
        (f"{HEADER}\nA\tB\tMCM\tdrama\twry\tadults\tText.\n", "line 2: the year 'MCM' is not a year"),
        (f"{HEADER}\nA\tB\t1990\tdrama|opera\twry\tadults\tText.\n", "line 2: unknown genres .'opera'."),
        (f"{HEADER}\nA\tB\t1990\tdrama\twry\tcats\tText.\n", "line 2: unknown audience .'cats'."),
        (HEADER + "\nA\tB\t1990\tdrama\twry\tadults\tText." * 2, "line 3: 'A' by B occurs twice"),
    ],
)
def test_a_broken_catalogue_is_named(tmp_path, text, reason):
    path = tmp_path / "books.tsv"
    path.write_text(text)
    with pytest.raises(UserError, match=reason):
        sample.read_catalogue(path)


def test_a_missing_catalogue_is_named(tmp_path):
    with pytest.raises(UserError, match=r"none\.tsv: the catalogue cannot be read"):
        sample.read_catalogue(tmp_path / "none.tsv")


def test_a_catalogue_too_small_for_its_users_is_named(catalogues):
    with pytest.raises(UserError, match="the catalogue of films has 40 works published before 2019"):
        sample.simulate([catalogues[0], catalogues[1][:40]], Parameters(users=5, seed=1, transfer=0.8))

"""Engine imported: every item gets the filing that the table has, and what does not fit is counted and named."""

import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tiny_dataset import read

from semacdr.errors import UserError
from semacdr.semantics.categories import Category
from semacdr.semantics.imported_filings import file_by_import, read_filings
from semacdr.semantics.text_encoder import PACKAGED
from semacdr.stages import semantics
from semacdr.storage import tables
from semacdr.training.inputs import load_semantics

META = {"release": "shop", "scenario": "song_game"}
TONE = Category("Tone", "How does it feel?", (("Dark", ""), ("Warm", ""), ("Wild", "")))
WORLD = Category("World", "", (("Past", ""), ("Future", "")))
ITEMS = [("song", "1"), ("song", "2"), ("game", "1"), ("game", "3")]
HEAD = "domain,item_id,category,subcategory,place\n"


def filed(rows, items=ITEMS, most=2, **also_named):
    return file_by_import(rows, [TONE, WORLD], items, also_named, most, Path("mine.csv"))


def written(path, text):
    path.write_text(text)
    return path


def test_an_item_gets_its_own_filings_the_best_first(tmp_path):
    text = (
        HEAD + "song,1,Tone,Warm,2\nsong,1,Tone,Dark,1\ngame,1,Tone,Wild,1\nsong,1,World,Past,1\nsong,1,Tone,Warm,3\n"
    )
    found = filed(read_filings(written(tmp_path / "mine.csv", text)))
    assert found.rows == [(0, "Tone", "Dark"), (0, "Tone", "Warm"), (0, "World", "Past"), (2, "Tone", "Wild")]
    assert found.report == {
        ("file: Tone", "imported"): 2, ("file: Tone", "without a filing"): 2,
        ("file: World", "imported"): 1, ("file: World", "without a filing"): 3,
    }  # fmt: skip
    assert found.ignored == []
    cut = filed(read_filings(tmp_path / "mine.csv"), most=1)
    assert cut.rows == [(0, "Tone", "Dark"), (0, "World", "Past"), (2, "Tone", "Wild")]
    assert cut.report["file: Tone", "with more than 1 values, cut (max_subcategories)"] == 1


def test_the_formats_say_the_same(tmp_path):
    columns = {
        "domain": ["song", "game", "game"], "item_id": [1, 1, 3], "category": ["Tone", "Tone", "World"],
        "subcategory": ["Warm", "Dark", "Past"], "place": [2, None, 1],
    }  # fmt: skip
    pq.write_table(pa.table(columns), tmp_path / "a.parquet")
    lines = [[str(value or "") for value in row] for row in zip(*columns.values(), strict=True)]
    for name, mark in (("a.csv", ","), ("a.tsv", "\t")):
        (tmp_path / name).write_text("".join(mark.join(row) + "\n" for row in [list(columns), *lines]))
    wanted = [("game", "3", "World", "Past"), ("song", "1", "Tone", "Warm"), ("game", "1", "Tone", "Dark")]
    for name in ("a.parquet", "a.csv", "a.tsv"):
        assert read_filings(tmp_path / name) == wanted  # no place is after every place


def test_ids_of_csv_files_stay_as_they_are_written(tmp_path):
    path = written(tmp_path / "a.csv", "item_id,category,subcategory\n007,Tone,Warm\nNA,Tone,Dark\n1e3,Tone,Wild\n")
    assert [item_id for _, item_id, *_ in read_filings(path)] == ["007", "NA", "1e3"]


def test_a_domain_may_have_its_own_name_or_that_of_its_category():
    rows = [("Hits_2014", "1", "tone", " dark "), ("song", "2", "Tone", "WARM"), ("game", "1", "World", "Past")]
    assert filed(rows, song="hits_2014").rows == [
        (0, "Tone", "Dark"), (1, "Tone", "Warm"), (2, "World", "Past")
    ]  # fmt: skip
    with pytest.raises(UserError, match=r"'game' may be domain song or game, .* rename a domain of the scenario"):
        filed(rows, song="game")


def test_without_domains_the_ids_must_be_of_one_domain():
    rows = [(None, "1", "Tone", "Dark"), (None, "3", "Tone", "Warm"), (None, "9", "Tone", "Warm")]
    assert filed(rows, [("song", "1"), ("game", "3")]).rows == [(0, "Tone", "Dark"), (1, "Tone", "Warm")]
    with pytest.raises(UserError, match="has no column 'domain', but item 1 is in both domains; add the column"):
        filed(rows)


def test_what_does_not_fit_is_counted_and_named():
    rows = [
        ("song", "1", "Tone", "Dark"), ("film", "1", "Tone", "Dark"), ("song", "9", "Tone", "Dark"),
        ("song", "1", "Mood", "Dark"), ("song", "1", "World", "Dark"), ("song", "2", "World", "Dark"),
    ]  # fmt: skip
    found = filed(rows)
    assert found.rows == [(0, "Tone", "Dark")]
    assert {key: n for key, n in found.report.items() if key[0] == "import"} == {
        ("import", "rows on domains that are not in the scenario"): 1,
        ("import", "rows on items that are not in the scenario"): 1,
        ("import", "rows with a category that the taxonomy does not have"): 1,
        ("import", "rows with a subcategory that the category does not have"): 2,
    }
    assert found.ignored == [
        "rows on domains that are not in the scenario: 1 (film)",
        "rows on items that are not in the scenario: 1 (9)",
        "rows with a category that the taxonomy does not have: 1 (Mood)",
        "rows with a subcategory that the category does not have: 2 (World: Dark)",
    ]
    with pytest.raises(
        UserError, match=r"mine.csv: files no item of the scenario's 4 .*: rows on domains .*: 1 \(film\)"
    ):
        filed(rows[1:2])
    with pytest.raises(UserError, match=r"files no item .* the file has no rows"):
        filed([])


names = st.sampled_from([None, "dark", "WARM", "Wild", "loud"])


@given(st.lists(st.tuples(st.integers(0, 3), names), max_size=30), st.integers(1, 3))
def test_the_filing_of_an_item_is_its_first_known_names(pairs, most):
    """An oracle: item by item the distinct known names in the order of the rows."""
    rows = [(*ITEMS[item], "Tone", name or "?") for item, name in pairs]
    wanted = []
    for item in range(4):
        own = [name.capitalize() for place, name in pairs if place == item and name not in (None, "loud")]
        wanted += [(item, "Tone", name) for name in list(dict.fromkeys(own))[:most]]
    if not wanted:
        with pytest.raises(UserError, match="files no item"):
            filed(rows, most=most)
    else:
        assert filed(rows, most=most).rows == wanted


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("item,category,subcategory\n1,Tone,Dark\n", "has no column 'item_id'; .*its columns are item, category"),
        (HEAD + "song,1,Tone,,1\n", "row 1 has no subcategory; fill it in, or leave the row out"),
        (HEAD + "song,1,Tone,Dark,best\n", "column 'place' must hold numbers, 1 for the best"),
        (HEAD + "song,1,Tone\n", "cannot be read as a table of filings"),
        ("", "cannot be read as a table of filings"),
    ],
)
def test_a_file_that_is_no_table_of_filings_is_refused(tmp_path, text, words):
    with pytest.raises(UserError, match=words):
        read_filings(written(tmp_path / "a.csv", text))
    with pytest.raises(UserError, match=r"b.csv: cannot be read as a table of filings"):
        read_filings(tmp_path / "b.csv")


@pytest.fixture
def stage(tmp_path):
    """Run stage semantics on the items with given filings; return its folder."""
    rows = [
        {"item": place, "item_id": item_id, "domain": domain, "title": f"{domain} {item_id}", "brand": "",
         "categories": [], "description": ""}
        for place, (domain, item_id) in enumerate(ITEMS)
    ]  # fmt: skip
    tables.write(pa.Table.from_pylist(rows), tmp_path / "items.parquet", "items", META)
    listed = [{"name": one.name, "subcategories": [{"name": n} for n, _ in one.subcategories]} for one in (TONE, WORLD)]
    (tmp_path / "taxonomy.json").write_text(json.dumps({"categories": listed}))

    def run(text, *options, engine="imported"):
        semantics.main([
            "--items", str(tmp_path / "items.parquet"), "--taxonomy", str(tmp_path / "taxonomy.json"),
            "--imported", str(written(tmp_path / "mine.csv", text)), "--engine", engine, "--threads", "1",
            "--output", str(tmp_path), *options,
        ])  # fmt: skip
        return tmp_path

    return run


def test_the_stage_writes_the_filings_and_composes_the_texts(stage):
    folder = stage(
        HEAD + "Hits,1,Tone,Warm,1\ngame,3,World,Past,1\nfilm,3,World,Past,1\n", "--also-named", "song", "Hits"
    )
    agnostic = read(folder / "agnostic.parquet", "agnostic")
    assert agnostic.rows() == [
        (0, "Tone", "Warm", "engine=imported file=mine.csv"), (3, "World", "Past", "engine=imported file=mine.csv")
    ]  # fmt: skip
    inner = read(folder / "inner.parquet", "inner")
    assert inner["text"].to_list() == ["song 1", "song 2", "game 1", "game 3"]
    assert set(inner["provenance"]) == {f"engine=encoder model={PACKAGED} text=composed"}
    assert len(read(folder / "encoded.parquet", "embeddings")) == 4
    counts = [line.split("\t")[:3] for line in (folder / "semantics.tsv").read_text().splitlines()]
    assert ["file: Tone", "imported", "1"] in counts and ["file: Tone", "without a filing", "3"] in counts
    assert ["import", "rows on domains that are not in the scenario", "1"] in counts
    cost = json.loads((folder / "cost.json").read_text())
    assert cost == {"engine": "imported", "model": PACKAGED, "file": "mine.csv"}
    # unknown, Warm | unknown, Past: items without a filing are unknown
    assert load_semantics(folder / "agnostic.parquet", 4).membership.tolist() == [
        [0, 1, 1, 0], [1, 0, 1, 0], [1, 0, 1, 0], [1, 0, 0, 1]
    ]  # fmt: skip


def test_another_table_of_filings_makes_other_tables(stage):
    """The digest of the file is in the metadata, so tables made from another file are recognised."""
    first = tables.read(stage(HEAD + "song,1,Tone,Warm,1\n") / "agnostic.parquet", "agnostic")[1]
    same = tables.read(stage(HEAD + "song,1,Tone,Warm,1\n") / "agnostic.parquet", "agnostic")[1]
    other = tables.read(stage(HEAD + "song,1,Tone,Warm,2\n") / "agnostic.parquet", "agnostic")[1]
    assert first == same and first["made_from_filings"] != other["made_from_filings"]


def test_engine_and_file_go_together(stage):
    with pytest.raises(UserError, match="engine imported needs --imported, and no other engine takes it"):
        stage(HEAD, engine="encoder")

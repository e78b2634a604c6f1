"""The embedded sample: its catalogue, its raw files on the road of real data, and what was planted in its people."""

import ast
import gzip
import json
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import polars as pl
import pytest

from semacdr import preprocess, sample
from semacdr.data import simulator
from semacdr.data.metadata import read_metadata
from semacdr.data.reviews import read_reviews
from semacdr.data.simulator import AUDIENCES, GENRES, MOODS, Settings
from semacdr.errors import UserError

ROOT = Path(__file__).parents[2]
BOOKS, FILMS = (ROOT / "resources" / "sample" / f"{name}.tsv" for name in ("books", "films"))
REVIEWS, METADATA = ([f"{kind}_{name}.json.gz" for name in sample.FILES] for kind in ("reviews", "meta"))
PLANTED = ["planted/items.parquet", "planted/people.parquet", "planted/settings.json"]
HEADER = "\t".join(sample.COLUMNS)
BOTH = pytest.mark.parametrize("domain", [0, 1], ids=simulator.DOMAINS)


@pytest.fixture(scope="module")
def catalogues():
    return [sample.read_catalogue(BOOKS), sample.read_catalogue(FILMS)]


@pytest.fixture(scope="module")
def world(catalogues, tmp_path_factory):
    """The sample of the default settings, written, and taken through preprocess; simulated once for all tests."""
    folder, settings = tmp_path_factory.mktemp("sample"), Settings()
    items, people, events = sample.simulate(catalogues, settings)
    sample.write_release(folder, catalogues, settings, items, people, events)
    argv = ["--domains", *sample.FILES, "--release", "sample", "--scenario", "movie_book", "--output", f"{folder}/out"]
    argv += ["--reviews", *(str(folder / name) for name in REVIEWS)]
    argv += ["--metadata", *(str(folder / name) for name in METADATA)]
    preprocess.main([*argv, "--min-item-interactions", "10", "--min-user-interactions", "3"])
    return SimpleNamespace(folder=folder, settings=settings, items=items, people=people, events=events)


def write_small(folder, *more):
    sample.main(["--books", str(BOOKS), "--films", str(FILMS), "--people", "60", "--output", str(folder), *more])
    return {name: (folder / name).read_bytes() for name in [*REVIEWS, *METADATA, *PLANTED]}


# The catalogue


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
        (f"{HEADER}\n", "holds no work"),
        (f"{HEADER}\nA\tB\t1990\tdrama\twry\tadults\n", "line 2: needs 7 fields"),
        (f"{HEADER}\nA\tB\tMCM\tdrama\twry\tadults\tText.\n", "line 2: the year 'MCM' is not a year"),
        (f"{HEADER}\nA\tB\t1990\tdrama|opera\twry\tadults\tText.\n", "line 2: unknown genres .'opera'."),
        (f"{HEADER}\nA\tB\t1990\tdrama\twry\tcats\tText.\n", "line 2: unknown audience .'cats'."),
        (HEADER + "\nA\tB\t1990\tdrama\twry\tadults\tText." * 2, "line 3: 'A' by B stands in the catalogue twice"),
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


def test_a_catalogue_too_small_for_its_people_is_named(catalogues):
    with pytest.raises(UserError, match="the catalogue of films has 40 works published before 2019"):
        sample.simulate([catalogues[0], catalogues[1][:40]], Settings(people=5))


# The raw files


def test_same_seed_same_bytes_other_seed_other_bytes(tmp_path):
    one, two, other = (
        write_small(tmp_path / name, "--seed", seed) for name, seed in (("a", "1"), ("b", "1"), ("c", "2"))
    )
    assert one == two
    changed = {name for name in one if one[name] != other[name]}
    assert changed == {*REVIEWS, *PLANTED}  # the metadata are the catalogue's


def test_transfer_changes_what_people_take(tmp_path):
    assert write_small(tmp_path / "a") != write_small(tmp_path / "b", "--transfer", "0.2")
    with pytest.raises(UserError, match="between 0 and 1"):
        write_small(tmp_path / "c", "--transfer", "1.5")
    with pytest.raises(UserError, match="people must be at least 1"):
        write_small(tmp_path / "c", "--people", "0")


@BOTH
def test_reviews_are_read_without_a_malformed_line(world, domain):
    frame, tally = read_reviews(world.folder / REVIEWS[domain])
    assert not tally.malformed
    here = world.items.domain[world.events.item] == domain
    assert tally.lines == frame.height == here.sum()
    assert (frame["timestamp"] % 86400 == 0).all()
    assert frame["user_id"].str.contains(r"^SAMPLE-P\d{5}$").all()
    assert frame["item_id"].str.contains(rf"^SAMPLE{'BF'[domain]}\d{{3}}$").all()


def test_review_lines_are_of_2014s_format_and_say_what_they_are(world):
    with gzip.open(world.folder / REVIEWS[0], "rt", encoding="utf-8") as file:
        line = json.loads(next(file))
    day = np.datetime64(line["unixReviewTime"], "s").astype(object)
    assert line["reviewTime"] == f"{day:%m} {day.day}, {day.year}"
    assert line["helpful"] == [0, 0] and line["overall"] in (1.0, 2.0, 3.0, 4.0, 5.0)
    for field in ("reviewerName", "reviewText", "summary"):
        assert "simulated" in line[field].lower()
    fields = {"reviewerID", "asin", "reviewerName", "helpful", "reviewText", "overall", "summary"}
    assert set(line) == fields | {"unixReviewTime", "reviewTime"}


@BOTH
def test_metadata_come_back_equal_to_the_catalogue(world, catalogues, domain):
    works = catalogues[domain]
    ids = [f"SAMPLE{'BF'[domain]}{n:03d}" for n in range(1, len(works) + 1)]
    frame, tally = read_metadata(world.folder / METADATA[domain], ids)
    assert not tally.malformed and tally.lines == len(works)
    words = [[*sample.ROOTS[domain], *(sample.WORDS[genre][domain] for genre in w["genres"])] for w in works]
    assert frame.to_dict(as_series=False) == {
        "item_id": ids,
        "title": [w["title"] for w in works],
        "brand": [w["creator"] for w in works],
        "categories": words,
        "description": [w["description"] for w in works],
    }


@BOTH
def test_moods_and_audience_stay_out_of_the_metadata(world, domain):
    with gzip.open(world.folder / METADATA[domain], "rt", encoding="utf-8") as file:
        for line in map(ast.literal_eval, file):
            assert set(line) == {"asin", "title", "brand", "categories", "description"}
            names = {name.casefold() for path in line["categories"] for name in path}
            assert not names & {*MOODS, *AUDIENCES}


def test_no_stage_reads_what_was_planted():
    here = [p for p in (ROOT / "src").rglob("*.py") if "planted/" in p.read_text() or '"planted"' in p.read_text()]
    assert [p.name for p in here] == ["sample.py"]


# Numbers, before and after preprocess


def test_lengths_repeats_and_ties_in_time(world):
    events, people = world.events, world.people
    both, lone = people.events[: world.settings.people], people.events[world.settings.people :]
    assert (both.mean(0) >= 12).all() and (both.mean(0) <= 14).all()
    assert both.min() >= 2 and both.max() == 60 and np.quantile(both, 0.05) >= 4
    assert len(lone) == 200 and ((lone > 0).sum(1) == 1).all()
    first = ~events.again
    pairs = events.person * 1000 + events.item
    assert len(np.unique(pairs[first])) == first.sum()
    assert np.isin(pairs[~first], pairs[first]).all()
    assert 0.01 < (~first).mean() < 0.05
    days = events.person[first] * 10_000 + events.day[first]
    assert 0.05 < 1 - len(np.unique(days)) / len(days) < 0.5
    domain = world.items.domain[events.item[first]]
    assert 0.3 < (np.diff(domain) != 0).mean() < 0.6  # books and films interleave
    assert (world.items.day[events.item] <= events.day).all()  # nothing before it was published


def test_preprocess_keeps_enough(world):
    numbers = pl.read_csv(world.folder / "out" / "statistics.tsv", separator="\t")
    assert numbers["domain"].to_list() == list(sample.FILES)
    assert numbers["overlapped_users"].min() >= 1900
    assert numbers["items"].min() >= 300
    assert numbers["avg_len"].min() >= 12 and numbers["avg_len"].max() <= 14
    funnel = pl.read_csv(world.folder / "out" / "preprocess.tsv", separator="\t")
    events = funnel.filter(pl.col("users").is_not_null())
    for name in sample.FILES:
        here = events.filter(pl.col("domain") == name)
        assert here["count"][1] < here["count"][0]  # second reviews
        assert here["users"][-1] < here["users"][0] - 100  # people of one domain
    assert not funnel.filter(pl.col("step").str.contains("malformed")).height


def test_planted_tables_hold_the_simulation(world, catalogues):
    items = pl.read_parquet(world.folder / PLANTED[0])
    people = pl.read_parquet(world.folder / PLANTED[1])
    settings = json.loads((world.folder / PLANTED[2]).read_text())
    assert items["moods"].to_list() == [w["moods"] for w in catalogues[0] + catalogues[1]]
    assert np.array_equal(items["popularity"], world.items.popularity)
    assert np.array_equal(np.array(people["shared"].to_list()), world.people.shared)
    assert np.array_equal(np.array(people["own_films"].to_list()), world.people.own[:, 1])
    assert settings["seed"] == 2014 and settings["attributes"] == simulator.ATTRIBUTES


# What was planted can be found


@pytest.fixture(scope="module")
def holdouts(world):
    """For each target domain the last event there of everyone who stands in both, and what came before it."""
    return [_holdout(world, domain) for domain in (0, 1)]


def _holdout(world, target):
    items, people, events = world.items, world.people, world.events
    person, item, day, rating = (a[~events.again] for a in (events.person, events.item, events.day, events.rating))
    who = np.flatnonzero(people.events.min(1) >= 3)
    starts, ends = np.searchsorted(person, who), np.searchsorted(person, who, side="right")
    seen, tied = np.zeros((len(who), len(items.era)), bool), np.zeros((len(who), len(items.era)))
    last = np.zeros(len(who), int)
    for row, (start, end) in enumerate(zip(starts, ends, strict=True)):
        last[row] = start + np.flatnonzero(items.domain[item[start:end]] == target)[-1]
        before = np.arange(start, last[row])
        seen[row, item[before]] = True
        weight = world.settings.keep ** (last[row] - 1 - before) * (rating[before] >= 4)
        tied[row] = weight @ items.ties[item[before]]
    return SimpleNamespace(who=who, seen=seen, tied=tied, answer=item[last], day=day[last], here=items.domain == target)


def oracle(world, holdout, target, day=None):
    """The planted utility of every item at the event, or at an earlier day."""
    domain, day = np.full(len(holdout.who), target), holdout.day if day is None else day
    return simulator.utility(world.items, world.people, world.settings, holdout.who, domain, day, holdout.tied)


def ndcg(scores, holdout):
    """NDCG@10 in the full ranking over the domain's items without those taken before."""
    scores = np.where(holdout.here & ~holdout.seen, scores, -np.inf)
    own = scores[np.arange(len(scores)), holdout.answer][:, None]
    rank = 1 + (scores > own).sum(1) + ((scores == own).sum(1) - 1) / 2
    return np.where(rank <= 10, 1 / np.log2(1 + rank), 0).mean()


def chance(holdout):
    """NDCG@10 of scores drawn at random, the mean of ten draws."""
    rng = np.random.default_rng(0)
    return np.mean([ndcg(rng.random(holdout.seen.shape), holdout) for _ in range(10)])


@BOTH
def test_the_oracle_beats_popularity_and_popularity_beats_chance(world, holdouts, domain):
    holdout = holdouts[domain]
    best = ndcg(oracle(world, holdout, domain), holdout)
    popular = ndcg(np.tile(holdout.seen.sum(0), (len(holdout.who), 1)), holdout)
    assert best >= 2 * popular
    assert 0.2 < best < 0.6  # learnable, not trivial
    assert popular >= 1.5 * chance(holdout)


@BOTH
def test_taste_drifts(world, holdouts, domain):
    holdout = holdouts[domain]
    past = np.maximum(holdout.day - 365, 0)
    old = np.where(holdout.here, oracle(world, holdout, domain, past), -np.inf)
    assert ndcg(oracle(world, holdout, domain), holdout) >= 1.25 * ndcg(old, holdout)


def by_source_genres(world, holdout):
    """NDCG@10 of a profile of genres learned from the other domain alone."""
    genres = (world.items.vectors[:, :15] > 0).astype(float)
    genres /= np.linalg.norm(genres, axis=1, keepdims=True)
    source = holdout.seen & ~holdout.here
    profile = source @ genres / np.maximum(source.sum(1, keepdims=True), 1) - genres.mean(0)
    return ndcg(profile @ genres.T, holdout)


@BOTH
def test_source_genres_alone_rank_target_items(world, holdouts, domain):
    assert by_source_genres(world, holdouts[domain]) >= 2 * chance(holdouts[domain])


def test_without_transfer_source_genres_tell_nothing(catalogues):
    settings = Settings(people=800, transfer=0.0)
    items, people, events = sample.simulate(catalogues, settings)
    apart = SimpleNamespace(items=items, people=people, events=events, settings=settings)
    for domain in (0, 1):
        holdout = _holdout(apart, domain)
        assert by_source_genres(apart, holdout) <= 1.6 * chance(holdout), simulator.DOMAINS[domain]


def test_people_come_back_to_creators_and_stories(world, holdouts):
    for domain, holdout in enumerate(holdouts):
        tied = holdout.tied[np.arange(len(holdout.who)), holdout.answer]
        free = np.where(holdout.here & ~holdout.seen, holdout.tied, np.nan)
        assert tied.mean() > 3 * np.nanmean(free), simulator.DOMAINS[domain]

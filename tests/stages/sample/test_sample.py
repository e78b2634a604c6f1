"""The embedded sample's raw files in the real pipeline: formats, bytes, numbers before and after preprocess."""

import ast
import gzip
import json

import numpy as np
import polars as pl
import pytest
from sample_files import BOOKS, BOTH, FILMS, METADATA, PLANTED, REVIEWS, ROOT

from semacdr.data import simulator
from semacdr.data.metadata import read_metadata
from semacdr.data.reviews import read_reviews
from semacdr.data.simulator import AUDIENCES, MOODS
from semacdr.errors import UserError
from semacdr.stages import sample


def write_small(folder, *more):
    sample.main(["--books", str(BOOKS), "--films", str(FILMS), "--users", "60", "--output", str(folder), *more])
    return {name: (folder / name).read_bytes() for name in [*REVIEWS, *METADATA, *PLANTED]}


def test_same_seed_same_bytes_other_seed_other_bytes(tmp_path):
    one, two, other = (
        write_small(tmp_path / name, "--seed", seed) for name, seed in (("a", "1"), ("b", "1"), ("c", "2"))
    )
    assert one == two
    changed = {name for name in one if one[name] != other[name]}
    assert changed == {*REVIEWS, *PLANTED}  # the metadata depend only on the catalogue


def test_transfer_changes_what_users_take(tmp_path):
    assert write_small(tmp_path / "a") != write_small(tmp_path / "b", "--transfer", "0.2")
    with pytest.raises(UserError, match=r"sample\.transfer: must be a number of at least 0 and of at most 1, not 1\.5"):
        write_small(tmp_path / "c", "--transfer", "1.5")
    with pytest.raises(UserError, match=r"sample\.users: must be a whole number of at least 50, not 0"):
        write_small(tmp_path / "c", "--users", "0")


@BOTH
def test_reviews_are_read_without_a_malformed_line(world, domain):
    frame, tally = read_reviews(world.folder / REVIEWS[domain])
    assert not tally.malformed
    here = world.items.domain[world.events.item] == domain
    assert tally.lines == frame.height == here.sum()
    assert (frame["timestamp"] % 86400 == 0).all()
    assert frame["user_id"].str.contains(r"^SAMPLE-P\d{5}$").all()
    assert frame["item_id"].str.contains(rf"^SAMPLE{'BF'[domain]}\d{{3}}$").all()


def test_review_lines_have_the_2014_format_and_say_that_they_are_simulated(world):
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
    events, users = world.events, world.users
    both, lone = users.events[: world.parameters.users], users.events[world.parameters.users :]
    assert (both.mean(0) >= 8).all() and (both.mean(0) <= 10).all()
    assert both.min() == 3 and both.max() == 45 and 5 <= np.median(both) <= 7  # most users have few events
    assert len(lone) == 40 and ((lone > 0).sum(1) == 1).all()
    first = ~events.again
    pairs = events.user * 1000 + events.item
    assert len(np.unique(pairs[first])) == first.sum()
    assert np.isin(pairs[~first], pairs[first]).all()
    assert 0.01 < (~first).mean() < 0.05
    days = events.user[first] * 10_000 + events.day[first]
    assert 0.2 < 1 - len(np.unique(days)) / len(days) < 0.4
    domain = world.items.domain[events.item[first]]
    assert 0.3 < (np.diff(domain) != 0).mean() < 0.6  # books and films interleave
    assert (world.items.day[events.item] <= events.day).all()  # nothing before it was published


def test_preprocess_keeps_enough(world):
    numbers = pl.read_csv(world.folder / "out" / "statistics.tsv", separator="\t")
    assert numbers["domain"].to_list() == list(sample.FILES)
    assert numbers["overlapped_users"].min() >= 390
    assert numbers["items"].min() >= 310
    assert numbers["avg_len"].min() >= 8 and numbers["avg_len"].max() <= 10
    funnel = pl.read_csv(world.folder / "out" / "preprocess.tsv", separator="\t")
    events = funnel.filter(pl.col("users").is_not_null())
    for name in sample.FILES:
        here = events.filter(pl.col("domain") == name)
        assert here["count"][1] < here["count"][0]  # second reviews
        assert here["users"][-1] <= here["users"][0] - 20  # users of one domain
    assert not funnel.filter(pl.col("step").str.contains("malformed")).height


def test_planted_tables_hold_the_simulation(world, catalogues):
    items = pl.read_parquet(world.folder / PLANTED[0])
    users = pl.read_parquet(world.folder / PLANTED[1])
    parameters = json.loads((world.folder / PLANTED[2]).read_text())
    assert items["moods"].to_list() == [w["moods"] for w in catalogues[0] + catalogues[1]]
    assert np.array_equal(items["popularity"], world.items.popularity)
    assert np.array_equal(np.array(users["shared"].to_list()), world.users.shared)
    assert np.array_equal(np.array(users["own_films"].to_list()), world.users.own[:, 1])
    assert parameters["seed"] == 2014 and parameters["attributes"] == simulator.ATTRIBUTES

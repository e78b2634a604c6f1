"""The time-travel test, from the raw files: a future source event in a user's raw data changes no rank."""

import gzip
import json

import polars as pl
import pytest
from direction_world import DAY, LEARNED, SYSTEMS, finish_world
from persona_stages import make

from semacdr.stages import preprocess
from semacdr.storage import tables


def write_raw(folder, events):
    """Reviews and metadata of both domains in the format of the 2014 release."""
    folder.mkdir()
    for domain in ("book", "movie"):
        part = events.filter(pl.col("domain") == domain)
        reviews = [
            json.dumps({"reviewerID": f"U{user:03}", "asin": f"{domain}{item:03}", "unixReviewTime": time})
            for user, item, _, time in part.iter_rows()
        ]
        items = [repr({"asin": f"{domain}{item:03}", "title": f"It's {item}"}) for item in part["item"].unique().sort()]
        for kind, lines in (("reviews", reviews), ("meta", items)):
            with gzip.open(folder / f"{kind}_{domain}.json.gz", "wt") as file:
                file.write("\n".join(lines) + "\n")
    return folder


def world_from_raw(raw, folder):
    """Preprocess the raw files and make a World."""
    paths = {
        kind: [str(raw / f"{kind}_{domain}.json.gz") for domain in ("book", "movie")] for kind in ("reviews", "meta")
    }
    argv = ["--domains", "book", "movie", "--reviews", *paths["reviews"], "--metadata", *paths["meta"]]
    argv += ["--release", "test", "--scenario", "small", "--min-item-interactions", "2", "--output", str(folder)]
    preprocess.main(argv)
    items = tables.read(folder / "items.parquet", "items")[0]["domain"].to_pylist()
    return finish_world(folder, (items.count("book"), items.count("movie")))


@pytest.fixture
def worlds(events, tmp_path):
    """A world before and after one more source event, dated after the user's test event, is in the raw data."""
    user = 11
    last = events.filter((pl.col("user") == user) & (pl.col("domain") == "book"))["timestamp"].max()
    own = set(events.filter(pl.col("user") == user)["item"])
    item = next(item for item in events.filter(pl.col("domain") == "movie")["item"].unique().sort() if item not in own)
    event = pl.DataFrame([(user, item, "movie", last + 3 * DAY)], schema=events.schema, orient="row")
    found = {
        "before": world_from_raw(write_raw(tmp_path / "raw", events), tmp_path / "before"),
        "after": world_from_raw(write_raw(tmp_path / "raw_more", pl.concat([events, event])), tmp_path / "after"),
    }
    counts = [len(tables.read(world.folder / "interactions.parquet", "interactions")[0]) for world in found.values()]
    assert counts[1] == counts[0] + 1
    return found


@pytest.mark.parametrize("name", SYSTEMS)
def test_a_future_source_event_in_the_raw_data_changes_no_rank(worlds, name, tmp_path):
    ranks = {}
    for when, world in worlds.items():
        trained = world.train(name, tmp_path / f"{when}_run")
        ranks[when] = world.rank(name, trained, trained / "ranks.parquet")
    assert ranks["before"].equals(ranks["after"])
    if name in LEARNED:
        files = [(tmp_path / f"{when}_run/checkpoint.safetensors").read_bytes() for when in worlds]
        assert files[0] == files[1]


def test_a_future_source_event_in_the_raw_data_changes_no_row_of_the_personas(worlds, tmp_path, monkeypatch):
    made = [make(world, tmp_path / f"{when}_personas", monkeypatch) for when, world in worlds.items()]
    for name, table in made[0].items():
        rows = [tables.digest(one.replace_schema_metadata(None)) for one in (table, made[1][name])]
        assert rows[0] == rows[1]

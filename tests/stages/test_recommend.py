"""The stage recommend against the ranks of the same run, and against a plain sort."""

import polars as pl
import pytest

from semacdr.data.history import load_history
from semacdr.stages import recommend
from semacdr.storage import tables

ALL = "30"  # books in the world


def recommended(world, name, trained, *options):
    argv = ["--run", str(trained), "--output", str(trained / "recommendations.parquet")]
    recommend.main([*world.inputs(name), *argv, "--threads", "1", *options])
    table, meta = tables.read(trained / "recommendations.parquet", "recommendations")
    return pl.from_arrow(table), meta


def history_of(world):
    return load_history(*(world.folder / f"{name}.parquet" for name in ("interactions", "items", "split")))


@pytest.mark.parametrize("name", ["sasrec", "semacdr", "popularity"])
@pytest.mark.parametrize("kind", ["world", "cold_world"])
def test_the_test_item_stands_at_its_rank(kind, name, request, tmp_path):
    """Popularity makes ties: then the place is among those whose mean is the rank."""
    world = request.getfixturevalue(kind)
    trained = world.train(name, tmp_path, "--epochs", "1")
    ranks = world.rank(name, trained, tmp_path / "ranks.parquet")
    ranks = ranks.filter((pl.col("split") == "test") & (pl.col("ranking") == "full"))
    table, meta = recommended(world, name, trained, "--top", ALL, "--batch-size", "7")
    assert (meta["model"], meta["seed"], meta["source"], meta["target"]) == (name, "3", "movie", "book")
    history = history_of(world)
    for user, rank in ranks.select("user", "rank").iter_rows():
        own = table.filter(pl.col("user") == user)
        positive = int(history.item[history.test[user]])
        (place,) = own.filter(pl.col("item") == positive)["place"]
        score = own.filter(pl.col("item") == positive)["score"].item()
        ties = (own["score"] == score).sum() - 1
        assert abs(place - rank) <= ties / 2 and (ties or place == rank)
    assert ranks["user"].n_unique() == history.users == table["user"].n_unique()


@pytest.mark.parametrize("kind", ["world", "cold_world"])
def test_earlier_items_are_left_out_hidden_ones_too(kind, request, tmp_path):
    world = request.getfixturevalue(kind)
    history = history_of(world)
    table, _ = recommended(world, "popularity", world.train("popularity", tmp_path), "--top", ALL)
    for user in range(history.users):
        own = slice(history.start[user], history.test[user])
        known = set(history.item[own][history.is_target[own]]) | set(history.hidden[1][history.hidden[0] == user])
        part = table.filter(pl.col("user") == user)
        assert sorted(part["item"]) == sorted(set(range(30)) - known)
        assert part["place"].to_list() == list(range(1, len(part) + 1))

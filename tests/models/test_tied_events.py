"""Order within a day leaks nothing: on made-up data whose ids would carry all the signal, no system beats chance.

Each user's events of a domain are all on one day, and their items are drawn uniformly. So an order by id makes the test
item the user's highest id, near above the one before it; in a random order nothing predicts it.
"""

import numpy as np
import polars as pl
import pytest
from direction_world import DAY, LEARNED, SYSTEMS
from test_time_travel import world_from_raw, write_raw

from semacdr.data import numbering
from semacdr.evaluation.measures import ndcg
from semacdr.storage import tables

USERS, ITEMS, EACH = 400, 50, 14
QUICK = {*SYSTEMS} - {*LEARNED} | {"sasrec"}
RANKED = [pytest.param(name, marks=() if name in QUICK else pytest.mark.slow) for name in SYSTEMS]
TRAINING = ("--epochs", "12", "--patience", "12", "--batch-size", "64", "--learning-rate", "0.01")


@pytest.fixture(scope="module")
def raw(tmp_path_factory):
    """Raw files: books are the target domain; films come a day earlier."""
    rng, rows = np.random.default_rng(0), []
    for user in range(USERS):
        day = int(rng.integers(10_000, 10_900))
        for domain, first in (("book", 0), ("movie", ITEMS)):
            chosen = first + rng.choice(ITEMS, EACH, replace=False)
            rows += [(user, int(item), domain, (day - (domain == "movie")) * DAY) for item in chosen]
    events = pl.DataFrame(rows, schema=["user", "item", "domain", "timestamp"], orient="row")
    return write_raw(tmp_path_factory.mktemp("tied") / "raw", events)


@pytest.fixture(scope="module")
def by_hash(raw, tmp_path_factory):
    return world_from_raw(raw, tmp_path_factory.mktemp("by_hash"))


@pytest.fixture(scope="module")
def by_id(raw, tmp_path_factory):
    """The same data with the order that preprocess must not use."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(numbering, "tie_order", lambda events, _: events["item_id"].rank("dense").alias("tie_order"))
        return world_from_raw(raw, tmp_path_factory.mktemp("by_id"))


def test_ndcg(world, name, folder):
    """Full-ranking NDCG@10 of the test events."""
    loss = ("--loss", "bce" if name == "neumf" else "ce")  # NeuMF's scores are no inner products
    trained = world.train(name, folder, *((*TRAINING, *loss) if name in LEARNED else ()))
    ranks = world.rank(name, trained, folder / "ranks.parquet")
    chosen = ranks.filter((pl.col("split") == "test") & (pl.col("ranking") == "full"))["rank"].to_numpy()
    assert len(chosen) == USERS
    return ndcg(chosen, 10).mean()


test_ndcg.__test__ = False


def chance():
    """Mean and standard deviation of NDCG@10 over users whose test item is equally likely at every rank."""
    gains = ndcg(np.arange(1.0, ITEMS - EACH + 2), 10)  # of the candidates: all items but the user's earlier ones
    return gains.mean(), gains.std() / np.sqrt(USERS)


def test_all_events_are_tied(by_hash):
    meta = tables.read(by_hash.folder / "split.parquet", "split")[1]
    assert (meta["tied_valid"], meta["tied_test"]) == ("1.000000", "1.000000")


@pytest.mark.parametrize("name", RANKED)
def test_no_system_beats_chance(by_hash, name, tmp_path):
    mean, deviation = chance()
    assert test_ndcg(by_hash, name, tmp_path) < mean + 4 * deviation


@pytest.mark.parametrize("name", ["markov", "sasrec"])
def test_an_order_by_id_would_beat_chance_by_far(by_id, name, tmp_path):
    mean, deviation = chance()
    assert test_ndcg(by_id, name, tmp_path) > mean + 8 * deviation

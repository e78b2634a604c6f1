"""Thinned training events: every system takes them for events that never were, but does not rank their items."""

from datetime import UTC, datetime

import numpy as np
import polars as pl
import pytest
import torch
from direction_world import DAY, LEARNED, SYSTEMS, build, make_world
from safetensors.torch import load_file

from semacdr.evaluation.ranks import Ranker
from semacdr.storage import tables

CPU, BOOKS = torch.device("cpu"), 30
DATES = [datetime.fromtimestamp(day * DAY, UTC).date().isoformat() for day in (10_024, 10_032)]
THINNED = ("--training-share", "0.5")
HOW = {  # how events are held out: the share of cold users, and other options
    "leave_one_out": (0.0, ()),
    "cold_users": (0.3, ()),
    "time": (0.0, ("--by", "time", "--valid-from", DATES[0], "--test-from", DATES[1])),
}
QUICK = [("sasrec", "cold_users"), ("semacdr", "leave_one_out"), ("popularity", "time")]
EVERY = [
    pytest.param(name, how, marks=() if (name, how) in QUICK else pytest.mark.slow) for name in SYSTEMS for how in HOW
]


def read(world, name):
    return pl.from_arrow(tables.read(world.folder / f"{name}.parquet", name)[0])


@pytest.mark.parametrize(("name", "how"), EVERY)
def test_thinned_events_change_only_which_items_are_candidates(events, name, how, tmp_path):
    cold, options = HOW[how]
    world = make_world(tmp_path / "thinned", events, cold=cold, how=(*options, *THINNED))
    left_out = read(world, "split").filter(pl.col("role") == "thinned")
    assert len(left_out) > 40
    fewer = events.join(left_out.cast({"user": pl.Int64, "item": pl.Int64}), on=["user", "item"], how="anti")
    assert len(fewer) == len(events) - len(left_out)
    never = make_world(tmp_path / "never", fewer, cold=cold, how=options)
    graphs = sorted((world.folder / "graphs").glob("*.parquet"))
    assert len(graphs) > 5
    for graph in graphs:  # compare rows: the metadata name the split
        assert pl.read_parquet(graph).equals(pl.read_parquet(never.folder / "graphs" / graph.name)), graph.name
    ranks = {}
    for key, one in (("thinned", world), ("never", never)):
        trained = one.train(name, tmp_path / key / "run", "--epochs", "1")  # validation leaves out other items, so it
        ranks[key] = one.rank(name, trained, tmp_path / key / "ranks.parquet")  # might choose another epoch of several
    parameters = [load_file(tmp_path / key / "run/checkpoint.safetensors") for key in ranks]
    assert parameters[0].keys() == parameters[1].keys()
    assert all(torch.equal(one, parameters[1][key]) for key, one in parameters[0].items())
    # The same scores; the full ranking leaves out the items of thinned events too.
    model, inputs = build(world, name, **({"dim": 16, "dropout": 0.2} if name in LEARNED else {}))
    model.load_state_dict(load_file(tmp_path / "thinned/run/checkpoint.safetensors"))
    model.double().eval()
    ranker = Ranker(inputs.history, "test", 20, 64, CPU)
    users = ranker.batches.windows.users
    scores = model.scores(model.prepare(), next(ranker.batches.ordered()))
    theirs = {user: set(left_out.filter(pl.col("user") == user)["item"]) for user in users.tolist()}
    assert sum(map(len, theirs.values())) > 20
    chosen = (pl.col("split") == "test") & (pl.col("ranking") == "full")
    full = {key: dict(one.filter(chosen).select("user", "rank").rows()) for key, one in ranks.items()}
    for row, user in enumerate(users.tolist()):
        positive = int(ranker.positives[user])
        others = scores[row, sorted(theirs[user] - {positive})]
        lost = (others > scores[row, positive]).sum() + (others == scores[row, positive]).sum() / 2
        assert full["thinned"][user] == full["never"][user] - float(lost)


def test_candidates_and_held_out_events_are_the_same_for_every_share(events, tmp_path):
    whole = make_world(tmp_path / "whole", events)
    thinned = make_world(tmp_path / "thinned", events, how=THINNED)
    assert read(whole, "candidates").equals(read(thinned, "candidates"))
    roles = [read(world, "split")["role"].to_numpy() for world in (whole, thinned)]
    assert np.array_equal(roles[0], np.where(roles[1] == "thinned", "train", roles[1]))

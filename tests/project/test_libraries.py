"""The comparison with other libraries: their inputs, how their scores are ranked, and the table."""

import argparse
import json
import shutil

import numpy as np
import polars as pl
import pytest
import torch
from protocol import Judge, Run, events_before, load, sequences
from run import readable, row

from semacdr.errors import UserError
from semacdr.evaluation.candidates import load_candidates
from semacdr.evaluation.measures import hit_rate, ndcg
from semacdr.evaluation.ranks import Ranker
from semacdr.models.base import Model
from semacdr.storage import tables


def direction(world):
    """The folder of a direction as the pipeline makes it: the scenario's tables are one level above."""
    folder = world.folder / "movie_to_book"
    folder.mkdir(exist_ok=True)
    for name in ("split", "candidates"):
        shutil.copy(world.folder / f"{name}.parquet", folder)
    return folder


@pytest.fixture
def history(world):
    return load(direction(world))


def roles(world):
    return pl.from_arrow(tables.read(world.folder / "split.parquet", "split")[0])


def test_a_library_gets_each_training_event_once_in_the_users_order_and_no_other(world, history):
    events, training = events_before(history, "valid"), roles(world).filter(role="train")
    assert len(events.user) == len(training) > 0
    assert events.user.tolist() == training["user"].to_list()
    assert (events.item + history.target_items.start).tolist() == training["item"].to_list()
    place = training.select(place=pl.int_range(pl.len()).over("user"))["place"]
    assert events.place.tolist() == place.to_list()
    held_out = roles(world).filter(pl.col("role") != "train").select("user", "item").rows()
    given = set(zip(events.user.tolist(), events.item.tolist(), strict=True))
    assert not given & set(held_out)  # each item of a user once, and the target domain's items come first


def test_before_the_test_event_the_validation_event_is_known_too(world, history):
    events = events_before(history, "test")
    expected = roles(world).filter(pl.col("role") != "test")
    assert list(zip(events.user, events.item, strict=True)) == expected.select("user", "item").rows()


def test_sequences_number_the_known_items_and_leave_out_the_others(history):
    events = events_before(history, "valid")
    known = np.unique(events.item)[::2]
    found = sequences(events, history.users, known)
    assert len(found) == history.users
    for user, numbers in enumerate(found):
        own = events.item[events.user == user]
        assert known[numbers].tolist() == [item for item in own if item in known]


class Table(Model):
    def __init__(self, table):
        super().__init__()
        self.table = table

    def scores(self, prepared, batch):
        return self.table[batch.users.long()]


@pytest.mark.parametrize("split", ["valid", "test"])
def test_scores_of_a_library_are_ranked_as_this_projects_own(world, history, split):
    items = len(history.target_items)
    scores = torch.randn(history.users, items, generator=torch.Generator().manual_seed(0)).round(decimals=1)
    candidates = direction(world) / "candidates.parquet"
    stored = load_candidates(candidates, history, split)
    own = Ranker(history, split, 20, 16, torch.device("cpu"), stored).rank(Table(scores))
    found = Judge(history, candidates).ranks(split, scores, np.arange(items))
    assert found.keys() == own.keys() == {"full", "sampled"}
    assert all(np.array_equal(found[name], own[name]) for name in own)


def test_an_item_that_a_library_never_saw_is_below_all_that_it_knows(world, history):
    positives = history.item[history.valid] - history.target_items.start
    known = np.setdiff1d(np.arange(len(history.target_items)), positives[:1])
    judge = Judge(history, direction(world) / "candidates.parquet")
    ranks = judge.ranks("valid", torch.zeros(history.users, len(known)), known)["full"]
    others = len(known) - len(sequences(events_before(history, "valid"), history.users, known)[0])
    assert ranks[0] == 1 + others and (ranks[positives != positives[0]] < 1 + others).all()


def test_cold_users_are_refused(cold_world):
    with pytest.raises(UserError, match="cold"):
        load(direction(cold_world))


class Trained(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.epoch = torch.nn.Parameter(torch.tensor(0.0))


class Clock:
    def __init__(self, monkeypatch):
        self.now = 100.0
        for name in ("perf_counter", "process_time"):
            monkeypatch.setattr(f"protocol.time.{name}", lambda: self.now)


def test_a_run_times_training_alone_and_ranks_the_test_events_by_the_best_epoch(tmp_path, monkeypatch):
    clock, model = Clock(monkeypatch), Trained()
    first = {1: 9.0, 2: 1.0, 3: 5.0, 4: 1.0}  # rank of the only user by epoch

    def ranks(split):
        clock.now += 50
        rank = np.array([first[int(model.epoch)] + (split == "test")])
        return {"full": rank, "sampled": rank / 2}

    args = argparse.Namespace(name="x", epochs=9, patience=2, seconds=100.0, output=tmp_path / "x.json")
    run = Run(args, model, ranks)
    run.start()
    while True:
        clock.now += 3
        model.epoch.data += 1
        if not run.epoch():
            break
    run.write({}, {"dim": 1})
    found = json.loads(args.output.read_text())
    assert [epoch["valid_ndcg_10"] for epoch in found["epochs"]] == [ndcg([rank], 10)[0] for rank in first.values()]
    assert [epoch["seconds"] for epoch in found["epochs"]] == [3, 6, 9, 12]
    assert (found["best"], found["stopped"]) == (2, "patience")
    assert found["test"] == {"ndcg_10": ndcg([2.0], 10)[0], "hr_10": hit_rate([2.0], 10)[0]}
    assert found["test_sampled"] == {"ndcg_10": 1.0, "hr_10": 1.0}


@pytest.mark.parametrize("limit, reason", [({"epochs": 2}, "epochs"), ({"seconds": 5.0}, "seconds")])
def test_a_run_ends_at_its_limits(monkeypatch, limit, reason):
    clock = Clock(monkeypatch)
    args = argparse.Namespace(**{"name": "x", "epochs": 9, "patience": 9, "seconds": 100.0} | limit)
    run = Run(args, Trained(), lambda split: {"full": np.array([1.0])})
    run.start()
    for going in (True, False):
        clock.now += 3
        assert run.epoch() == going
    assert run.stopped == reason


def made(name, *curve, best):
    epochs = [{"epoch": n, "seconds": s, "cpu_seconds": s * s, "valid_ndcg_10": v} for n, (s, v) in enumerate(curve, 1)]
    common = {"settings": {"dim": 64}, "threads": 1, "stopped": "patience", "test": {"ndcg_10": 0.1, "hr_10": 0.2}}
    return common | {"name": name, "epochs": epochs, "best": best}


def test_the_table_says_how_long_our_sasrec_takes_to_where_a_library_ends():
    ours = made("ours", (1.0, 0.1), (2.0, 0.3), (3.0, 0.2), best=2)
    theirs = made("theirs", (10.0, 0.05), (20.0, 0.2), (30.0, 0.1), best=2)
    better = made("better", (10.0, 0.4), best=1)
    faster = made("faster", (1.0, 0.2), (4.0, 0.1), best=1)
    found, none = row(theirs, ours, faster), row(better, ours, faster)
    assert (found.reference_seconds, found.ratio, found.cpu_ratio, found.seconds_an_epoch) == (2.0, 10.0, 100.0, 10.0)
    assert (found.faster_seconds, found.faster_ratio) == (1.0, 20.0)
    assert (none.reference_seconds, none.ratio, none.faster_seconds, none.faster_ratio) == (None,) * 4
    never, there = readable([none, found]).splitlines()[2:]
    assert never == "| better | patience | 1 | 10.00 | 1 | 10.0 | 0.4000 | 0.1000 | 0.2000 | never |  |  | never |  |"
    end = "2.0 | 10.0 | 100.0 | 1.0 | 20.0 |"
    assert there == f"| theirs | patience | 3 | 10.00 | 2 | 20.0 | 0.2000 | 0.1000 | 0.2000 | {end}"

"""What the systems cost, in the readable table of stage metrics: means over seeds, and whose they are."""

import json

import pytest

from semacdr.errors import UserError
from semacdr.storage import tables

COST = {"parameters": 12_345, "epochs": 10, "best_epoch": 6, "training_seconds": 50.0, "pretraining_seconds": 0.0}
COST |= {"validation_seconds": 5.0, "best_seconds": 36.4, "peak_mb": 1512.4, "device": "cpu", "threads": 2}


@pytest.fixture
def run(write_ranks):
    """Write a run of test ranks, and its costs beside it; the paths of both."""

    def writer(ranks, meta=(), **cost):
        path = write_ranks(ranks, **dict(meta))
        _, stored = tables.read(path, "ranks")
        settings = {name: stored[name] for name in ("source", "target", "model", "variant")}
        (path.parent / "settings.json").write_text(json.dumps(settings))
        (path.parent / "cost.json").write_text(json.dumps(COST | cost))
        return path, path.parent / "cost.json"

    return writer


def test_the_costs_of_a_direction_stand_behind_its_rankings(run, metrics_stage):
    back = {"source": "book", "target": "movie"}
    runs = [
        run({1: 2}, epochs=10, pretraining_seconds=20.0),
        run({1: 2}, {"seed": "2"}, epochs=20, best_epoch=9, best_seconds=40.0, peak_mb=1600.0, training_seconds=40.0),
        run({1: 1}, {"variant": "ce"}, parameters=7),
        run({1: 1}, {"model": "popularity"} | back, parameters=0, epochs=1, best_epoch=1, training_seconds=0.0),
    ]
    ranks, costs = zip(*runs, strict=True)
    rows, readable = metrics_stage(*ranks, costs=costs)
    there, again = readable.split("## book → movie (users")
    own, other = there.split("## movie → book: cost\n")[1], again.split("## book → movie: cost\n")[1]
    # s / epoch: (50 - 20) / 10 = 3 and 40 / 20 = 2; the largest memory
    assert own.strip().splitlines()[2:] == [
        "| System | Parameters | s / epoch | Epochs | Best | To best, s | Peak MB |",
        "| --- | ---: | ---: | ---: | ---: | ---: | ---: |",
        "| SASRec | 12,345 | 2.50 | 15 | 8 | 38 | 1,600 |",
        "| SASRec (ce) | 7 | 5.00 | 10 | 6 | 36 | 1,512 |",
    ]
    assert other.strip().splitlines()[-1] == "| popularity | 0 | 0.00 | 1 | 1 | 36 | 1,512 |"
    assert own.startswith("\nTraining on cpu, threads of a job: 2; means over seeds (2, 1), of")
    assert metrics_stage(*ranks)[0] == rows  # the TSV is of quality alone


def test_without_costs_nothing_is_said_of_them(run, metrics_stage):
    ranks, _ = run({1: 2})
    assert "cost" not in metrics_stage(ranks)[1]


def test_cold_users_have_no_costs_of_their_own(run, metrics_stage):
    ranks, cost = run({1: 2, 2: 3}, {"cold": {2}})
    assert metrics_stage(ranks, costs=[cost])[1].count("cost\n") == 1


def test_costs_of_other_runs_than_the_ranks_are_refused(run, metrics_stage):
    (first, _), (second, cost) = run({1: 2}), run({1: 2}, {"seed": "2"})
    with pytest.raises(UserError, match=r"run0: has ranks and no costs among those given"):
        metrics_stage(first, second, costs=[cost])
    with pytest.raises(UserError, match=r"run1: has costs and no ranks among those given"):
        metrics_stage(first, costs=[first.parent / "cost.json", cost])


def test_costs_of_an_older_version_are_refused(run, metrics_stage):
    ranks, cost = run({1: 2})
    cost.write_text(json.dumps({name: value for name, value in COST.items() if name != "peak_mb"}))
    with pytest.raises(UserError, match=r"run0/cost.json lacks peak_mb: it is of an older version"):
        metrics_stage(ranks, costs=[cost])

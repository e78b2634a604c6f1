"""The gate: the weights of real runs, bins by training events by hand, the page, and every refusal."""

import json
from collections import Counter
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import polars as pl
import pyarrow as pa
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from tiny_dataset import read

from semacdr.batching.batches import Batches
from semacdr.batching.windows import evaluation_windows
from semacdr.errors import UserError
from semacdr.evaluation.gates import bins, gate_rows, load_gates
from semacdr.models import load
from semacdr.models.base import Model
from semacdr.stages import gate, gate_weights
from semacdr.stages._direction import trained_of
from semacdr.storage import tables

META = {"release": "real", "scenario": "s", "source": "book", "target": "game", "model": "sphere", "seed": "1"}
META |= {"made_from_split": "abc"}


@pytest.fixture(scope="module")
def runs(world, tmp_path_factory):
    """A function from settings of sphere to a short run under them, with its weights by side."""

    def run(**settings):
        folder = world.train("sphere", tmp_path_factory.mktemp("run"), "--epochs", "1", **settings)
        own = load("sphere").Settings(**json.loads((folder / "settings.json").read_text())["settings"])
        argv = [*world.inputs("sphere", own), "--run", str(folder), "--device", "cpu"]
        gate_weights.main([*argv, "--batch-size", "7", "--output", str(folder / "gate_weights.parquet")])
        frame = pl.from_arrow(tables.read(folder / "gate_weights.parquet", "gate_weights")[0])
        trained = trained_of(gate_weights.arguments([*argv, "--output", "x"]), 1)
        return folder, trained, {side: part for (side,), part in frame.partition_by("side", as_dict=True).items()}

    return run


def test_the_weights_are_those_of_the_model_with_the_events_of_training(world, runs):
    folder, trained, sides = runs(gate="vector")
    split = read(world.folder / "split.parquet", "split")
    for side, ids in (("user", split.filter(role="test")["user"].sort()), ("item", pl.Series(range(30)))):
        part = sides[side]
        assert part["id"].to_list() == ids.to_list()
        counts = Counter(split.filter(role="train")[side].to_list())
        assert part["events"].to_list() == [counts[one] for one in part["id"]]
        assert part["weight"].is_between(0, 1, "none").all() and part["weight"].n_unique() > 20
    model, history = trained.model, trained.history
    prepared = model.prepare()
    batch = next(Batches(evaluation_windows(history, "test", 20), 999, trained.device).ordered())
    with torch.no_grad():
        weights = dict(zip(batch.users.tolist(), model.gate_weights(prepared, batch).tolist(), strict=True))
    assert sides["user"]["weight"].to_list() == pytest.approx([weights[user] for user in sides["user"]["id"]])
    loaded = load_gates(folder)
    assert loaded.direction == ("movie", "book") and set(loaded.sides) == {"user", "item"}
    rows = gate_rows({"sphere": [loaded]})
    assert sum(row.count for row in rows if row.side == "user") == len(sides["user"])


def test_a_half_is_a_half_and_a_side_without_a_gate_has_no_rows(runs):
    _, _, sides = runs(gate="half")
    assert {weight for part in sides.values() for weight in part["weight"]} == {0.5}
    assert set(runs(item_tower=False, gate="vector")[2]) == {"user"}
    assert set(runs(gate="concat")[2]) == set()


def test_models_without_gates_and_weights_that_are_none_are_refused(runs):
    _, trained, _ = runs()
    with pytest.raises(UserError, match="sasrec has no gate; name a run of model sphere"):
        system = SimpleNamespace(name="sasrec", training=trained.system.training)
        gate_weights.weights_of(replace(trained, model=Model(), system=system), 7)
    for wrong in (float("inf"), 1.5, -0.1):
        trained.model.item_gate_weights = lambda prepared, wrong=wrong: torch.tensor([0.5] * 29 + [wrong])
        with pytest.raises(UserError, match="sphere: a gate's weight is not from 0 to 1: training diverged"):
            gate_weights.weights_of(trained, 7)


@given(st.lists(st.integers(0, 40), min_size=1, max_size=30))
def test_the_bins_part_all_events(events):
    found = bins(np.array(events, np.int32))
    assert sum(members.astype(int) for _, members in found).tolist() == [1] * len(events)
    for name, members in found:
        low, _, high = name.rstrip("+").partition("-")
        bounds = (int(low), 999 if name.endswith("+") else int(high or low))
        assert members.tolist() == [bounds[0] <= one <= bounds[1] for one in events] and members.any()
    names = [name for name, _ in bins(np.arange(30, dtype=np.int32))]
    assert names == ["0", "1", "2", "3-4", "5-9", "10-19", "20+"]


@pytest.fixture
def write_weights(tmp_path):
    """Write the weights of a run: by side the (id, events, weight) of each; return its folder."""

    def write(variant, seed, user=(), item=(), **meta):
        folder = tmp_path / "runs" / variant / f"seed{seed}"
        rows = [dict(zip(("side", "id", "events", "weight"), (side, *row), strict=True))
                for side, own in (("item", item), ("user", user)) for row in own]  # fmt: skip
        table = pa.Table.from_pylist(rows) if rows else pa.table({n: [] for n in ("side", "id", "events", "weight")})
        tables.write(table, folder / "gate_weights.parquet", "gate_weights", META | {"run": variant} | meta)
        return folder

    return write


def test_a_table_by_hand(write_weights, comparing):
    users = [[(1, 1, 0.2), (2, 1, 0.4), (3, 3, 0.6), (4, 4, 1.0)], [(1, 1, 0.4), (2, 1, 0.6), (3, 3, 0.8), (4, 4, 1.0)]]
    sphere = [write_weights("sphere", seed, own, [(0, 0, 0.5), (1, 25, 0.9)]) for seed, own in enumerate(users)]
    half = [write_weights("half", seed, [(one, events, 0.5) for one, events, _ in users[0]]) for seed in range(2)]
    rows, page = comparing(gate, "--title", "Gate", sphere=sphere, half=half)
    of = {(row["variant"], row["side"], row["events"]): row for row in rows}
    assert list(of) == [
        ("sphere", "user", "1"), ("sphere", "user", "3-4"), ("sphere", "item", "0"), ("sphere", "item", "20+"),
        ("half", "user", "1"), ("half", "user", "3-4"),
    ]  # fmt: skip
    one = of["sphere", "user", "1"]
    # over seeds user 1 has 0.3 and user 2 has 0.5; the seeds' means are 0.3 and 0.5
    assert (one["count"], one["weight"], one["seeds"]) == ("2", "0.4", "2")
    assert float(one["std"]) == pytest.approx(np.std([0.3, 0.5], ddof=1), rel=1e-5)
    assert (float(one["low"]), float(one["high"])) == (pytest.approx(0.32), pytest.approx(0.48))
    assert float(of["sphere", "user", "3-4"]["weight"]) == pytest.approx(0.85)
    assert "## book → game, users, by their training events" in page
    assert "| System | 1 (2) | 3-4 (2) |" in page and "| SPHERE | 0.40 ± 0.14 [0.32, 0.48] |" in page
    assert "2 seeds." in page


def test_variants_without_a_gate_are_left_out(write_weights, comparing, caplog):
    with_gate, without = write_weights("sphere", 1, [(1, 1, 0.2)]), write_weights("concat", 1)
    rows, _ = comparing(gate, sphere=[with_gate], concat=[without])
    assert {row["variant"] for row in rows} == {"sphere"} and "concat has no gate and is left out" in caplog.text
    assert {row["std"] for row in rows} == {""}
    with pytest.raises(UserError, match="no run has a gate; name variants of model sphere whose fusion is a gate"):
        comparing(gate, concat=[without])


def test_runs_that_do_not_fit_together_are_refused(write_weights, comparing):
    one = write_weights("one", 1, [(1, 1, 0.2)])
    with pytest.raises(UserError, match="do not have the same users; run stage gate_weights again"):
        comparing(gate, one=[one, write_weights("one", 2, [(2, 1, 0.2)])])
    with pytest.raises(UserError, match="were made from different splits; give runs on the same data"):
        comparing(gate, one=[one], two=[write_weights("two", 1, [(1, 1, 0.2)], made_from_split="other")])

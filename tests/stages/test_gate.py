"""The gate: weights of a run by a fake model, bins by training events by hand, the page, and every refusal."""

from types import SimpleNamespace

import numpy as np
import pyarrow as pa
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from semacdr.errors import UserError
from semacdr.evaluation.gates import bins
from semacdr.stages import gate, gate_weights
from semacdr.storage import tables

META = {"release": "real", "scenario": "s", "source": "book", "target": "game", "model": "sphere", "seed": "1"}
META |= {"made_from_split": "abc"}


class Fake(torch.nn.Module):
    """A model with the interface of sphere: users 7 and 3 have personas, items are 0, 1, 2."""

    gate_users = torch.tensor([7, 3])

    def __init__(self, **gates):
        super().__init__()
        self.given = {name: torch.tensor(values) for name, values in gates.items()}

    def prepare(self):
        return "prepared"

    def gates(self, prepared):
        assert prepared == "prepared"
        return self.given


def trained(model):
    history = SimpleNamespace(target_items=range(3))
    return SimpleNamespace(model=model, history=history, system=SimpleNamespace(name="sphere"))


@pytest.fixture
def split(tmp_path):
    """User 3 has two training events, user 7 one; item 0 has two, item 1 one, item 2 none."""
    rows = [(3, 0, "train"), (3, 1, "train"), (7, 0, "train"), (3, 2, "valid"), (7, 2, "test"), (9, 2, "later")]
    named = [dict(zip(("user", "item", "role"), row, strict=True)) for row in rows]
    tables.write(pa.Table.from_pylist(named), tmp_path / "split.parquet", "split", META)
    return tmp_path / "split.parquet"


def test_the_weights_of_a_run_by_hand(split):
    model = Fake(users=[0.25, 0.5], items=[1.0, 0.0, 0.75])
    table = gate_weights.weights_of(trained(model), split)
    assert [tuple(row.values()) for row in table.to_pylist()] == [
        ("item", 0, 2, 1.0), ("item", 1, 1, 0.0), ("item", 2, 0, 0.75), ("user", 3, 2, 0.5), ("user", 7, 1, 0.25)
    ]  # fmt: skip
    sides = gate_weights.weights_of(trained(Fake(users=[0.25, 0.5])), split)["side"].to_pylist()
    assert sides == ["user", "user"]  # the item tower may be off


def test_a_model_without_a_gate_has_no_weights(split, tmp_path):
    table = gate_weights.weights_of(trained(Fake()), split)
    tables.write(table, tmp_path / "none.parquet", "gate_weights", META)
    assert len(tables.read(tmp_path / "none.parquet", "gate_weights")[0]) == 0
    with pytest.raises(UserError, match="sphere has no gate; name a run of model sphere"):
        gate_weights.weights_of(trained(SimpleNamespace(prepare=lambda: None)), split)
    for wrong in (float("nan"), 1.5, -0.1):
        with pytest.raises(UserError, match="a gate's weight is not from 0 to 1: training diverged"):
            gate_weights.weights_of(trained(Fake(users=[0.5, wrong])), split)


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
    assert "| System | 1 (2) | 3-4 (2) |" in page and "| sphere | 0.40 ± 0.14 [0.32, 0.48] |" in page
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

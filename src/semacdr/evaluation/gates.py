"""The weights of SPHERE's gate by training events: how much users and items take from the collaborative side."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow.compute as pc

from semacdr.errors import UserError
from semacdr.evaluation.runs import run_name
from semacdr.storage import tables

BOUNDS = (1, 2, 4, 9, 19)  # largest number of training events of each bin but the last; items may have 0
SIDES = ("user", "item")
NEEDED = ("release", "source", "target", "model", "made_from_split")


@dataclass(frozen=True)
class Gates:
    """The weights of one run: by side ids, training events and weights, each sorted by id; no side without a gate."""

    path: Path
    metadata: dict[str, str]
    run: str
    sides: dict[str, tuple[npt.NDArray[np.int32], npt.NDArray[np.int32], npt.NDArray[np.float64]]]

    @property
    def direction(self) -> tuple[str, str]:
        """Source and target."""
        return self.metadata["source"], self.metadata["target"]


@dataclass(frozen=True)
class GateRow:
    """The weights of one bin: its fields are the columns."""

    source: str
    target: str
    variant: str
    side: str  # user or item
    events: str  # training events in the target domain
    count: int  # users or items in the bin
    weight: float  # of the collaborative side: mean over the bin, dimensions and seeds
    std: float | None  # over seeds; None for one seed
    low: float  # 10th and 90th percentile over the bin, of the means over seeds
    high: float
    seeds: int
    release: str
    model: str
    run: str


def load_gates(folder: Path) -> Gates:
    """The weights of a run's folder; a UserError where its metadata are incomplete."""
    path = folder / "gate_weights.parquet"
    table, metadata = tables.read(path, "gate_weights")
    missing = [key for key in NEEDED if key not in metadata]
    if missing:
        raise UserError(f"{path}: the metadata lack {', '.join(missing)}; run stage gate_weights again")
    sides = {}
    for side in SIDES:
        part = table.filter(pc.equal(table["side"], side))
        if len(part):
            ids, events = part["id"].to_numpy(), part["events"].to_numpy()
            sides[side] = (ids, events, part["weight"].to_numpy().astype(np.float64))
    return Gates(path, metadata, run_name(folder, metadata), sides)


def gate_rows(variants: Mapping[str, Sequence[Gates]]) -> list[GateRow]:
    """The rows of all directions; variants without a gate have none. A UserError if runs are of different data."""
    rows: list[GateRow] = []
    for direction in dict.fromkeys(gates.direction for runs in variants.values() for gates in runs):
        part = {name: [one for one in runs if one.direction == direction] for name, runs in variants.items()}
        _check_same([one for runs in part.values() for one in runs])
        for name, runs in part.items():
            for side in SIDES:
                if any(side in one.sides for one in runs):
                    rows += _side_rows(name, side, runs)
    if not rows:
        raise UserError("no run has a gate; name variants of model sphere whose fusion is a gate")
    return rows


def _side_rows(variant: str, side: str, runs: Sequence[Gates]) -> list[GateRow]:
    first, (ids, events, _) = runs[0], runs[0].sides[side]
    for other in runs[1:]:
        if side not in other.sides or not np.array_equal(other.sides[side][0], ids):
            raise UserError(f"{first.path} and {other.path} do not have the same {side}s; run stage gate_weights again")
    by_seed = np.stack([one.sides[side][2] for one in runs])  # (seeds, users or items)
    rows = []
    for name, members in bins(events):
        own = by_seed[:, members]
        low, high = np.quantile(own.mean(0), [0.1, 0.9])
        rows.append(
            GateRow(
                source=first.direction[0],
                target=first.direction[1],
                variant=variant,
                side=side,
                events=name,
                count=int(members.sum()),
                weight=float(own.mean()),
                std=float(own.mean(1).std(ddof=1)) if len(runs) > 1 else None,
                low=float(low),
                high=float(high),
                seeds=len(runs),
                release=first.metadata["release"],
                model=first.metadata["model"],
                run=", ".join(dict.fromkeys(one.run for one in runs)),
            )
        )
    return rows


def bins(events: npt.NDArray[np.int32]) -> list[tuple[str, npt.NDArray[np.bool_]]]:
    """The bins that are not empty, by name (0, 1, 2, 3-4, ..., 20+), with their members (users or items,)."""
    found = [("0", events == 0)]
    for low, high in zip((1, *(bound + 1 for bound in BOUNDS[:-1])), BOUNDS, strict=True):
        found.append((str(low) if low == high else f"{low}-{high}", (events >= low) & (events <= high)))
    found.append((f"{BOUNDS[-1] + 1}+", events > BOUNDS[-1]))
    return [(name, members) for name, members in found if members.any()]


def _check_same(runs: Sequence[Gates]) -> None:
    """Raise a UserError unless all runs were trained on the same split."""
    first = runs[0]
    for other in runs[1:]:
        if first.metadata["made_from_split"] != other.metadata["made_from_split"]:
            raise UserError(
                f"{first.path} and {other.path} were made from different splits; give runs on the same data"
            )

"""The weights of a trained model's gate: how much each target user and item takes from the collaborative side.

Reads   what train read, and the folder that train wrote.
Writes  gate_weights.parquet: side (user, item), id, events (training events in the target domain), weight (0 to 1, the
        mean over dimensions: 1 is the backbone's vector alone, 0 the semantic one alone). Users are those with a
        persona, items the target's. No rows where the model has no gate, such as a fusion by concatenation.
"""

import argparse
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import torch

from semacdr.errors import UserError
from semacdr.runtime.cli import log, parser, run
from semacdr.runtime.settings import Count, add_flags, from_flags, setting
from semacdr.stages._direction import add_run, trained_of
from semacdr.storage import tables
from semacdr.training.trained import Trained


@dataclass(frozen=True)
class Options:
    """The machine resources that the stage may use."""

    threads: Count = setting(1, "threads of torch")


def arguments(argv: Sequence[str] | None) -> argparse.Namespace:
    """Parse the stage's command line."""
    cli = parser(__doc__)
    add_run(cli)
    add_flags(cli, Options)
    cli.add_argument("--output", type=Path, required=True, help="gate_weights.parquet")
    return cli.parse_args(argv)


@torch.no_grad()
def weights_of(trained: Trained, split: Path) -> pa.Table:
    """The table of both sides, sorted by side and id; `split`: split.parquet of the direction.

    A UserError for a model that has no gates at all, or a weight that is not from 0 to 1.
    """
    model, history, name = trained.model, trained.history, trained.system.name
    if not hasattr(model, "gates"):
        raise UserError(f"{name} has no gate; name a run of model sphere")
    gates = model.gates(model.prepare())
    first = history.target_items.start
    ids = {"user": _array(model.gate_users), "item": np.arange(first, history.target_items.stop)}
    rows, _ = tables.read(split, "split")
    train = rows.filter(pc.equal(rows["role"], "train"))
    parts = []
    for side, weights in ((side, gates.get(f"{side}s")) for side in ("item", "user")):
        if weights is None:
            continue
        weight, order = _array(weights.float()), np.argsort(ids[side], kind="stable")
        if not ((weight >= 0) & (weight <= 1)).all():
            raise UserError(f"{name}: a gate's weight is not from 0 to 1: training diverged; lower the learning rate")
        events = np.bincount(train[side].to_numpy(), minlength=1 + ids[side].max(initial=0))[ids[side]]
        columns = {"id": ids[side].astype(np.int32), "events": events.astype(np.int32), "weight": weight}
        parts.append(pa.table({"side": [side] * len(weight)} | {key: one[order] for key, one in columns.items()}))
    return pa.concat_tables(parts) if parts else pa.table({name: [] for name in ("side", "id", "events", "weight")})


def _array(values: torch.Tensor) -> npt.NDArray:
    return values.cpu().numpy()


def main(argv: Sequence[str] | None = None) -> None:
    """Run the stage."""
    args = arguments(argv)
    trained = trained_of(args, from_flags(args, Options, "gate_weights").threads)
    table = weights_of(trained, args.split)
    tables.write(table, args.output, "gate_weights", trained.meta)
    log.info("%d weights: %s", len(table), args.output)


if __name__ == "__main__":
    run(main)

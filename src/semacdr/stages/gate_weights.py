"""The weights of a trained model's gate: how much each target user and item takes from the collaborative side.

Reads   what train read, and the folder that train wrote.
Writes  gate_weights.parquet: side (user, item), id, events (training events in the target domain), weight (0 to 1, the
        mean over dimensions: 1 is the backbone's vector alone, 0 the semantic one alone). Users are those with a test
        event, at that event; items are the target's. No rows of a side without a gate, such as with a fusion by
        concatenation.
"""

import argparse
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import torch

from semacdr.batching.batches import Batches
from semacdr.batching.windows import evaluation_windows
from semacdr.errors import UserError
from semacdr.models.base import Model
from semacdr.runtime.cli import log, parser, run
from semacdr.runtime.settings import add_flags, from_flags
from semacdr.stages._direction import ScoringOptions, add_run, trained_of
from semacdr.storage import tables
from semacdr.training.trained import Trained

COLUMNS = {"side": pa.string(), "id": pa.int32(), "events": pa.int32(), "weight": pa.float32()}


@dataclass(frozen=True)
class Options(ScoringOptions):
    """The machine resources that the stage may use."""


def arguments(argv: Sequence[str] | None) -> argparse.Namespace:
    """Parse the stage's command line."""
    cli = parser(__doc__)
    add_run(cli)
    add_flags(cli, Options)
    cli.add_argument("--output", type=Path, required=True, help="gate_weights.parquet")
    return cli.parse_args(argv)


@torch.no_grad()
def weights_of(trained: Trained, batch_size: int) -> pa.Table:
    """The table of both sides, sorted by side and id.

    A UserError for a model that has no gates at all, or a weight that is not from 0 to 1.
    """
    model, history, training = trained.model, trained.history, trained.system.training
    if type(model).gate_weights is Model.gate_weights:
        raise UserError(f"{trained.system.name} has no gate; name a run of model sphere")
    prepared = model.prepare()
    windows = evaluation_windows(history, "test", training.max_length, training.visibility)
    batches = Batches(windows, batch_size, trained.device).ordered()
    users = torch.cat([model.gate_weights(prepared, batch) for batch in batches])
    chosen = history.training() & history.is_target
    first, stop = history.target_items.start, history.target_items.stop
    item_events = np.bincount(history.item[chosen] - first, minlength=stop - first)
    user_events = np.bincount(history.user()[chosen], minlength=history.users)
    order = np.argsort(windows.users, kind="stable")
    parts = [
        _side("item", np.arange(first, stop), item_events, model.item_gate_weights(prepared), trained.system.name),
        _side("user", windows.users[order], user_events[windows.users[order]], users[order], trained.system.name),
    ]
    return pa.concat_tables(parts).cast(pa.schema(COLUMNS))


def _side(side: str, ids: np.ndarray, events: np.ndarray, weights: torch.Tensor, name: str) -> pa.Table:
    """The rows of one side, none where all weights are NaN; a UserError where some are not from 0 to 1."""
    weight = weights.float().cpu().numpy()
    if np.isnan(weight).all():
        ids = events = weight = np.empty(0)
    if not ((weight >= 0) & (weight <= 1)).all():
        raise UserError(f"{name}: a gate's weight is not from 0 to 1: training diverged; lower the learning rate")
    columns = {"side": [side] * len(weight), "id": ids, "events": events, "weight": weight}
    return pa.table({key: pa.array(column, COLUMNS[key]) for key, column in columns.items()})


def main(argv: Sequence[str] | None = None) -> None:
    """Run the stage."""
    args = arguments(argv)
    options = from_flags(args, Options, "gate_weights")
    trained = trained_of(args, options.threads)
    table = weights_of(trained, options.batch_size)
    tables.write(table, args.output, "gate_weights", trained.meta)
    log.info("%d weights: %s", len(table), args.output)


if __name__ == "__main__":
    run(main)

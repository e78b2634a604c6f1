"""Write the item vectors of a trained model, with source and target items in one space.

Reads   what train read, and the folder that train wrote.
Writes  vectors.parquet: item, domain, space, vector (float32), one row per item and space. The model names the
        spaces that hold a vector for every item (`Model.item_spaces`): SemaCDR has the nodes after each domain's graph
        (eqs. 4 and 5) and after the mixed graph (eq. 6).
"""

import argparse
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
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
    cli.add_argument("--output", type=Path, required=True, help="vectors.parquet")
    return cli.parse_args(argv)


@torch.no_grad()
def vectors_of(trained: Trained) -> pa.Table:
    """The table of all spaces, with items in order; a UserError for a model without such a space."""
    model, history = trained.model, trained.history
    spaces = model.item_spaces(model.prepare())
    if not spaces:
        name = trained.system.name
        raise UserError(f"{name} has no vectors of source and target items in one space; name another model")
    items = len(history.source_items) + len(history.target_items)
    domain = np.full(items, history.meta["source"], object)
    domain[history.target_items.start : history.target_items.stop] = history.meta["target"]
    parts = []
    for name, rows in spaces.items():
        vectors = rows.float().cpu().numpy()
        if not np.isfinite(vectors).all():
            raise UserError(f"{name}: an item vector is not finite: training diverged; lower the learning rate")
        named = {"item": np.arange(items, dtype=np.int32), "domain": domain, "space": [name] * items}
        parts.append(pa.table(named | {"vector": tables.vectors(vectors)}))
    return pa.concat_tables(parts)


def main(argv: Sequence[str] | None = None) -> None:
    """Run the stage."""
    args = arguments(argv)
    trained = trained_of(args, from_flags(args, Options, "vectors").threads)
    table = vectors_of(trained)
    tables.write(table, args.output, "vectors", trained.meta)
    log.info("%d vectors of %d items", len(table), len(table) // len(table["space"].unique()))


if __name__ == "__main__":
    run(main)

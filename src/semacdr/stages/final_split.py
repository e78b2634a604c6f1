"""Final split: all events of a direction are for training, for a model that recommends as of now.

Reads   interactions.parquet and items.parquet of the scenario.
Writes  split.parquet: each user's events in the target domain, all with role train. Its metadata say
        `split_by: nothing`, so it cannot be taken for a split that holds out events.
"""

import argparse
from collections.abc import Sequence
from pathlib import Path

import polars as pl

from semacdr.data.roles import all_training
from semacdr.errors import UserError
from semacdr.runtime.cli import log, parser, run
from semacdr.storage import tables


def arguments(argv: Sequence[str] | None) -> argparse.Namespace:
    """The stage's command line."""
    cli = parser(__doc__)
    cli.add_argument("--interactions", type=Path, required=True)
    cli.add_argument("--items", type=Path, required=True)
    cli.add_argument("--source", required=True, help="name of the source domain")
    cli.add_argument("--target", required=True, help="name of the target domain")
    cli.add_argument("--output", type=Path, required=True, help="split.parquet")
    return cli.parse_args(argv)


def main(argv: Sequence[str] | None = None) -> None:
    """Run the stage."""
    args = arguments(argv)
    interactions, meta = tables.read(args.interactions, "interactions")
    _, items_meta = tables.read(args.items, "items")
    tables.check_made_from(args.items, items_meta, "preprocess", interactions=meta)
    split = all_training(pl.DataFrame(interactions), args.target)
    if not len(split):
        raise UserError(f"{args.interactions}: no event of domain '{args.target}'")
    made_from = tables.made_from(interactions=meta, items=items_meta)
    meta |= {"source": args.source, "target": args.target, "split_by": "nothing"}
    tables.write(split.to_arrow(), args.output, "split", meta | made_from)
    log.info("%s to %s: all %s events of the target are for training", args.source, args.target, f"{len(split):,}")


if __name__ == "__main__":
    run(main)

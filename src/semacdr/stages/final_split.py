"""Final split: all events of a direction are for training, for a model that recommends as of now.

Reads   interactions.parquet and items.parquet of the scenario.
Writes  split.parquet: each user's events in the target domain, all with role train. Its metadata say
        `split_by: nothing`, so it cannot be taken for a split that holds out events.
"""

import argparse
from collections.abc import Sequence
from pathlib import Path

from semacdr.data.roles import all_training
from semacdr.runtime.cli import log, parser, run
from semacdr.stages._split import add_direction, read_direction
from semacdr.storage import tables


def arguments(argv: Sequence[str] | None) -> argparse.Namespace:
    """The stage's command line."""
    cli = parser(__doc__)
    add_direction(cli)
    cli.add_argument("--output", type=Path, required=True, help="split.parquet")
    return cli.parse_args(argv)


def main(argv: Sequence[str] | None = None) -> None:
    """Run the stage."""
    args = arguments(argv)
    interactions, _, meta, made_from = read_direction(args)
    split = all_training(interactions, args.target)
    tables.write(split.to_arrow(), args.output, "split", meta | {"split_by": "nothing"} | made_from)
    log.info("%s to %s: all %s events of the target are for training", args.source, args.target, f"{len(split):,}")


if __name__ == "__main__":
    run(main)

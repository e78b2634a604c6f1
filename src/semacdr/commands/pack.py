"""Pack a trained run into one file that recommends without the pipeline's other files.

Reads   RUN: the folder of a trained run where the workflow made it, and the tables that it was trained on.
Writes  OUT.zip: checkpoint, settings, items, the text vectors, categories and graphs that the model reads, the
        users and their events, and the provenance of all. `semacdr recommend` and `semacdr.load` take it
        in place of a folder.

With --without-histories the file holds no users and no events: it recommends only to given histories.
"""

import argparse
from collections.abc import Sequence
from pathlib import Path

from semacdr.errors import UserError
from semacdr.runtime.cli import log, parser
from semacdr.serving.bundle import pack


def arguments(argv: Sequence[str] | None) -> argparse.Namespace:
    """Parse the command line."""
    cli = parser(__doc__)
    cli.add_argument("run", type=Path, metavar="RUN", help="folder of a trained run")
    cli.add_argument("output", type=Path, metavar="OUT.zip")
    cli.add_argument("--without-histories", action="store_true", help="leave out the users and their events")
    return cli.parse_args(argv)


def main(argv: Sequence[str] | None = None) -> None:
    """Run the command."""
    args = arguments(argv)
    if args.output.suffix != ".zip":
        raise UserError(f"{args.output}: the name of a bundle must end in .zip")
    manifest = pack(args.run, args.output, histories=not args.without_histories)
    megabytes = args.output.stat().st_size / 1e6
    log.info(
        "%s: %s, as of %s, %d files, %.1f MB%s", args.output, manifest["model"], manifest["as_of"],
        len(manifest["files"]), megabytes, "" if manifest["histories"] else ", without histories",
    )  # fmt: skip

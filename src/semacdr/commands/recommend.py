"""Recommend the best items of the target domain to known users, or to anybody by a history.

Reads   RUN: the folder of a trained run, or a bundle of `semacdr pack`.
Writes  one row for each user and place: user_id, place (1 is the best), item_id, title, score, as_of; as TSV, JSON or
        Parquet, by the suffix of --output, by default as TSV on the screen.

as_of says what the lists follow. `now`: all events of the user, by a run that was trained on all events. `before_test`:
only the events before the user's test event, by an evaluated run. `history`: the given history.

  semacdr recommend RUN --users A1 B2 --top 5
  semacdr recommend RUN --all --output lists.parquet
  semacdr recommend RUN --history B000X1 B000X2              for somebody new, items in order of time
  semacdr recommend RUN --histories FILE.csv                 columns user_id, item_id, perhaps domain; in order of time
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

import polars as pl

from semacdr.errors import UserError
from semacdr.runtime.cli import log, parser
from semacdr.serving.recommender import Recommender, load
from semacdr.storage.files import replacing

SUFFIXES = (".tsv", ".json", ".parquet")


def arguments(argv: Sequence[str] | None) -> argparse.Namespace:
    """Parse the command line."""
    cli = parser(__doc__)
    cli.add_argument("run", type=Path, metavar="RUN", help="folder of a trained run, or a bundle")
    whom = cli.add_mutually_exclusive_group(required=True)
    whom.add_argument("--users", nargs="+", metavar="ID", help="known users")
    whom.add_argument("--all", action="store_true", help="all known users")
    whom.add_argument("--history", nargs="+", metavar="ITEM", help="items of somebody new, in order of time")
    whom.add_argument("--histories", type=Path, metavar="FILE", help="histories of several people: CSV, TSV or Parquet")
    cli.add_argument("--top", type=int, default=20, help="items for each user (default 20)")
    cli.add_argument("--explain", action="store_true", help="add the shared categories that support each item")
    cli.add_argument("--keep-seen", action="store_true", help="items that the user has already may be recommended")
    cli.add_argument("--skip-unknown", action="store_true", help="leave out unknown items of histories")
    cli.add_argument("--output", type=Path, help="a file that ends in " + ", ".join(SUFFIXES))
    cli.add_argument("--device", default="cpu", help="default: cpu")
    cli.add_argument("--threads", type=int, default=1, help="threads of torch (default 1)")
    return cli.parse_args(argv)


def read_histories(path: Path) -> pl.DataFrame:
    """The table of a file of histories, all columns as text; a UserError if it cannot be read."""
    try:
        if path.suffix == ".parquet":
            return pl.read_parquet(path)
        return pl.read_csv(path, separator="\t" if path.suffix == ".tsv" else ",", infer_schema=False)
    except (OSError, pl.exceptions.PolarsError) as error:
        raise UserError(f"{path}: cannot be read as a table of histories: {error}") from error


def recommend(recommender: Recommender, args: argparse.Namespace) -> pl.DataFrame:
    """The table of what the command line asks for."""
    how = {"top": args.top, "explain": args.explain, "keep_seen": args.keep_seen, "skip_unknown": args.skip_unknown}
    if args.all or args.users:
        table = recommender.recommend(users="all" if args.all else args.users, **how)
        return table.with_columns(as_of=pl.lit(recommender.as_of))
    histories = read_histories(args.histories) if args.histories else [args.history]
    return recommender.recommend(histories=histories, **how).with_columns(as_of=pl.lit("history"))


def write(table: pl.DataFrame, output: Path | None) -> None:
    """Write the table in the format that the file's suffix names; without a file, print it as TSV."""
    if output is None:
        sys.stdout.write(table.write_csv(separator="\t", quote_style="necessary"))
        return
    with replacing(output) as temporary:
        if output.suffix == ".parquet":
            table.write_parquet(temporary)
        elif output.suffix == ".json":
            temporary.write_text(table.write_json(), encoding="utf-8")
        else:
            table.write_csv(temporary, separator="\t")


def main(argv: Sequence[str] | None = None) -> None:
    """Run the command."""
    args = arguments(argv)
    if args.output and args.output.suffix not in SUFFIXES:
        raise UserError(f"{args.output}: the name must end in {', '.join(SUFFIXES)}, which chooses the format")
    recommender = load(args.run, args.device, args.threads)
    table = recommend(recommender, args)
    write(table, args.output)
    log.info("%s recommendations for %s users", f"{len(table):,}", f"{table['user_id'].n_unique():,}")

"""Ties: compare variants on tied and on untied events separately.

Reads   the folders of the runs, --runs NAME FOLDER..., once per variant (seeds, directions): ranks.parquet
        and settings.json of each. interactions.parquet; split.parquet of each direction (--splits).
Writes  --output, a TSV: a row per direction, group, ranking, metric and variant, with the columns of stage compare.
        group untied: users whose ranked event is their only target event with its timestamp; tied: all others. Empty
        groups have no row. --table, full ranking as a Markdown page.

A hash decided the order of tied events (stage preprocess), and so which of them is held out. P-values are corrected for
the number of variants within a group. With --split valid all numbers are of validation events.
"""

import argparse
from collections.abc import Sequence
from pathlib import Path

from semacdr.evaluation.comparison import compare, load_variants
from semacdr.evaluation.groups import by_split, by_ties
from semacdr.evaluation.runs import SPLITS
from semacdr.reporting.comparison_page import grouped_page, write_comparison
from semacdr.reporting.split_lines import split_lines
from semacdr.runtime.cli import log, parser, run
from semacdr.stages._comparison import add_comparison, add_tests, how_compared

GROUPS = "Full ranking, separately for users whose ranked event is tied and for all others (untied)."


def arguments(argv: Sequence[str] | None) -> argparse.Namespace:
    """The stage's command line."""
    cli = parser(__doc__)
    add_comparison(cli, "Ties")
    add_tests(cli)
    cli.add_argument("--interactions", type=Path, required=True)
    cli.add_argument("--splits", nargs="+", type=Path, required=True, help="split.parquet of each direction")
    cli.add_argument("--split", choices=SPLITS, default="test", help="the split to compare on; default test")
    return cli.parse_args(argv)


def main(argv: Sequence[str] | None = None) -> None:
    """Run the stage."""
    args = arguments(argv)
    variants = load_variants(args.runs, args.split)
    rows = compare(variants, by_split(args.splits, by_ties(args.interactions)), **how_compared(args))
    page = grouped_page(rows, args.title, GROUPS, split_lines(variants))
    write_comparison(args.output, args.table, args.runs, rows, page)
    log.info("%d variants, %d rows: %s", len(variants), len(rows), args.output)


if __name__ == "__main__":
    run(main)

"""Data sets: the same systems on several data sets, with what each run reached on validation next to simple baselines.

Reads   the folders of the runs, --runs EXPERIMENT SCENARIO VARIANT FOLDER..., once per variant (seeds, directions):
        ranks.parquet and settings.json of each.
Writes  --output, a TSV: a row per experiment, scenario, direction, variant and seed: NDCG@10 of the test events in full
        and sampled ranking; the best validation NDCG@10, and its ratios to that of the most popular items and of
        sequential rules; column at_popularity says yes if a learned run is at the level of popularity. A
        non-learned baseline has one row for all seeds.
        --table, a Markdown page: a table per experiment and ranking, with a column per data set.

All runs of a scenario must have the same users, items, split and candidates. Where some users are cold, the numbers are
of the warm ones.
"""

import argparse
from collections.abc import Sequence
from pathlib import Path

from semacdr.errors import UserError
from semacdr.evaluation.data_sets import Place, data_set_rows
from semacdr.reporting.data_sets_page import data_sets_page
from semacdr.runtime.cli import log, parser, run
from semacdr.storage import tsv

Folders = dict[Place, dict[str, list[Path]]]


def folders_by_place(given: Sequence[Sequence[str]]) -> Folders:
    """The folders of the runs by place and variant, from the values of --runs; a UserError where they are malformed."""
    found: Folders = {}
    for words in given:
        if len(words) < 4:
            raise UserError(f"--runs {' '.join(words)}: give EXPERIMENT SCENARIO VARIANT and the folders of its runs")
        experiment, scenario, variant, *folders = words
        variants = found.setdefault(Place(experiment, scenario), {})
        if variant in variants:
            raise UserError(f"--runs {experiment} {scenario} {variant}: given twice; give all its runs together")
        variants[variant] = [Path(folder) for folder in folders]
    return found


def arguments(argv: Sequence[str] | None) -> argparse.Namespace:
    """The stage's command line."""
    cli = parser(__doc__)
    cli.add_argument(
        "--runs", nargs="+", action="append", required=True, metavar=("EXPERIMENT", "SCENARIO VARIANT FOLDER"),
        help="a variant of an experiment in a scenario, and the folders of its runs: all directions and seeds",
    )  # fmt: skip
    cli.add_argument("--title", default="Data sets", help="title of the page")
    cli.add_argument("--output", type=Path, required=True, help="the TSV")
    cli.add_argument("--table", type=Path, required=True, help="the Markdown page")
    return cli.parse_args(argv)


def main(argv: Sequence[str] | None = None) -> None:
    """Run the stage."""
    args = arguments(argv)
    rows = data_set_rows(folders_by_place(args.runs))
    tsv.write(args.output, tsv.text(rows))
    tsv.write(args.table, data_sets_page(rows, args.title))
    flagged = [row for row in rows if row.at_popularity]
    log.info("%d rows: %s", len(rows), args.output)
    if flagged:
        names = [f"{row.variant} ({row.scenario}, {row.source} to {row.target}, seed {row.seed})" for row in flagged]
        log.warning("%d runs are at the level of popularity on validation events: %s", len(flagged), ", ".join(names))


if __name__ == "__main__":
    run(main)

"""Compare: the variants of an experiment with its first one, user by user.

Reads   the folders of the runs, --runs NAME FOLDER..., once per variant (seeds, directions): ranks.parquet
        and settings.json of each, and cost.json and history.tsv for runs at the level of popularity.
Writes  --output, a TSV: a row per direction, ranking, metric and variant: mean, standard deviation over seeds, 95 %
        bootstrap interval of the mean over users; the difference from the first variant with its interval, and p-values
        of a paired bootstrap test and of Wilcoxon's signed-rank test, both also Holm-corrected for the number of
        comparisons of the metric. --against: a variant's difference is from the named one; column against, if a variant
        uses it, names the reference of each difference. --cutoffs: those of NDCG and HR.
        If the first variant's runs have cold users, cold and warm users have separate rows, with a column group. With
        --split valid all numbers are of validation events, for model selection; column split says so. Column
        tied_share: the share of tied events among the direction's ranked events (semacdr.data.ties). Column
        at_popularity, if there are such runs: the seeds at the level of popularity.
        --table, the same as a Markdown page.

A user's value is the mean over the seeds. All variants of a direction must have the same number of seeds and the same
users, items, split and candidates; the names of their scenarios may differ.
"""

import argparse
from collections.abc import Sequence

from semacdr.evaluation.comparison import compare, load_variants
from semacdr.evaluation.groups import warm_and_cold
from semacdr.evaluation.runs import SPLITS
from semacdr.reporting.comparison_page import comparison_page, write_comparison
from semacdr.reporting.split_lines import split_lines
from semacdr.runtime.cli import log, parser, run
from semacdr.stages._comparison import add_comparison, add_tests, how_compared


def arguments(argv: Sequence[str] | None) -> argparse.Namespace:
    """The stage's command line."""
    cli = parser(__doc__)
    add_comparison(cli, "Comparison")
    add_tests(cli)
    cli.add_argument("--split", choices=SPLITS, default="test", help="the split to compare on; default test")
    return cli.parse_args(argv)


def main(argv: Sequence[str] | None = None) -> None:
    """Run the stage."""
    args = arguments(argv)
    variants = load_variants(args.runs, args.split)
    rows = compare(variants, warm_and_cold, **how_compared(args))
    write_comparison(args.output, args.table, args.runs, rows, comparison_page(rows, args.title, split_lines(variants)))
    log.info("%d variants, %d rows: %s", len(variants), len(rows), args.output)


if __name__ == "__main__":
    run(main)

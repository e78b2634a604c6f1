"""Compare: the variants of an experiment beside its first one, user by user.

Reads   ranks.parquet of each run; --runs names a variant and its runs (seeds, directions) once for each variant.
Writes  --output, a TSV: a row per direction, ranking, metric and variant: mean, deviation over seeds, 95 % interval of
        the mean by bootstrap over users; the difference to the first variant with its interval, and p-values of a
        paired bootstrap and of Wilcoxon's signed-rank test, each also Holm-corrected for the number of variants.
        Where the first variant's runs have cold users, these and the warm ones have rows of their own, by column group.
        With --split valid all is of validation events, to choose by, and column split says so.
        --table, the same to read.

A user's value is the mean over the seeds. All variants of a direction must hold the same users and as many seeds.
"""

import argparse
from collections.abc import Sequence

from semacdr.evaluation import comparison
from semacdr.evaluation.comparison import Row
from semacdr.evaluation.groups import COLD_NOTE, warm_and_cold
from semacdr.evaluation.runs import SPLITS
from semacdr.reporting.markdown import header, line
from semacdr.runtime.cli import log, parser, run
from semacdr.storage.tables import SAMPLE_NOTE

VALID_NOTE = "**All numbers are of validation events**: they are to choose by. No test event went into them."


def page(rows: Sequence[Row], title: str) -> str:
    """A Markdown page: a table per direction, group of users and ranking."""
    lines = [f"# {title}", ""] + ([f"**{SAMPLE_NOTE}**", ""] if rows[0].release == "sample" else [])
    lines += [comparison.HOW.format(first=rows[0].variant, where=""), ""]
    lines += [VALID_NOTE, ""] if rows[0].split else []
    lines += [COLD_NOTE, ""] if rows[0].group else []
    for part in dict.fromkeys((row.source, row.target, row.group, row.ranking) for row in rows):
        here = [row for row in rows if (row.source, row.target, row.group, row.ranking) == part]
        source, target, group, ranking = part
        who = f", {group} users ({here[0].users:,})" if group else ""
        lines += [f"## {source} → {target}{who}, {ranking} ranking", ""]
        lines += header(["Variant", "NDCG@10", "HR@10", "MRR", "Δ", "p (bootstrap)", "p (signed rank)"])
        lines += [line(comparison.cells(of, ("ndcg", "hr", "mrr"))) for of in comparison.by_variant(here)]
        lines.append("")
    seeds = f"{rows[0].seeds} seed{'s' * (rows[0].seeds > 1)}"
    return "\n".join([*lines, f"{seeds}." if rows[0].group else f"{seeds}, {rows[0].users:,} users.", ""])


def arguments(argv: Sequence[str] | None) -> argparse.Namespace:
    """The stage's command line."""
    cli = parser(__doc__)
    comparison.add_arguments(cli, "Comparison")
    cli.add_argument("--split", choices=SPLITS, default="test", help="whose events are compared; default test")
    return cli.parse_args(argv)


def main(argv: Sequence[str] | None = None) -> None:
    """Run the stage."""
    args = arguments(argv)
    variants = comparison.load_variants(args.runs, args.split)
    rows = comparison.compare(variants, warm_and_cold)
    comparison.write(args, rows, page(rows, args.title))
    log.info("%d variants, %d rows: %s", len(variants), len(rows), args.output)


if __name__ == "__main__":
    run(main)

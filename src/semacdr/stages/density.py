"""Density: does the gain of SPHERE go with the target's density, the backbone's quality, or the domains' proximity?

Reads   the folders of scenarios, --scenarios FOLDER...: the experiment's table (stage compare), interactions.parquet,
        items.parquet, semantics/agnostic.parquet and split.parquet of each direction in the table.
Writes  --output, a TSV: a row per scenario, direction and backbone: the gain in NDCG@10 of full ranking of the variant
        with SPHERE over its backbone, with its interval; the backbone's NDCG@10, alone and divided by that of the most
        popular items; training events of the target per item and per user; proximity of the domains: 1 minus the
        Jensen-Shannon divergence of the term shares among the domains' training events, averaged over categories.
        --correlations, a TSV: Spearman's correlation of the gain with each of these over all directions, with the
        p-value of a permutation test, for each backbone and for the mean over backbones.
        --table, both as a Markdown page; --picture, a PNG: gain against density, quality and proximity.

Of the source all events count, as nothing of it is held out.
"""

import argparse
from collections.abc import Sequence
from pathlib import Path

from semacdr.evaluation.density import correlations, density_rows
from semacdr.reporting import style
from semacdr.reporting.density_page import density_figure, density_page
from semacdr.runtime.cli import log, parser, run
from semacdr.storage import tsv


def arguments(argv: Sequence[str] | None) -> argparse.Namespace:
    """The stage's command line."""
    cli = parser(__doc__)
    cli.add_argument("--scenarios", nargs="+", type=Path, required=True, help="folders of scenarios in results/")
    cli.add_argument("--experiment", default="sphere", help="the experiment whose table each folder has")
    cli.add_argument("--variants", nargs="*", default=[], help="variants whose gain is taken; default: all with SPHERE")
    cli.add_argument("--title", default="Density", help="title of the page")
    cli.add_argument("--output", type=Path, required=True, help="the TSV")
    cli.add_argument("--correlations", type=Path, required=True, help="the TSV of correlations")
    cli.add_argument("--table", type=Path, required=True, help="the Markdown page")
    cli.add_argument("--picture", type=Path, required=True, help="the PNG")
    return cli.parse_args(argv)


def main(argv: Sequence[str] | None = None) -> None:
    """Run the stage."""
    args = arguments(argv)
    rows = density_rows(args.scenarios, args.experiment, args.variants)
    found = correlations(rows)
    tsv.write(args.output, tsv.text(rows))
    tsv.write(args.correlations, tsv.text(found))
    tsv.write(args.table, density_page(rows, found, args.title, args.picture.name))
    style.save(density_figure(rows, args.title), args.picture)
    log.info("%d gains, %d correlations: %s", len(rows), len(found), args.output)


if __name__ == "__main__":
    run(main)

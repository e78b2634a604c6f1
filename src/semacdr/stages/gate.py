"""Gate: how much users and items with few or many training events take from the collaborative side of SPHERE.

Reads   the folders of the runs, --runs NAME FOLDER..., once per variant (seeds, directions): gate_weights.parquet of
        each.
Writes  --output, a TSV: a row per direction, variant, side (user, item) and bin of training events in the target domain
        (0, 1, 2, 3-4, 5-9, 10-19, 20+): the mean weight of the collaborative side, its standard deviation over seeds,
        the 10th and 90th percentile over the bin, and how many users or items it has. Empty bins have no row.
        --table, the same as a Markdown page.

Variants without a gate, such as a fusion by concatenation, are left out with a warning.
"""

import argparse
from collections.abc import Sequence
from pathlib import Path

from semacdr.evaluation.gates import gate_rows, load_gates
from semacdr.reporting.gate_page import gate_page
from semacdr.runtime.cli import log, parser, run
from semacdr.stages._comparison import add_comparison
from semacdr.storage import tsv


def arguments(argv: Sequence[str] | None) -> argparse.Namespace:
    """The stage's command line."""
    cli = parser(__doc__)
    add_comparison(cli, "Gate")
    return cli.parse_args(argv)


def main(argv: Sequence[str] | None = None) -> None:
    """Run the stage."""
    args = arguments(argv)
    variants = {name: [load_gates(Path(folder)) for folder in folders] for name, *folders in args.runs}
    rows = gate_rows(variants)
    for name in [name for name in variants if all(row.variant != name for row in rows)]:
        log.warning("%s has no gate and is left out", name)
    tsv.write(args.output, tsv.text(rows))
    tsv.write(args.table, gate_page(rows, args.title))
    log.info("%d rows: %s", len(rows), args.output)


if __name__ == "__main__":
    run(main)

"""Curves: how a system's metrics depend on one of its settings.

Reads   the TSV of stage compare for a sweep: an experiment whose variants are the values of one setting.
Writes  --picture, a PNG: a row of panels per ranking and a column per metric; each panel has a line per direction: the
        mean over users and seeds at each value, with its 95 % bootstrap interval over users. Where the table separates
        warm and cold users, the lines show the warm ones.

The paper's appendix E (figure 5) shows such curves. Curves of test events show how much a setting matters; do not
use them to choose a value. For that, `split: valid` in the experiment draws validation events. Each interval is of one
value; to see whether two values differ on the same users, use the paired tests in the table.
"""

import argparse
from collections.abc import Sequence
from pathlib import Path

from semacdr.reporting import style
from semacdr.reporting.sweep_curves import curves_figure, read_sweep
from semacdr.runtime.cli import log, parser, run


def arguments(argv: Sequence[str] | None) -> argparse.Namespace:
    """The stage's command line."""
    cli = parser(__doc__)
    cli.add_argument("--experiment", type=Path, required=True, help="the sweep's TSV from stage compare")
    cli.add_argument("--setting", required=True, help="the name of the setting that its variants vary")
    cli.add_argument("--system", required=True, help="the model, for the title")
    cli.add_argument("--picture", type=Path, required=True, help="the PNG")
    return cli.parse_args(argv)


def main(argv: Sequence[str] | None = None) -> None:
    """Run the stage."""
    args = arguments(argv)
    points = read_sweep(args.experiment)
    style.save(curves_figure(points, args.setting, args.system), args.picture)
    log.info("%d points: %s", len(points), args.picture)


if __name__ == "__main__":
    run(main)

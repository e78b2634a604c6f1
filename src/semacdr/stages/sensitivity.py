"""Sensitivity: how a system's NDCG@10 depends on each of several settings, in one table and one figure.

Reads   the TSVs of stage compare for sweeps, one per setting.
Writes  --output, a TSV of their rows with the setting as the first column. --picture, a PNG: a row of panels
        per ranking and a column per setting; each is drawn as by stage curves.

The paper's appendix E (figure 5) shows such panels. P-values are corrected over the values of one setting.
"""

import argparse
from collections.abc import Mapping, Sequence
from dataclasses import make_dataclass
from pathlib import Path

from semacdr.errors import UserError
from semacdr.reporting import style
from semacdr.reporting.sweep_curves import check_same_caption, read_sweep, sensitivity_figure
from semacdr.runtime.cli import log, parser, run
from semacdr.storage import tsv


def joined_tables(tables: Mapping[str, Path]) -> str:
    """The rows of all tables as one TSV, with the setting as first column; a column that a table lacks is empty."""
    lines = [{"setting": name} | line for name, path in tables.items() for line in tsv.read(path)]
    columns = list(dict.fromkeys(column for line in lines for column in line))
    row_type = make_dataclass("SensitivityRow", columns)
    return tsv.text([row_type(**dict.fromkeys(columns) | line) for line in lines])


def arguments(argv: Sequence[str] | None) -> argparse.Namespace:
    """The stage's command line."""
    cli = parser(__doc__)
    what = "a setting and the TSV of its sweep"
    cli.add_argument("--sweep", nargs=2, action="append", required=True, metavar=("SETTING", "TABLE"), help=what)
    cli.add_argument("--system", required=True, help="the model, for the title")
    cli.add_argument("--output", type=Path, required=True, help="the TSV")
    cli.add_argument("--picture", type=Path, required=True, help="the PNG")
    return cli.parse_args(argv)


def main(argv: Sequence[str] | None = None) -> None:
    """Run the stage."""
    args = arguments(argv)
    tables = {setting: Path(table) for setting, table in args.sweep}
    if len(tables) < len(args.sweep):
        raise UserError(f"--sweep: two sweeps of one setting: {', '.join(setting for setting, _ in args.sweep)}")
    sweeps = {setting: read_sweep(path) for setting, path in tables.items()}
    check_same_caption(sweeps)
    tsv.write(args.output, joined_tables(tables))
    style.save(sensitivity_figure(sweeps, args.system), args.picture)
    log.info("%d settings: %s, %s", len(sweeps), args.output, args.picture)


if __name__ == "__main__":
    run(main)

"""Sensitivity: how much a system hangs on each of several settings, in one table and one picture.

Reads   the TSVs that stage compare writes of sweeps, one a setting.
Writes  --output, a TSV of their lines with the setting in front, and --picture, a PNG: a row of panels per ranking and
        a column per setting; in each NDCG@10 over the setting's values as stage curves draws it.

The paper's appendix E (figure 5) shows such panels. A table's corrected p-values are over the values of one setting.
"""

import argparse
from collections.abc import Mapping, Sequence
from pathlib import Path

from matplotlib.figure import Figure

from semacdr.errors import UserError
from semacdr.reporting import style
from semacdr.reporting.metrics_page import TITLES, label
from semacdr.runtime.cli import log, parser, run
from semacdr.stages import curves
from semacdr.storage import tsv

METRIC = ("ndcg", 10)


def joined(tables: Mapping[str, Path]) -> str:
    """The lines of all tables as one TSV, their setting in front; a column that a table lacks is empty there."""
    lines = [{"setting": name} | line for name, path in tables.items() for line in tsv.read(path)]
    columns = list(dict.fromkeys(column for line in lines for column in line))
    rows = [columns, *([line.get(column, "") for column in columns] for line in lines)]
    return "".join("\t".join(row) + "\n" for row in rows)


@style.styled
def picture(sweeps: Mapping[str, Sequence[curves.Point]], system: str) -> Figure:
    """A panel per ranking and setting; all have the same scale in a row, so that settings can be compared."""
    rankings = sorted({point.panel[0] for points in sweeps.values() for point in points})
    drawn = style.figure(3.2 * len(sweeps), 0.9 + 2.8 * len(rankings))
    drawn.get_layout_engine().set(wspace=0.08)  # the last value of one panel and the first of the next stay apart
    axes = drawn.subplots(len(rankings), len(sweeps), squeeze=False, sharey="row")
    for row, ranking in zip(axes, rankings, strict=True):
        for axis, (setting, points) in zip(row, sweeps.items(), strict=True):
            curves.draw(axis, [point for point in points if point.panel == (ranking, *METRIC)])
            axis.set(xlabel=setting.replace("_", " "))
            axis.set_title(TITLES[ranking])
        row[0].set_ylabel(label(METRIC))
    curves.legend(drawn, axes[0, 0])
    first = next(iter(sweeps.values()))  # all are alike: see `same`
    style.title(drawn, f"{system} by its settings: {curves.told(first)}", first[0].release)
    return drawn


def same(sweeps: Mapping[str, Sequence[curves.Point]]) -> None:
    """Raise a UserError where sweeps differ in what one title and one legend tell: directions, users, events, seeds."""
    kinds = {name: f"{curves.told(points)}, {_directions(points)}" for name, points in sweeps.items()}
    if len(set(kinds.values())) > 1:
        told = "; ".join(f"{name}: {kind}" for name, kind in kinds.items())
        raise UserError(f"sweeps of different directions, users, events or seeds cannot stand in one picture: {told}")


def _directions(points: Sequence[curves.Point]) -> str:
    return " and ".join(sorted({" to ".join(point.direction) for point in points}))


def arguments(argv: Sequence[str] | None) -> argparse.Namespace:
    """The stage's command line."""
    cli = parser(__doc__)
    what = "a setting and the TSV of its sweep"
    cli.add_argument("--sweep", nargs=2, action="append", required=True, metavar=("SETTING", "TABLE"), help=what)
    cli.add_argument("--system", required=True, help="the name of the system, for the title")
    cli.add_argument("--output", type=Path, required=True, help="the TSV")
    cli.add_argument("--picture", type=Path, required=True, help="the PNG")
    return cli.parse_args(argv)


def main(argv: Sequence[str] | None = None) -> None:
    """Run the stage."""
    args = arguments(argv)
    tables = {setting: Path(table) for setting, table in args.sweep}
    if len(tables) < len(args.sweep):
        raise UserError(f"two sweeps of one setting: {', '.join(setting for setting, _ in args.sweep)}")
    sweeps = {setting: curves.read(path) for setting, path in tables.items()}
    same(sweeps)
    tsv.write(args.output, joined(tables))
    style.save(picture(sweeps, args.system), args.picture)
    log.info("%d settings: %s, %s", len(sweeps), args.output, args.picture)


if __name__ == "__main__":
    run(main)

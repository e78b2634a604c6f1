"""Curves: how much a system hangs on one of its settings.

Reads   the TSV that stage compare writes of a sweep: an experiment whose variants are the values of one setting.
Writes  --output, a PNG: a row of panels per ranking and a column per metric; in each a line per direction, of the mean
        over users and seeds at each value, with its 95 % interval by bootstrap over users. Where the table tells warm
        from cold users, the lines are of the warm ones.

The paper's appendix E (figure 5) shows such curves. Those of test events say how much a setting matters, and are not to
choose it by; `split: valid` in the experiment draws validation events, which are. The intervals are of each value by
itself; whether two values differ on the same users, the paired tests in the table say.
"""

import argparse
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from semacdr.errors import UserError
from semacdr.evaluation.main_metric import EVENTS
from semacdr.reporting import style
from semacdr.reporting.metrics_page import TITLES, label
from semacdr.runtime.cli import log, parser, run
from semacdr.storage import tsv

SHOWN = (("ndcg", 10), ("hr", 10))
APART = 0.08  # of a step, the lines of two directions, so that their intervals do not cover each other


@dataclass(frozen=True)
class Point:
    """One value of the setting: the mean of a metric and its interval."""

    panel: tuple[str, str, int]  # ranking, metric, k
    direction: tuple[str, str]
    value: float
    mean: float
    low: float
    high: float
    seeds: int
    users: int
    release: str
    group: str  # of users; empty where these are all
    split: str  # whose events: test or valid


def read(path: Path) -> list[Point]:
    """The points that are shown, sorted by value; a UserError where the table is not of a sweep."""
    lines = tsv.read(path)
    try:
        points = [_point(line) for line in lines if line["metric"] in dict(SHOWN) and line.get("group") != "cold"]
    except (KeyError, TypeError, ValueError) as error:
        raise UserError(
            f"{path}: cannot be read as the comparison of a sweep, whose variants are numbers: {error!r}"
        ) from error
    if len({point.value for point in points}) < 2:
        raise UserError(f"{path}: a curve needs two values or more")
    return sorted(points, key=lambda point: point.value)


def _point(line: dict[str, str]) -> Point:
    numbers = (float(line[name]) for name in ("variant", "mean", "low", "high"))
    panel, direction = (line["ranking"], line["metric"], int(line["k"])), (line["source"], line["target"])
    return Point(
        panel, direction, *numbers, int(line["seeds"]), int(line["users"]), line["release"],
        line.get("group", ""), line.get("split", "test"),
    )  # fmt: skip


@style.styled
def picture(points: Sequence[Point], setting: str, system: str) -> Figure:
    """A panel per ranking and metric."""
    rankings = list(dict.fromkeys(point.panel[0] for point in points))
    drawn = style.figure(4.2 * len(SHOWN), 0.9 + 3.0 * len(rankings))
    axes = drawn.subplots(len(rankings), len(SHOWN), squeeze=False)
    for row, ranking in zip(axes, sorted(rankings), strict=True):
        for axis, (metric, k) in zip(row, SHOWN, strict=True):
            draw(axis, [point for point in points if point.panel == (ranking, metric, k)])
            axis.set(xlabel=f"{setting.replace('_', ' ')} (evenly spaced)", ylabel=label((metric, k)))
            axis.set_title(TITLES[ranking])
    legend(drawn, axes[0, 0])
    style.title(drawn, f"{system} by {setting.replace('_', ' ')}: {told(points)}", points[0].release)
    return drawn


def legend(drawn: Figure, axis: Axes) -> None:
    """The directions that a panel's lines are of, under all panels."""
    handles, names = axis.get_legend_handles_labels()
    drawn.legend(handles, names, loc="outside lower center", ncols=2, frameon=False)


def told(points: Sequence[Point]) -> str:
    """What the points are means of, for a title."""
    users = f"{points[0].users:,} {points[0].group}".rstrip()
    what = f"{style.seeds(points[0].seeds)} and {users} users' {EVENTS[points[0].split]} events"
    return f"mean of {what}, 95 % interval over users"


def draw(axis: Axes, points: Sequence[Point]) -> None:
    """A line per direction, in colour and marker; the values stand evenly, as they may lie anywhere."""
    values = sorted({point.value for point in points})
    for place, direction in enumerate(dict.fromkeys(point.direction for point in points)):
        own = [point for point in points if point.direction == direction]
        errors = [[p.mean - p.low for p in own], [p.high - p.mean for p in own]]
        axis.errorbar(
            [values.index(p.value) + APART * place for p in own], [p.mean for p in own], errors,
            capsize=3, linewidth=1.2, markersize=5,
            color=style.COLOURS[place], marker=style.MARKERS[place], label=" to ".join(direction),
        )  # fmt: skip
    axis.set_xticks(range(len(values)), [f"{value:g}" for value in values])
    axis.grid(axis="y", color="#dddddd", linewidth=0.6)


def arguments(argv: Sequence[str] | None) -> argparse.Namespace:
    """The stage's command line."""
    cli = parser(__doc__)
    cli.add_argument("--table", type=Path, required=True, help="the comparison's TSV")
    cli.add_argument("--setting", required=True, help="the name of the setting whose values its variants are")
    cli.add_argument("--system", required=True, help="the name of the system, for the title")
    cli.add_argument("--output", type=Path, required=True, help="the PNG")
    return cli.parse_args(argv)


def main(argv: Sequence[str] | None = None) -> None:
    """Run the stage."""
    args = arguments(argv)
    points = read(args.table)
    style.save(picture(points, args.setting, args.system), args.output)
    log.info("%d points: %s", len(points), args.output)


if __name__ == "__main__":
    run(main)

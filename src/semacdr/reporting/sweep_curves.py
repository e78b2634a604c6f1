"""Curves of a sweep: an experiment whose variants are the values of one setting."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from semacdr.errors import UserError
from semacdr.evaluation.main_metric import CUTOFF, EVENTS
from semacdr.reporting import style
from semacdr.reporting.names import RANKING_TITLES, column_name, count_of, system_name
from semacdr.storage import tsv

METRICS = (("ndcg", CUTOFF), ("hr", CUTOFF))  # the metrics that are drawn
SHIFT = 0.08  # of a step, between the lines of two directions, so that their intervals do not cover each other


@dataclass(frozen=True)
class SweepPoint:
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
    split: str  # of the events: test or valid


def read_sweep(path: Path) -> list[SweepPoint]:
    """The points that are drawn, sorted by value; a UserError where the table is not of a sweep."""
    lines = tsv.read(path)
    try:
        points = [_point(line) for line in lines if line["metric"] in dict(METRICS) and line.get("group") != "cold"]
    except (KeyError, TypeError, ValueError) as error:
        raise UserError(
            f"{path}: cannot be read as the comparison of a sweep, whose variants are numbers: {error!r}"
        ) from error
    if len({point.value for point in points}) < 2:
        raise UserError(f"{path}: a curve needs two values or more; give a sweep with several values")
    return sorted(points, key=lambda point: point.value)


def _point(line: dict[str, str]) -> SweepPoint:
    return SweepPoint(
        panel=(line["ranking"], line["metric"], int(line["k"])),
        direction=(line["source"], line["target"]),
        value=float(line["variant"]),
        mean=float(line["mean"]),
        low=float(line["low"]),
        high=float(line["high"]),
        seeds=int(line["seeds"]),
        users=int(line["users"]),
        release=line["release"],
        group=line.get("group") or "",
        split=line.get("split") or "test",
    )


@style.styled
def curves_figure(points: Sequence[SweepPoint], setting: str, model: str) -> Figure:
    """A panel per ranking and metric."""
    rankings = sorted({point.panel[0] for point in points})
    figure = style.figure(4.2 * len(METRICS), 0.9 + 3.0 * len(rankings))
    axes = figure.subplots(len(rankings), len(METRICS), squeeze=False)
    for row, ranking in zip(axes, rankings, strict=True):
        for axis, metric in zip(row, METRICS, strict=True):
            draw_curves(axis, [point for point in points if point.panel == (ranking, *metric)])
            axis.set(xlabel=f"{setting.replace('_', ' ')} (evenly spaced)", ylabel=column_name(metric))
            axis.set_title(RANKING_TITLES[ranking])
    add_legend(figure, axes[0, 0])
    title = f"{system_name(model)} by {setting.replace('_', ' ')}: {caption(points)}"
    style.title(figure, title, points[0].release)
    return figure


@style.styled
def sensitivity_figure(sweeps: dict[str, list[SweepPoint]], model: str) -> Figure:
    """A panel per ranking and setting; the panels of a row share one scale, so that settings can be compared."""
    metric = METRICS[0]
    rankings = sorted({point.panel[0] for points in sweeps.values() for point in points})
    figure = style.figure(3.2 * len(sweeps), 0.9 + 2.8 * len(rankings))
    figure.set_layout_engine("constrained", wspace=0.08)  # keeps tick labels of two panels apart
    axes = figure.subplots(len(rankings), len(sweeps), squeeze=False, sharey="row")
    for row, ranking in zip(axes, rankings, strict=True):
        for axis, (setting, points) in zip(row, sweeps.items(), strict=True):
            draw_curves(axis, [point for point in points if point.panel == (ranking, *metric)])
            axis.set(xlabel=setting.replace("_", " "))
            axis.set_title(RANKING_TITLES[ranking])
        row[0].set_ylabel(column_name(metric))
    add_legend(figure, axes[0, 0])
    first = next(iter(sweeps.values()))  # one caption serves all: see `check_same_caption`
    style.title(figure, f"{system_name(model)} by its settings: {caption(first)}", first[0].release)
    return figure


def check_same_caption(sweeps: dict[str, list[SweepPoint]]) -> None:
    """Raise a UserError where sweeps differ in directions, users, events or seeds, so that no one caption fits all."""
    captions = {name: f"{caption(points)}, {_directions(points)}" for name, points in sweeps.items()}
    if len(set(captions.values())) > 1:
        listed = "; ".join(f"{name}: {text}" for name, text in captions.items())
        raise UserError(f"sweeps of different directions, users, events or seeds do not fit in one figure: {listed}")


def _directions(points: Sequence[SweepPoint]) -> str:
    return " and ".join(sorted({" to ".join(point.direction) for point in points}))


def add_legend(figure: Figure, axis: Axes) -> None:
    """Name the directions of a panel's lines, below all panels."""
    handles, names = axis.get_legend_handles_labels()
    figure.legend(handles, names, loc="outside lower center", ncols=2, frameon=False)


def caption(points: Sequence[SweepPoint]) -> str:
    """A caption: what the points are means of."""
    first = points[0]
    users = f"{first.users:,} {first.group}".rstrip()
    events = f"{count_of(first.seeds, 'seed')} and {users} users' {EVENTS[first.split]} events"
    return f"mean of {events}, 95 % interval over users"


def draw_curves(axis: Axes, points: Sequence[SweepPoint]) -> None:
    """Draw a line per direction, each in its colour and marker; values are evenly spaced, whatever their distance."""
    values = sorted({point.value for point in points})
    for place, direction in enumerate(dict.fromkeys(point.direction for point in points)):
        line = [point for point in points if point.direction == direction]
        errors = [[p.mean - p.low for p in line], [p.high - p.mean for p in line]]
        axis.errorbar(
            [values.index(p.value) + SHIFT * place for p in line], [p.mean for p in line], errors,
            capsize=3, linewidth=1.2, markersize=5,
            color=style.COLOURS[place], marker=style.MARKERS[place], label=" to ".join(direction),
        )  # fmt: skip
    axis.set_xticks(range(len(values)), [f"{value:g}" for value in values])
    axis.grid(axis="y", color="#dddddd", linewidth=0.6)

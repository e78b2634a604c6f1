"""The page and the figure of stage efficiency: quality against training time."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, NullFormatter

from semacdr.evaluation.costs import Cost
from semacdr.evaluation.main_metric import CUTOFF, EVENTS
from semacdr.reporting import style
from semacdr.reporting.cost_table import COST_TITLES, cost_cells, cost_note
from semacdr.reporting.markdown import code, header, line, page_head
from semacdr.reporting.names import column_name, system_name

METRIC = column_name(("ndcg", CUTOFF))
OFFSETS = [  # of a number from its dot, in points: near ones first; the front never passes below right of a dot
    (round(distance * math.cos(turn * math.pi / 4), 3), round(distance * math.sin(turn * math.pi / 4), 3))
    for distance in (10, 16, 24, 32)
    for turn in (7, 0, 1, 3, 4, 5, 2, 6)
]


@dataclass(frozen=True)
class TrainedSystem:
    """A system that was trained in a direction, and the split on which it is judged."""

    source: str
    target: str
    split: str | None  # valid; None: test
    variant: str
    model: str
    loss: str | None  # None for a model without training


@dataclass(frozen=True)
class EfficiencyRow(Cost, TrainedSystem):
    """A system's costs and quality in a direction. Columns: the fields of TrainedSystem, of Cost, then these."""

    ndcg_10: float
    low: float
    high: float
    release: str
    run: str  # the names of its runs, without seeds

    @property
    def name(self) -> str:
        """The display name."""
        return system_name(self.model, self.variant)


def efficiency_page(rows: Sequence[EfficiencyRow], title: str) -> str:
    """A Markdown page: a table per direction, the best system first."""
    lines = page_head(title, rows[0].release)
    lines += [f"{cost_note(rows)} {METRIC} is of full ranking, {EVENTS[rows[0].split or 'test']} events.", ""]
    for source, target in dict.fromkeys((row.source, row.target) for row in rows):
        lines += [f"## {source} → {target}", ""]
        lines += header(["System", "Loss", METRIC, *COST_TITLES, "Run"], words=2)
        part = [row for row in rows if (row.source, row.target) == (source, target)]
        for row in sorted(part, key=lambda row: -row.ndcg_10):
            lines.append(line([row.name, row.loss or "", f"{row.ndcg_10:.4f}", *cost_cells(row), code(row.run)]))
        lines.append("")
    return "\n".join(lines)


def pareto_front(rows: Sequence[EfficiencyRow]) -> list[EfficiencyRow]:
    """The rows that no other row beats in both seconds to the best epoch and quality, the fastest first."""
    front: list[EfficiencyRow] = []
    for row in sorted(rows, key=lambda row: (row.best_seconds, -row.ndcg_10)):
        if not front or row.ndcg_10 > front[-1].ndcg_10:
            front.append(row)
    return front


@style.styled
def efficiency_figure(rows: Sequence[EfficiencyRow], title: str) -> Figure:
    """A panel per direction. Systems are numbers, explained below the panels, so that no name hides another."""
    directions = list(dict.fromkeys((row.source, row.target) for row in rows))
    names = list(dict.fromkeys(row.name for row in rows))
    figure = style.figure(max(6.4, 4.8 * len(directions)), 4.2 + 0.18 * (len(names) // 4))  # the title needs 6.4
    panels = {}
    for axis, direction in zip(figure.subplots(1, len(directions), squeeze=False)[0], directions, strict=True):
        panels[axis] = [row for row in rows if (row.source, row.target) == direction]
        _draw(axis, panels[axis])
        axis.set(title=" to ".join(direction), xlabel="seconds to the best epoch", ylabel=f"{METRIC}, full ranking")
    numbered = [f"{number} {name}" for number, name in enumerate(names, 1)]
    figure.supxlabel("\n".join("  ".join(numbered[at : at + 4]) for at in range(0, len(names), 4)), fontsize=8)
    what = f"{EVENTS[rows[0].split or 'test']} events, quality against time, 95 % interval over users"
    style.title(figure, f"{title}: {what}", rows[0].release)
    figure.draw_without_rendering()  # positions are known only after drawing
    for axis, part in panels.items():
        _number(axis, part, names)
    return figure


def _number(axis: Axes, rows: Sequence[EfficiencyRow], names: Sequence[str]) -> None:
    """Put each system's number near its dot, at the nearest place without another dot or number."""
    points = 72 / axis.figure.dpi
    dots = axis.transData.transform([(row.best_seconds, row.ndcg_10) for row in rows]) * points
    taken = list(dots)
    for row, dot in zip(rows, dots, strict=True):
        free = (offset for offset in OFFSETS if all(np.hypot(*(dot + offset - other)) >= 9 for other in taken))
        offset = next(free, OFFSETS[0])
        taken.append(dot + offset)
        axis.annotate(
            str(1 + names.index(row.name)), (row.best_seconds, row.ndcg_10), offset, textcoords="offset points",
            ha="center", va="center", fontsize=8, zorder=3,
            arrowprops={"arrowstyle": "-", "color": "#888888", "linewidth": 0.6, "shrinkA": 4, "shrinkB": 2},
        )  # fmt: skip


def _draw(axis: Axes, rows: Sequence[EfficiencyRow]) -> None:
    front = pareto_front(rows)
    axis.plot(
        [row.best_seconds for row in front], [row.ndcg_10 for row in front],
        color=style.COLOURS[2], linestyle="--", linewidth=1.0, zorder=1,
    )  # fmt: skip
    for row in rows:
        colour = style.COLOURS[2] if row in front else style.COLOURS[0]
        axis.errorbar(
            row.best_seconds, row.ndcg_10, [[row.ndcg_10 - row.low], [row.high - row.ndcg_10]],
            color=colour, ecolor="#bbbbbb", marker="o", markersize=5, capsize=2, linewidth=0.8, zorder=2,
        )  # fmt: skip
    axis.set_xscale("log")
    axis.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axis.xaxis.set_major_formatter("{x:g}")
    axis.xaxis.set_minor_formatter(NullFormatter())
    axis.grid(color="#dddddd", linewidth=0.6)

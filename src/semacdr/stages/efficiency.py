"""Efficiency: what each variant of an experiment costs to train, beside how well it ranks.

Reads   the experiment's TSV (stage compare); settings.json and cost.json of each run of it, in folders: --runs names a
        variant and its runs (seeds, directions) once for each variant.
Writes  --output, a TSV: a row per direction and variant: parameters, seconds an epoch, epochs, seconds to the best
        epoch, peak memory, device and threads; full-ranking NDCG@10 with its 95 % interval over users. Means over
        seeds; of memory the largest.
        --table, the same to read. --picture, a PNG: NDCG@10 against the seconds to the best epoch; a line joins those
        that nothing beats in both.

Seconds are wall time of training and validation, of pre-training too. They say little of a machine that was busy.
"""

import argparse
import math
from collections.abc import Mapping, Sequence
from dataclasses import astuple, dataclass
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, NullFormatter

from semacdr.errors import UserError
from semacdr.evaluation import costs, main_metric
from semacdr.evaluation.main_metric import EVENTS
from semacdr.reporting import style
from semacdr.reporting.markdown import add_tuning, header, line, unequal
from semacdr.runtime.cli import log, parser, run
from semacdr.storage import tsv
from semacdr.storage.tables import SAMPLE_NOTE

Direction = tuple[str, str]
PLACES = [  # of a number, in points from its dot: the near ones first, below right of it no front passes
    (round(far * math.cos(turn * math.pi / 4), 3), round(far * math.sin(turn * math.pi / 4), 3))
    for far in (10, 16, 24, 32)
    for turn in (7, 0, 1, 3, 4, 5, 2, 6)
]


@dataclass(frozen=True)
class Trained:
    """What was trained in a direction, and the events by which it is judged."""

    source: str
    target: str
    split: str | None  # valid; None: test
    variant: str
    model: str
    loss: str | None  # of one that learns


@dataclass(frozen=True)
class Row(costs.Cost, Trained):
    """What a variant costs in a direction, and its NDCG@10: the fields, of the last base first, are the columns."""

    ndcg_10: float
    low: float
    high: float
    release: str


def join(runs: Mapping[str, Sequence[tuple[dict, dict]]], table: Path) -> list[Row]:
    """The rows: settings and costs of runs by variant beside the quality that the experiment's table gives them."""
    quality = {(row["source"], row["target"], row["variant"]): row for row in main_metric.read(table)}
    directions = dict.fromkeys((settings["source"], settings["target"]) for own in runs.values() for settings, _ in own)
    rows = []
    for direction in directions:
        for variant, own in runs.items():
            here = [run for run in own if (run[0]["source"], run[0]["target"]) == direction]
            if not here or (*direction, variant) not in quality:
                lacks = f"{table}: has" if here else "--runs: there is"
                raise UserError(f"{lacks} no '{variant}' from {' to '.join(direction)}")
            rows.append(_row(direction, variant, here, quality[*direction, variant]))
    return rows


def _row(direction: Direction, variant: str, runs: Sequence[tuple[dict, dict]], quality: Mapping[str, str]) -> Row:
    first, split = runs[0][0], None if quality["split"] == "test" else quality["split"]
    return Row(
        *direction, split, variant, first["model"], first["training"]["loss"],
        *astuple(costs.summarise([cost for _, cost in runs])),
        *(float(quality[name]) for name in ("mean", "low", "high")), first["release"],
    )  # fmt: skip


def page(rows: Sequence[Row], title: str) -> str:
    """A Markdown page: a table per direction, the best first."""
    lines = [f"# {title}", ""] + ([f"**{SAMPLE_NOTE}**", ""] if rows[0].release == "sample" else [])
    lines += [f"{costs.told(rows)} NDCG@10 is of full ranking, {EVENTS[rows[0].split or 'test']} events.", ""]
    for source, target in dict.fromkeys((row.source, row.target) for row in rows):
        lines += [f"## {source} → {target}", ""]
        lines += header(["System", "Loss", "NDCG@10", *costs.TITLES], words=2)
        here = [row for row in rows if (row.source, row.target) == (source, target)]
        for row in sorted(here, key=lambda row: -row.ndcg_10):
            lines.append(line([row.variant, row.loss or "", f"{row.ndcg_10:.4f}", *costs.cells(row)]))
        lines.append("")
    return "\n".join(lines)


def front(rows: Sequence[Row]) -> list[Row]:
    """Those that no other beats in both seconds to the best epoch and NDCG@10, the quickest first."""
    best: list[Row] = []
    for row in sorted(rows, key=lambda row: (row.best_seconds, -row.ndcg_10)):
        if not best or row.ndcg_10 > best[-1].ndcg_10:
            best.append(row)
    return best


@style.styled
def picture(rows: Sequence[Row], title: str) -> Figure:
    """A panel per direction; the variants are numbers, told below, so that none hides another's name."""
    directions = list(dict.fromkeys((row.source, row.target) for row in rows))
    names = list(dict.fromkeys(row.variant for row in rows))
    drawn = style.figure(max(6.4, 4.8 * len(directions)), 4.2 + 0.18 * (len(names) // 4))  # the title needs 6.4
    panels = {}
    for axis, direction in zip(drawn.subplots(1, len(directions), squeeze=False)[0], directions, strict=True):
        panels[axis] = [row for row in rows if (row.source, row.target) == direction]
        _draw(axis, panels[axis])
        axis.set(title=" to ".join(direction), xlabel="seconds to the best epoch", ylabel="NDCG@10, full ranking")
    told = [
        "  ".join(f"{n} {name}" for n, name in list(enumerate(names, 1))[at : at + 4]) for at in range(0, len(names), 4)
    ]
    drawn.supxlabel("\n".join(told), fontsize=8)
    what = f"{EVENTS[rows[0].split or 'test']} events, quality against time, 95 % interval over users"
    style.title(drawn, f"{title}: {what}", rows[0].release)
    drawn.draw_without_rendering()  # places are known after it
    for axis, here in panels.items():
        _number(axis, here, names)
    return drawn


def _number(axis: Axes, rows: Sequence[Row], names: Sequence[str]) -> None:
    """Each variant's number beside its dot, the nearest place where no other dot or number is."""
    points = 72 / axis.figure.dpi
    dots = axis.transData.transform([(row.best_seconds, row.ndcg_10) for row in rows]) * points
    taken = list(dots)
    for row, dot in zip(rows, dots, strict=True):
        free = (place for place in PLACES if all(np.hypot(*(dot + place - other)) >= 9 for other in taken))
        place = next(free, PLACES[0])
        taken.append(dot + place)
        axis.annotate(
            str(1 + names.index(row.variant)), (row.best_seconds, row.ndcg_10), place, textcoords="offset points",
            ha="center", va="center", fontsize=8, zorder=3,
            arrowprops={"arrowstyle": "-", "color": "#888888", "linewidth": 0.6, "shrinkA": 4, "shrinkB": 2},
        )  # fmt: skip


def _draw(axis: Axes, rows: Sequence[Row]) -> None:
    lead = front(rows)
    axis.plot(
        [row.best_seconds for row in lead], [row.ndcg_10 for row in lead],
        color=style.COLOURS[2], linestyle="--", linewidth=1.0, zorder=1,
    )  # fmt: skip
    for row in rows:
        colour = style.COLOURS[2] if row in lead else style.COLOURS[0]
        axis.errorbar(
            row.best_seconds, row.ndcg_10, [[row.ndcg_10 - row.low], [row.high - row.ndcg_10]],
            color=colour, ecolor="#bbbbbb", marker="o", markersize=5, capsize=2, linewidth=0.8, zorder=2,
        )  # fmt: skip
    axis.set_xscale("log")
    axis.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axis.xaxis.set_major_formatter("{x:g}")
    axis.xaxis.set_minor_formatter(NullFormatter())
    axis.grid(color="#dddddd", linewidth=0.6)


def arguments(argv: Sequence[str] | None) -> argparse.Namespace:
    """The stage's command line."""
    cli = parser(__doc__)
    cli.add_argument("--runs", nargs="+", action="append", required=True, metavar="NAME PATH", help="a variant's runs")
    cli.add_argument("--experiment", type=Path, required=True, help="the TSV of stage compare")
    cli.add_argument("--title", default="Efficiency")
    add_tuning(cli)
    cli.add_argument("--output", type=Path, required=True, help="the TSV")
    cli.add_argument("--table", type=Path, required=True, help="the Markdown page")
    cli.add_argument("--picture", type=Path, required=True, help="the PNG")
    return cli.parse_args(argv)


def main(argv: Sequence[str] | None = None) -> None:
    """Run the stage."""
    args = arguments(argv)
    rows = join({name: [costs.read(Path(path)) for path in paths] for name, *paths in args.runs}, args.experiment)
    tsv.write(args.output, tsv.text(rows, optional=("split",)))
    tsv.write(args.table, page(rows, args.title) + unequal(args))
    style.save(picture(rows, args.title), args.picture)
    log.info("%d rows: %s", len(rows), args.output)


if __name__ == "__main__":
    run(main)

"""Standing: who is ahead over all scenarios and directions, and which differences are more than chance.

Reads   --tables, the TSVs of one experiment (stage compare) in one or more scenarios.
Writes  --output, a TSV: a row per variant, the best first: its mean rank by full-ranking NDCG@10 over all directions of
        all scenarios, its best and its worst one; the p-value of Friedman's test that all are alike, and Nemenyi's
        critical difference at 5 %.
        --picture, a PNG: the critical-difference diagram (Demšar, Statistical Comparisons of Classifiers over Multiple
        Data Sets, JMLR 2006, section 3.2.2): bars join variants that are not told apart.

A direction of a scenario is one data set, whatever its users and seeds: this asks whether an order holds on other data,
where the experiment's own tests ask whether it holds for other users. Few data sets tell few variants apart. Both tests
take data sets for independent; two directions of a scenario have the same users, so p is smaller than it should be.
"""

import argparse
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
from matplotlib.figure import Figure
from scipy.stats import friedmanchisquare, rankdata, studentized_range

from semacdr.errors import UserError
from semacdr.evaluation import main_metric
from semacdr.reporting import style
from semacdr.runtime.cli import log, parser, run
from semacdr.storage import tsv


@dataclass(frozen=True)
class Row:
    """A variant's standing: the fields are the columns."""

    variant: str
    rank: float
    best: float
    worst: float
    data_sets: int
    p_friedman: float
    critical_difference: float
    releases: str


def read(paths: Sequence[Path]) -> tuple[list[str], npt.NDArray[np.float64], str]:
    """Names of the variants, their NDCG@10 (data sets, variants), and the releases; a UserError where one lacks."""
    names: list[str] = []
    values, releases = [], set()
    for path in paths:
        lines = main_metric.read(path)
        if lines[0]["split"] != "test":
            raise UserError(
                f"{path}: is of {main_metric.EVENTS[lines[0]['split']]} events; a standing is of test events"
            )
        releases |= {row["release"] for row in lines}
        for direction in dict.fromkeys((row["source"], row["target"]) for row in lines):
            means = {row["variant"]: row["mean"] for row in lines if (row["source"], row["target"]) == direction}
            names = names or list(means)
            if {*means} != {*names}:
                other = ", ".join(sorted({*means} ^ {*names}))
                raise UserError(f"{path}: {' to '.join(direction)} has other variants than {paths[0]}: {other}")
            values.append([float(means[name]) for name in names])
    if len(names) < 3 or len(values) < 2:
        found = f"{len(names)} variants on {len(values)} data sets"
        raise UserError(f"{paths[0]}: a standing needs three variants on two data sets (directions), not {found}")
    return names, np.array(values), ", ".join(sorted(releases))


def ranks(values: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """The rank of each variant on each data set (data sets, variants): 1 is the largest value, ties share."""
    return rankdata(-values, axis=1)


def critical_difference(variants: int, data_sets: int, level: float = 0.05) -> float:
    """How far two mean ranks must lie apart (Nemenyi; Demšar 2006, section 3.2.2)."""
    q = studentized_range.ppf(1 - level, variants, np.inf) / np.sqrt(2)
    return float(q * np.sqrt(variants * (variants + 1) / (6 * data_sets)))


def standing(names: Sequence[str], values: npt.NDArray[np.float64], releases: str) -> list[Row]:
    """The rows, the best first."""
    placed = ranks(values)
    alike = not np.ptp(placed, axis=1).any()
    p = 1.0 if alike else float(friedmanchisquare(*values.T).pvalue)
    common = (len(values), p, critical_difference(len(names), len(values)), releases)
    rows = [
        Row(name, float(own.mean()), float(own.min()), float(own.max()), *common)
        for name, own in zip(names, placed.T, strict=True)
    ]
    return sorted(rows, key=lambda row: row.rank)


def groups(rows: Sequence[Row]) -> list[tuple[int, int]]:
    """First and last place of each longest run of rows that lie within the critical difference; two or more each."""
    found: list[tuple[int, int]] = []
    for first, row in enumerate(rows):
        last = max(at for at, other in enumerate(rows) if other.rank - row.rank <= row.critical_difference)
        if last > first and (not found or last > found[-1][1]):
            found.append((first, last))
    return found


@style.styled
def picture(rows: Sequence[Row], title: str) -> Figure:
    """The diagram: an axis of mean ranks, names to both sides, bars over those that are not told apart."""
    bars, half = groups(rows), (len(rows) + 1) // 2
    low = 1.2 + 0.35 * len(bars)
    drawn = style.figure(8.0, 1.6 + 0.16 * len(bars) + 0.24 * half)
    axis = drawn.subplots()
    aside = 0.19 * len(rows)  # room for names
    axis.set(xlim=(len(rows) + aside, 1 - aside), ylim=(low + 0.6 * half, -1.6))  # the best at the right
    axis.axis("off")
    axis.plot([1, len(rows)], [0, 0], color="black", linewidth=1)
    for place in range(1, len(rows) + 1):
        axis.plot([place, place], [-0.15, 0], color="black", linewidth=1)
        axis.text(place, -0.25, str(place), ha="center", va="bottom", fontsize=8)
    for at, (first, last) in enumerate(bars):
        height = 0.45 + 0.35 * at
        ends = [rows[first].rank - 0.05, rows[last].rank + 0.05]
        axis.plot(ends, [height, height], color=style.COLOURS[0], linewidth=3, solid_capstyle="butt")
    for at, row in enumerate(rows):
        left = at >= half
        height = low + 0.6 * (len(rows) - 1 - at if left else at)
        end = len(rows) + aside if left else 1 - aside
        axis.plot([row.rank, row.rank, end], [0, height, height], color="#777777", linewidth=0.7)
        name = f"{row.variant} {row.rank:.2f}"
        axis.text(end, height - 0.05, name, ha="left" if left else "right", va="bottom", fontsize=8)
    size = min(rows[0].critical_difference, len(rows) - 1)
    axis.plot([1, 1 + size], [-1.1, -1.1], color="black", linewidth=1.5, marker="|", markersize=6)
    axis.text(1, -1.25, f"critical difference {rows[0].critical_difference:.2f}", ha="right", va="bottom", fontsize=8)
    many = f"mean rank by full-ranking NDCG@10 over {rows[0].data_sets} data sets"
    drawn.suptitle(
        f"{title}: {many} (right is better)\nFriedman p = {rows[0].p_friedman:.2g}; releases: {rows[0].releases}",
        fontsize=9,
    )
    return drawn


def arguments(argv: Sequence[str] | None) -> argparse.Namespace:
    """The stage's command line."""
    cli = parser(__doc__)
    cli.add_argument("--tables", type=Path, nargs="+", required=True, help="the experiment's TSV in each scenario")
    cli.add_argument("--title", default="Standing")
    cli.add_argument("--output", type=Path, required=True, help="the TSV")
    cli.add_argument("--picture", type=Path, required=True, help="the PNG")
    return cli.parse_args(argv)


def main(argv: Sequence[str] | None = None) -> None:
    """Run the stage."""
    args = arguments(argv)
    rows = standing(*read(args.tables))
    tsv.write(args.output, tsv.text(rows))
    style.save(picture(rows, args.title), args.picture)
    log.info("%d variants on %d data sets: %s", len(rows), rows[0].data_sets, args.output)


if __name__ == "__main__":
    run(main)

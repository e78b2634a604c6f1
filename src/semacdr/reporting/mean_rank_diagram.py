"""The critical-difference diagram of stage mean_ranks.

Source: Demšar, Statistical Comparisons of Classifiers over Multiple Data Sets, JMLR 2006, section 3.2.2.
"""

import textwrap
from collections.abc import Sequence
from dataclasses import dataclass

from matplotlib.figure import Figure

from semacdr.evaluation.main_metric import CUTOFF
from semacdr.reporting import style
from semacdr.reporting.names import column_name, system_name

TITLE_WIDTH = 105  # characters that a line of the title has room for


@dataclass(frozen=True)
class MeanRankRow:
    """A variant's mean rank: the fields are the columns."""

    variant: str
    rank: float
    best: float
    worst: float
    data_sets: int
    p_friedman: float
    critical_difference: float
    releases: str
    model: str

    @property
    def name(self) -> str:
        """The display name."""
        return system_name(self.model, self.variant)


def indistinguishable(rows: Sequence[MeanRankRow]) -> list[tuple[int, int]]:
    """First and last place of each longest run of two or more rows within the critical difference."""
    found: list[tuple[int, int]] = []
    for first, row in enumerate(rows):
        last = max(at for at, other in enumerate(rows) if other.rank - row.rank <= row.critical_difference)
        if last > first and (not found or last > found[-1][1]):
            found.append((first, last))
    return found


@style.styled
def mean_rank_diagram(rows: Sequence[MeanRankRow], title: str) -> Figure:
    """An axis of mean ranks, names on both sides, and bars over the systems that the test does not separate."""
    bars, half, first = indistinguishable(rows), (len(rows) + 1) // 2, rows[0]
    low = 1.2 + 0.35 * len(bars)
    metric = f"mean rank by full-ranking {column_name(('ndcg', CUTOFF))} over {first.data_sets} data sets"
    titles = textwrap.wrap(f"{title}: {metric} (right is better)", TITLE_WIDTH, break_on_hyphens=False)
    figure = style.figure(8.0, 1.45 + 0.15 * len(titles) + 0.16 * len(bars) + 0.24 * half)
    axis = figure.subplots()
    margin = 0.19 * len(rows)  # room for names
    axis.set(xlim=(len(rows) + margin, 1 - margin), ylim=(low + 0.6 * half, -1.6))  # the best at the right
    axis.axis("off")
    axis.plot([1, len(rows)], [0, 0], color="black", linewidth=1)
    for place in range(1, len(rows) + 1):
        axis.plot([place, place], [-0.15, 0], color="black", linewidth=1)
        axis.text(place, -0.25, str(place), ha="center", va="bottom", fontsize=8)
    for number, (begin, end) in enumerate(bars):
        height = 0.45 + 0.35 * number
        ends = [rows[begin].rank - 0.05, rows[end].rank + 0.05]
        axis.plot(ends, [height, height], color=style.COLOURS[0], linewidth=3, solid_capstyle="butt")
    for place, row in enumerate(rows):
        left = place >= half
        height = low + 0.6 * (len(rows) - 1 - place if left else place)
        side = len(rows) + margin if left else 1 - margin
        axis.plot([row.rank, row.rank, side], [0, height, height], color="#777777", linewidth=0.7)
        name = f"{row.name} {row.rank:.2f}"
        axis.text(side, height - 0.05, name, ha="left" if left else "right", va="bottom", fontsize=8)
    length = min(first.critical_difference, len(rows) - 1)
    axis.plot([1, 1 + length], [-1.1, -1.1], color="black", linewidth=1.5, marker="|", markersize=6)
    axis.text(1, -1.25, f"critical difference {first.critical_difference:.2f}", ha="right", va="bottom", fontsize=8)
    titles.append(f"Friedman p = {first.p_friedman:.2g}; releases: {first.releases}")
    figure.suptitle("\n".join(titles), fontsize=9)
    return figure

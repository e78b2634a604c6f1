"""Which system is first, and how certainly: the paired differences of all systems from the best one, over users.

The main metric is NDCG@10 of full ranking on test events. A user's value is the mean over a system's seeds. The best
system is chosen by the same events as the differences are measured on, which favours it slightly.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np

from semacdr.errors import UserError
from semacdr.evaluation.groups import Group, warm_and_cold
from semacdr.evaluation.main_metric import CUTOFF
from semacdr.evaluation.measures import ndcg
from semacdr.evaluation.runs import Run, run_names
from semacdr.evaluation.significance import Interval, bootstrap, holm
from semacdr.evaluation.summary import System
from semacdr.storage import tsv

RANKING = "full"
LEVEL = 0.05  # of p after correction: above it, two systems are level
RunKey = tuple[str, str, str]  # source, target and name of a run
KINDS = {True: "learned", False: "non-learned"}


@dataclass(frozen=True)
class LeadRow:
    """A system in a direction, and how far it is behind the best one: its fields are the columns of summary.tsv."""

    source: str
    target: str
    group: str | None  # of users: warm, cold; None where nobody is cold
    place: int  # 1: the best
    model: str
    variant: str
    kind: str  # learned, non-learned
    ranking: str
    metric: str
    k: int
    mean: float
    low: float  # 95 % bootstrap interval of the mean over users
    high: float
    behind: float | None  # the best one's mean minus this one's; None for the best
    behind_low: float | None
    behind_high: float | None
    p_bootstrap: float | None
    p_bootstrap_holm: float | None  # corrected for the number of systems behind the best
    seeds: int
    users: int
    release: str
    run: str


def lead(systems: Mapping[System, Sequence[Run]], learned: Mapping[System, bool]) -> list[LeadRow]:
    """The systems of each direction and group of users, the best first; equal means keep their order.

    `learned`: whether a system is trained. The runs must have passed semacdr.evaluation.summary.check_systems.
    """
    runs = [run for own in systems.values() for run in own]
    rows: list[LeadRow] = []
    for direction in dict.fromkeys(run.direction for run in runs):
        seeds = {system: [run for run in own if run.direction == direction] for system, own in systems.items()}
        seeds = {system: own for system, own in seeds.items() if own}
        for group in warm_and_cold(next(iter(seeds.values()))[0]):
            rows += _direction(seeds, learned, group)
    return rows


def read_lead(path: Path) -> list[LeadRow]:
    """The rows of a summary.tsv; a UserError where it is not what stage metrics writes."""
    needed = [field.name for field in fields(LeadRow) if field.name != "group"]
    try:
        return [
            LeadRow(**{field.name: _parsed(row, field.name) for field in fields(LeadRow)})
            for row in tsv.read(path, needed)
        ]
    except ValueError as error:
        raise UserError(f"{path}: cannot be read as a summary: {error}; run stage metrics again") from error


INTEGERS = ("place", "k", "seeds", "users")
NUMBERS = ("mean", "low", "high", "behind", "behind_low", "behind_high", "p_bootstrap", "p_bootstrap_holm")


def _parsed(row: Mapping[str, str], column: str) -> Any:
    cell = row.get(column) or ""
    if column in INTEGERS:
        return int(cell)
    if column in NUMBERS and cell:
        return float(cell)
    return cell or None


def _direction(seeds: Mapping[System, Sequence[Run]], learned: Mapping[System, bool], group: Group) -> list[LeadRow]:
    values = {
        system: np.mean([ndcg(run.ranks[RANKING][group.members], CUTOFF) for run in own], axis=0)
        for system, own in seeds.items()
    }
    order = sorted(values, key=lambda system: -round(float(values[system].mean()), 12))  # last bits depend on seeds
    table = np.stack([values[system] for system in order], axis=1)  # (users, systems)
    intervals = bootstrap(np.concatenate([table, table[:, :1] - table[:, 1:]], axis=1))
    behind = intervals[len(order) :]
    corrected = holm([interval.p for interval in behind])
    rows = []
    for place, system in enumerate(order):
        own, first = intervals[place], seeds[system][0]
        gap = _behind(behind[place - 1], corrected[place - 1]) if place else {}
        rows.append(
            LeadRow(
                source=first.source,
                target=first.target,
                group=group.name,
                place=place + 1,
                model=system[0],
                variant=system[1],
                kind=KINDS[learned[system]],
                ranking=RANKING,
                metric="ndcg",
                k=CUTOFF,
                mean=own.mean,
                low=own.low,
                high=own.high,
                **{name: gap.get(name) for name in BEHIND},
                seeds=len(seeds[system]),
                users=int(group.members.sum()),
                release=first.release,
                run=run_names(seeds[system]),
            )
        )
    return rows


BEHIND = ("behind", "behind_low", "behind_high", "p_bootstrap", "p_bootstrap_holm")


def _behind(found: Interval, corrected: float) -> dict[str, float]:
    """The fields BEHIND of a system that is not the best, from its distance to the best one."""
    return dict(zip(BEHIND, (found.mean, found.low, found.high, found.p, corrected), strict=True))

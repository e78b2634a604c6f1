"""The rows of metrics.tsv: the mean over users per seed, then mean and standard deviation over a system's seeds.

Each row also has a 95 % bootstrap interval over users, of the users' means over seeds.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from semacdr.errors import UserError
from semacdr.evaluation import measures
from semacdr.evaluation.bounds import broken_bound
from semacdr.evaluation.groups import Group, warm_and_cold
from semacdr.evaluation.runs import RANKINGS, Run, check_comparable, run_names
from semacdr.evaluation.significance import bootstrap

METRICS = ("hr", "ndcg", "mrr")
TIE_STEP = 0.5  # ties make half ranks, so that the best rank beyond a cut-off k is k + 1/2
System = tuple[str, str]  # model and variant


@dataclass(frozen=True)
class MetricsRow:
    """One number of the results: its fields are the columns of metrics.tsv."""

    source: str
    target: str
    group: str | None  # of users: warm, cold; None where nobody is cold
    model: str
    variant: str
    ranking: str
    metric: str
    k: int | None  # mrr has no cut-off
    mean: float
    std: float | None  # None for one seed
    seeds: int
    users: int
    tied_share: float | None  # of the direction's test events, all groups together (semacdr.data.ties)
    at_popularity: str | None = field(default=None, kw_only=True)  # seeds at its level on validation events
    release: str
    run: str  # the names of the system's runs, without seeds
    low: float  # 95 % bootstrap interval of the mean over users
    high: float


def check_systems(systems: Mapping[System, Sequence[Run]]) -> None:
    """Raise a UserError unless the runs fit in one table, are of the models that name them, and each is given once."""
    runs = [run for own in systems.values() for run in own]
    check_comparable(runs)
    for run in runs:
        if run.scenario != runs[0].scenario:
            first = runs[0]
            raise UserError(
                f"one table holds one scenario: {first.path} has {first.scenario}, {run.path} has {run.scenario}"
            )
    for (model, variant), own in systems.items():
        seen: dict[tuple[str, ...], Run] = {}
        for run in own:
            if run.model != model:
                raise UserError(f"--runs {model}/{variant}: {run.path} is a run of {run.model}; name its model")
            other = seen.setdefault((*run.direction, run.seed), run)
            if other is not run:
                raise UserError(
                    f"--runs {model}/{variant}: {other.path} and {run.path} both hold seed {run.seed} from "
                    f"{run.source} to {run.target}; give one of them"
                )


def summarise(systems: Mapping[System, Sequence[Run]], ks: Sequence[int]) -> list[MetricsRow]:
    """A row per direction, group, system, ranking, metric and cut-off, in order of first appearance."""
    runs = [run for own in systems.values() for run in own]
    rows: list[MetricsRow] = []
    for direction in dict.fromkeys(run.direction for run in runs):
        first = next(run for run in runs if run.direction == direction)
        for group in warm_and_cold(first):
            rows += _group_rows(systems, direction, group, ks)
    return rows


def _group_rows(
    systems: Mapping[System, Sequence[Run]], direction: tuple[str, str], group: Group, ks: Sequence[int]
) -> list[MetricsRow]:
    """The rows of a direction and group; all their intervals are of the same resampled users."""
    rows, values = [], []
    for system, own in systems.items():
        seeds = [run for run in own if run.direction == direction]
        for ranking in RANKINGS if seeds else ():
            block, users = _system_rows(system, seeds, group, ranking, ks)
            _assert_possible(block)
            rows += block
            values += users
    intervals = bootstrap(np.stack(values, axis=1))
    return [replace(row, low=found.low, high=found.high) for row, found in zip(rows, intervals, strict=True)]


def _system_rows(
    system: System, seeds: Sequence[Run], group: Group, ranking: str, ks: Sequence[int]
) -> tuple[list[MetricsRow], list[measures.Array]]:
    """A system's rows in one ranking, without intervals, and for each row the users' means over seeds (users,)."""
    first, rows, values = seeds[0], [], []
    for metric in METRICS:
        for k in (None,) if metric == "mrr" else ks:
            by_seed = np.stack([_values(metric, run.ranks[ranking][group.members], k) for run in seeds])
            means = [float(own.mean()) for own in by_seed]
            values.append(by_seed.mean(0))
            rows.append(
                MetricsRow(
                    source=first.source,
                    target=first.target,
                    group=group.name,
                    model=system[0],
                    variant=system[1],
                    ranking=ranking,
                    metric=metric,
                    k=k,
                    mean=float(np.mean(means)),
                    std=float(np.std(means, ddof=1)) if len(means) > 1 else None,
                    seeds=len(seeds),
                    users=int(group.members.sum()),
                    tied_share=first.tied_share,
                    release=first.release,
                    run=run_names(seeds),
                    low=np.nan,  # _group_rows adds the interval
                    high=np.nan,
                )
            )
    return rows, values


def _values(metric: str, ranks: measures.Array, k: int | None) -> measures.Array:
    """Each user's value of a metric (users,)."""
    if k is None:
        return measures.reciprocal_rank(ranks)
    return (measures.hit_rate if metric == "hr" else measures.ndcg)(ranks, k)


def _assert_possible(rows: Sequence[MetricsRow]) -> None:
    """HR and NDCG of the same ranks bound each other. A violation is an error of the measures, not of the input."""
    hr, ndcg = (
        {row.k: row.mean for row in rows if row.metric == metric and row.k is not None} for metric in ("hr", "ndcg")
    )
    broken = broken_bound(hr, ndcg, step=TIE_STEP)
    if broken:
        raise AssertionError(f"impossible means: {broken}, in {rows[0]}")

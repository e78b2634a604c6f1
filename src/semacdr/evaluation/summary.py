"""Runs to numbers: the mean over users for each seed, then mean and standard deviation over the seeds of a system."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from semacdr.evaluation import measures
from semacdr.evaluation.bounds import broken_bound
from semacdr.evaluation.groups import Group, warm_and_cold
from semacdr.evaluation.runs import RANKINGS, Run

METRICS = ("hr", "ndcg", "mrr")
TIE_STEP = 0.5  # ties make half ranks, so that the best rank beyond a cut-off k is k + 1/2


@dataclass(frozen=True)
class Row:
    """One number of the results: its fields are the columns of metrics.tsv."""

    source: str
    target: str
    group: str | None  # of users: warm, cold; none where nobody is cold
    model: str
    variant: str
    ranking: str
    metric: str
    k: int | None  # mrr has no cut-off
    mean: float
    std: float | None  # unknown for one seed
    seeds: int
    users: int
    release: str


def summarise(runs: Sequence[Run], ks: Sequence[int]) -> list[Row]:
    """A row per direction, group, system, ranking, metric and cut-off, in order of first appearance."""
    systems = list(dict.fromkeys(run.system for run in runs))
    rows: list[Row] = []
    for direction in dict.fromkeys(run.direction for run in runs):
        here = [run for run in runs if run.direction == direction]
        for group in warm_and_cold(here[0]):
            for system in systems:
                seeds = [run for run in here if run.system == system]
                for ranking in RANKINGS if seeds else ():
                    block = _system_rows(seeds, group, ranking, ks)
                    _assert_possible(block)
                    rows += block
    return rows


def _system_rows(seeds: Sequence[Run], group: Group, ranking: str, ks: Sequence[int]) -> list[Row]:
    first, rows, users = seeds[0], [], int(group.members.sum())
    for metric in METRICS:
        for k in (None,) if metric == "mrr" else ks:
            means = [_mean(metric, run.ranks[ranking][group.members], k) for run in seeds]
            std = float(np.std(means, ddof=1)) if len(means) > 1 else None
            named = (*first.direction, group.name, *first.system, ranking, metric, k)
            rows.append(Row(*named, float(np.mean(means)), std, len(seeds), users, first.release))
    return rows


def _mean(metric: str, ranks: measures.Array, k: int | None) -> float:
    if k is None:
        return float(measures.reciprocal_rank(ranks).mean())
    return float((measures.hit_rate if metric == "hr" else measures.ndcg)(ranks, k).mean())


def _assert_possible(rows: Sequence[Row]) -> None:
    """HR and NDCG of the same ranks bind each other; where they do not, a measure is wrong and no input is to blame."""
    hr, ndcg = ({row.k: row.mean for row in rows if row.metric == metric} for metric in ("hr", "ndcg"))
    broken = broken_bound(hr, ndcg, step=TIE_STEP)
    if broken:
        raise AssertionError(f"impossible means: {broken}, in {rows[0]}")

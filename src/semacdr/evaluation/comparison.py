"""Compare variants with a reference, user by user: means with intervals, differences with paired tests, by group.

The reference is the first variant, or another one that a variant names. A user's value is the mean over the seeds. All
variants of a direction must hold the same users and the same number of seeds. A model without training has one run,
which counts for every seed.

The two tests ask different questions. The bootstrap interval and the paired bootstrap test: whose mean is higher?
Wilcoxon's test: are the differences symmetric about zero? They disagree where one system is slightly better for many
users and much worse for a few, or where its seeds agree more. Both condition on the trained seeds: they generalise to
other users, not to other training runs.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from semacdr.errors import UserError
from semacdr.evaluation import measures
from semacdr.evaluation.groups import Group
from semacdr.evaluation.main_metric import CUTOFF
from semacdr.evaluation.runs import RANKINGS, Run, check_comparable, load_run, run_names
from semacdr.evaluation.significance import bootstrap, holm, signed_rank

Measure = Callable[[npt.NDArray[np.float64]], npt.NDArray[np.float64]]  # of ranks (users,) the values (users,)
Metric = tuple[str, int | None]  # name and cut-off


def metrics_at(cutoffs: Sequence[int] = (CUTOFF,)) -> dict[Metric, Measure]:
    """The metrics of a comparison: NDCG and HR at each cut-off, the MRR once. Pages test the first one."""
    found: dict[Metric, Measure] = {("ndcg", k): partial(measures.ndcg, k=k) for k in cutoffs}
    found |= {("hr", k): partial(measures.hit_rate, k=k) for k in cutoffs}
    return found | {("mrr", None): measures.reciprocal_rank}


@dataclass(frozen=True)
class ComparisonRow:
    """One number of a comparison: its fields are the columns. Without groups of users, grouping and group are None."""

    source: str
    target: str
    split: str | None  # valid; None: test
    grouping: str | None
    group: str | None
    ranking: str
    metric: str
    k: int | None
    variant: str
    mean: float
    std: float | None  # over seeds; None for one seed
    low: float
    high: float
    against: str | None = field(default=None, kw_only=True)  # the reference, if some variant names one; else None
    difference: float | None  # from the reference; None where the variant has none
    difference_low: float | None
    difference_high: float | None
    p_bootstrap: float | None
    p_bootstrap_holm: float | None
    p_wilcoxon: float | None
    p_holm: float | None  # of Wilcoxon's test
    seeds: int
    users: int
    tied_share: float | None  # of the direction's held-out events, all groups together (semacdr.data.ties)
    at_popularity: str | None = field(default=None, kw_only=True)  # seeds at its level on validation events
    release: str
    model: str
    run: str  # the names of the variant's runs, without seeds


def load_variants(given: Sequence[Sequence[str]], split: str = "test") -> dict[str, list[Run]]:
    """The runs of each variant, from its name followed by the folders of its runs; with the ranks of one split."""
    names = [name for name, *_ in given]
    if len(names) < 2 or len(set(names)) < len(names):
        raise UserError(f"--runs must name two variants or more, each once; it names {', '.join(names)}")
    empty = [name for name, *folders in given if not folders]
    if empty:
        raise UserError(f"--runs {empty[0]}: give the folders of its runs")
    return {name: [load_run(Path(folder), split) for folder in folders] for name, *folders in given}


def compare(
    variants: Mapping[str, Sequence[Run]],
    groups: Callable[[Run], Sequence[Group]],
    metrics: Mapping[Metric, Measure] | None = None,
    against: Mapping[str, str] | None = None,
) -> list[ComparisonRow]:
    """The rows of all directions, in order of first appearance.

    `groups` forms the groups of a direction's first run; `metrics`: those of `metrics_at` by default; `against`: by
    variant its reference where that is not the first variant. A UserError where runs or references do not fit.
    """
    pairs = reference_pairs(list(variants), against or {})
    metrics = metrics_at() if metrics is None else metrics
    check_comparable([run for runs in variants.values() for run in runs])
    directions = dict.fromkeys(run.direction for runs in variants.values() for run in runs)
    rows: list[ComparisonRow] = []
    for direction in directions:
        part = {name: [run for run in runs if run.direction == direction] for name, runs in variants.items()}
        _check_seeds(direction, part)
        part = {name: runs[:1] if {run.path for run in runs} == {runs[0].path} else runs for name, runs in part.items()}
        for group in groups(next(iter(part.values()))[0]):
            for ranking in RANKINGS:
                for metric, measure in metrics.items():
                    found = _metric_rows(part, pairs, group, ranking, metric, measure)
                    rows += [replace(row, against=pairs.get(row.variant)) for row in found] if against else found
    return rows


def reference_pairs(variants: Sequence[str], against: Mapping[str, str]) -> dict[str, str]:
    """By variant its reference, in the order of the variants; the first variant has one only if it names it."""
    for name, reference in against.items():
        unknown = [one for one in (name, reference) if one not in variants]
        if unknown:
            raise UserError(
                f"--against {name} {reference}: no variant is named {unknown[0]}; --runs has {', '.join(variants)}"
            )
        if name == reference:
            raise UserError(f"--against {name} {reference}: a variant cannot be compared with itself")
    return {name: against.get(name, variants[0]) for name in variants if name in against or name != variants[0]}


def _metric_rows(
    variants: Mapping[str, Sequence[Run]],
    pairs: Mapping[str, str],
    group: Group,
    ranking: str,
    metric: Metric,
    measure: Measure,
) -> list[ComparisonRow]:
    """The rows of one metric in one direction, group and ranking: one per variant; `pairs` as of reference_pairs."""
    by_seed = {
        name: np.stack([measure(run.ranks[ranking][group.members]) for run in runs]) for name, runs in variants.items()
    }
    values = np.stack([seeds.mean(0) for seeds in by_seed.values()], axis=1)  # (users, variants)
    place = {name: at for at, name in enumerate(by_seed)}
    ones, references = ([place[name] for name in names] for names in (pairs.keys(), pairs.values()))
    differences = values[:, ones] - values[:, references]
    intervals = bootstrap(np.concatenate([values, differences], axis=1))
    tests = dict(zip(pairs, _tests(differences, intervals[len(by_seed) :]), strict=True))
    rows = []
    for (name, seeds), interval in zip(by_seed.items(), intervals, strict=False):
        first = variants[name][0]
        tested: dict[str, Any] = dict.fromkeys(TESTED) | tests.get(name, {})
        rows.append(
            ComparisonRow(
                source=first.source,
                target=first.target,
                split=None if first.split == "test" else first.split,
                grouping=group.grouping,
                group=group.name,
                ranking=ranking,
                metric=metric[0],
                k=metric[1],
                variant=name,
                mean=interval.mean,
                std=float(seeds.mean(1).std(ddof=1)) if len(seeds) > 1 else None,
                low=interval.low,
                high=interval.high,
                **tested,
                seeds=seeds.shape[0],
                users=seeds.shape[1],
                at_popularity=None,
                tied_share=first.tied_share,
                release=first.release,
                model=first.model,
                run=run_names(variants[name]),
            )
        )
    return rows


TESTED = (
    "difference", "difference_low", "difference_high", "p_bootstrap", "p_bootstrap_holm", "p_wilcoxon", "p_holm",
)  # fmt: skip


def _tests(differences: npt.NDArray[np.float64], intervals: Sequence) -> list[dict[str, float]]:
    """The fields TESTED of each variant with a reference, from its differences (users, variants) and intervals."""
    signed = [signed_rank(differences[:, place]) for place in range(len(intervals))]
    corrected, signed_corrected = holm([interval.p for interval in intervals]), holm(signed)
    return [
        dict(zip(TESTED, (found.mean, found.low, found.high, found.p, *p_values), strict=True))
        for found, *p_values in zip(intervals, corrected, signed, signed_corrected, strict=True)
    ]


def _check_seeds(direction: tuple[str, str], variants: Mapping[str, Sequence[Run]]) -> None:
    first, runs = next(iter(variants.items()))
    for name, others in variants.items():
        if len(others) != len(runs):
            where = " to ".join(direction)
            raise UserError(
                f"{where}: '{first}' has {len(runs)} runs and '{name}' {len(others)}; give each as many seeds"
            )
        twice = [run.path for place, run in enumerate(others) if run.path in {one.path for one in others[:place]}]
        if 0 < len(twice) < len(others) - 1:  # one run alone counts for every seed of a model without training
            raise UserError(f"--runs: '{name}' has {twice[0].parent} more than once; give each run once")

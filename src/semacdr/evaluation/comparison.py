"""Variants beside the first one, user by user: means with intervals, differences with paired tests, by group of users.

A user's value is the mean over the seeds. All variants of a direction must hold the same users and as many seeds.
What learns nothing has one run, which stands for every seed.

The two tests ask different things. Interval and paired bootstrap: whose mean is higher? Wilcoxon's: are the differences
symmetric about zero? They are not either where one system is ahead of many users by little and behind few by much, or
where its seeds agree more. Both take the trained seeds as given: they are about other users, not about other trainings.
"""

import argparse
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np

from semacdr.errors import UserError
from semacdr.evaluation import measures
from semacdr.evaluation.groups import Group
from semacdr.evaluation.runs import RANKINGS, Run, check_alike, load
from semacdr.evaluation.significance import bootstrap, holm, signed_rank
from semacdr.reporting.markdown import add_tuning, p_value, unequal
from semacdr.storage import tsv

METRICS: Mapping[tuple[str, int | None], Callable] = {
    ("ndcg", 10): partial(measures.ndcg, k=10),
    ("hr", 10): partial(measures.hit_rate, k=10),
    ("mrr", None): measures.reciprocal_rank,
}


@dataclass(frozen=True)
class Row:
    """One number of a comparison: its fields are the columns. Without groups of users grouping and group are None."""

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
    std: float | None  # over seeds; unknown for one
    low: float
    high: float
    difference: float | None  # to the first variant, which has none
    difference_low: float | None
    difference_high: float | None
    p_bootstrap: float | None
    p_bootstrap_holm: float | None
    p_wilcoxon: float | None
    p_holm: float | None  # of Wilcoxon's test
    seeds: int
    users: int
    release: str


def compare(
    variants: Mapping[str, Sequence[Run]],
    groups: Callable[[Run], Sequence[Group]],
    metrics: Mapping[tuple[str, int | None], Callable] = METRICS,
) -> list[Row]:
    """The rows of all directions, in order of first appearance; `groups` forms those of a direction's first run."""
    check_alike([run for runs in variants.values() for run in runs])
    directions = dict.fromkeys(run.direction for runs in variants.values() for run in runs)
    rows: list[Row] = []
    for direction in directions:
        here = {name: [run for run in runs if run.direction == direction] for name, runs in variants.items()}
        _check(direction, here)
        here = {name: runs[:1] if {run.path for run in runs} == {runs[0].path} else runs for name, runs in here.items()}
        first = next(iter(here.values()))[0]
        for group in groups(first):
            for ranking in RANKINGS:
                for (metric, k), measure in metrics.items():
                    by_seed = {
                        name: np.stack([measure(run.ranks[ranking][group.members]) for run in runs])
                        for name, runs in here.items()
                    }
                    split = None if first.split == "test" else first.split
                    named = (*direction, split, group.grouping, group.name, ranking, metric, k)
                    rows += _rows(named, by_seed, first.release)
    return rows


def _rows(named: tuple, by_seed: Mapping[str, np.ndarray], release: str) -> list[Row]:
    """The rows of one metric from each variant's values (seeds, users)."""
    values = np.stack([seeds.mean(0) for seeds in by_seed.values()], axis=1)
    differences = values[:, 1:] - values[:, :1]
    intervals = bootstrap(np.concatenate([values, differences], axis=1))
    own, apart = intervals[: len(by_seed)], intervals[len(by_seed) :]
    p = [signed_rank(differences[:, place]) for place in range(len(apart))]
    corrected = zip(apart, holm([d.p for d in apart]), p, holm(p), strict=True)
    tests = [(None,) * 7] + [(d.mean, d.low, d.high, d.p, *more) for d, *more in corrected]
    return [
        Row(
            *named,
            name,
            interval.mean,
            float(seeds.mean(1).std(ddof=1)) if len(seeds) > 1 else None,
            interval.low,
            interval.high,
            *test,
            *seeds.shape,
            release,
        )
        for (name, seeds), interval, test in zip(by_seed.items(), own, tests, strict=True)
    ]


def _check(direction: tuple[str, str], variants: Mapping[str, Sequence[Run]]) -> None:
    first, runs = next(iter(variants.items()))
    for name, others in variants.items():
        if len(others) != len(runs):
            where = " to ".join(direction)
            raise UserError(
                f"{where}: '{first}' has {len(runs)} runs and '{name}' {len(others)}; give each as many seeds"
            )
        twice = [run.path for place, run in enumerate(others) if run.path in {one.path for one in others[:place]}]
        if 0 < len(twice) < len(others) - 1:  # one run alone stands for every seed of what learns nothing
            raise UserError(f"--runs: '{name}' has {twice[0]} more than once beside others; give each run once")


HOW = (
    "Mean over users and seeds ± deviation over seeds. Δ: difference to `{first}` of NDCG@10, with its 95 % interval "
    "by bootstrap over users; p, of a paired bootstrap and of Wilcoxon's signed-rank test over users, Holm-corrected"
    "{where}. Interval and bootstrap tell whose mean is higher; the signed-rank test also rejects where differences "
    "are not symmetric, as when one system's seeds agree more. All take the trained seeds as given."
)


def cells(row_of: Mapping[str, Row], metrics: Sequence[str]) -> list[str]:
    """A variant's line of a page from its rows by metric: name, means, difference of NDCG@10 and its p-value."""
    return [row_of["ndcg"].variant, *(_mean(row_of[metric]) for metric in metrics), *_difference(row_of["ndcg"])]


def by_variant(rows: Sequence[Row]) -> list[dict[str, Row]]:
    """The rows of one table, of each variant by metric."""
    names = dict.fromkeys(row.variant for row in rows)
    return [{row.metric: row for row in rows if row.variant == name} for name in names]


def _mean(row: Row) -> str:
    return f"{row.mean:.4f}" + (f" ± {row.std:.4f}" if row.std is not None else "")


def _difference(row: Row) -> tuple[str, str, str]:
    if row.difference is None:
        return "", "", ""
    apart = f"{row.difference:+.4f} [{row.difference_low:+.4f}, {row.difference_high:+.4f}]"
    return apart, p_value(row.p_bootstrap_holm), p_value(row.p_holm)


def add_arguments(cli: argparse.ArgumentParser, title: str) -> None:
    """The options that stages of comparisons have in common."""
    cli.add_argument("--runs", nargs="+", action="append", required=True, metavar="NAME PATH", help="a variant's runs")
    cli.add_argument("--title", default=title)
    cli.add_argument("--output", type=Path, required=True, help="the TSV")
    cli.add_argument("--table", type=Path, required=True, help="the Markdown page")
    add_tuning(cli)


def load_variants(given: Sequence[Sequence[str]], split: str = "test") -> dict[str, list[Run]]:
    """The runs of each variant that --runs names, with the ranks of a split."""
    names = [name for name, *_ in given]
    if len(names) < 2 or len(set(names)) < len(names):
        raise UserError(f"--runs must name two variants or more, each once; it names {', '.join(names)}")
    return {name: [load(Path(path), split) for path in paths] for name, *paths in given}


def write(args: argparse.Namespace, rows: Sequence[Row], page: str) -> None:
    """Write both files."""
    tsv.write(args.output, tsv.text(rows, optional=("split", "grouping", "group")))
    tsv.write(args.table, page + unequal(args))

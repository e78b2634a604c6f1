"""Mean ranks: which system ranks best over all scenarios and directions, and which differences exceed chance.

Reads   --tables, the TSVs of stage compare for one experiment in one or more scenarios.
Writes  --output, a TSV: a row per variant, the best first: its mean rank by full-ranking NDCG@10 over all directions of
        all scenarios, its best and its worst rank; the p-value of Friedman's test that all are equal, and Nemenyi's
        critical difference at 5 %.
        --picture, a PNG: the critical-difference diagram (Demšar, Statistical Comparisons of Classifiers over Multiple
        Data Sets, JMLR 2006, section 3.2.2); bars join variants that the test does not separate.

Each direction of a scenario is one data set, whatever its users and seeds: the question is whether an order holds on
other data. (The experiment's paired tests ask whether it holds for other users.) With few data sets few variants can be
separated. Both tests assume independent data sets; two directions of a scenario share users, so p is too small.
"""

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from scipy.stats import friedmanchisquare, rankdata, studentized_range

from semacdr.errors import UserError
from semacdr.evaluation.main_metric import EVENTS, read_main_metric
from semacdr.reporting import style
from semacdr.reporting.mean_rank_diagram import MeanRankRow, mean_rank_diagram
from semacdr.runtime.cli import log, parser, run
from semacdr.storage import tsv


class Means(NamedTuple):
    """The main metric of an experiment's variants on several data sets."""

    models: dict[str, str]  # by variant; empty where a table does not say
    values: npt.NDArray[np.float64]  # (data sets, variants)
    releases: str


def read_means(paths: Sequence[Path]) -> Means:
    """The means of all tables; a UserError where a table lacks a variant or is of validation events."""
    models: dict[str, str] = {}
    values, releases = [], set()
    for path in paths:
        rows = read_main_metric(path)
        if rows[0]["split"] != "test":
            raise UserError(f"{path}: contains {EVENTS[rows[0]['split']]} events; mean ranks need test events")
        releases |= {row["release"] for row in rows}
        models = models or {row["variant"]: row.get("model") or "" for row in rows}
        for direction in dict.fromkeys((row["source"], row["target"]) for row in rows):
            means = {row["variant"]: row["mean"] for row in rows if (row["source"], row["target"]) == direction}
            if {*means} != {*models}:
                other = ", ".join(sorted({*means} ^ {*models}))
                raise UserError(f"{path}: {' to '.join(direction)} has other variants than {paths[0]}: {other}")
            values.append([float(means[name]) for name in models])
    if len(models) < 3 or len(values) < 2:
        found = f"{len(models)} variants on {len(values)} data sets"
        raise UserError(f"{paths[0]}: mean ranks need three variants on two data sets (directions), not {found}")
    return Means(models, np.array(values), ", ".join(sorted(releases)))


def critical_difference(variants: int, data_sets: int, level: float = 0.05) -> float:
    """The least significant difference of two mean ranks (Nemenyi; Demšar 2006, section 3.2.2)."""
    q = studentized_range.ppf(1 - level, variants, np.inf) / np.sqrt(2)
    return float(q * np.sqrt(variants * (variants + 1) / (6 * data_sets)))


def mean_rank_rows(means: Means) -> list[MeanRankRow]:
    """The rows, the best first. Rank 1 is the largest value; ties share the mean of their ranks."""
    ranks = rankdata(-means.values, axis=1)
    equal = not np.ptp(ranks, axis=1).any()
    p = 1.0 if equal else float(friedmanchisquare(*means.values.T).pvalue)
    rows = [
        MeanRankRow(
            variant=variant,
            rank=float(column.mean()),
            best=float(column.min()),
            worst=float(column.max()),
            data_sets=len(ranks),
            p_friedman=p,
            critical_difference=critical_difference(len(means.models), len(ranks)),
            releases=means.releases,
            model=model,
        )
        for (variant, model), column in zip(means.models.items(), ranks.T, strict=True)
    ]
    return sorted(rows, key=lambda row: row.rank)


def arguments(argv: Sequence[str] | None) -> argparse.Namespace:
    """The stage's command line."""
    cli = parser(__doc__)
    cli.add_argument("--tables", type=Path, nargs="+", required=True, help="the experiment's TSV in each scenario")
    cli.add_argument("--title", default="Mean ranks", help="title of the diagram")
    cli.add_argument("--output", type=Path, required=True, help="the TSV")
    cli.add_argument("--picture", type=Path, required=True, help="the PNG")
    return cli.parse_args(argv)


def main(argv: Sequence[str] | None = None) -> None:
    """Run the stage."""
    args = arguments(argv)
    rows = mean_rank_rows(read_means(args.tables))
    tsv.write(args.output, tsv.text(rows))
    style.save(mean_rank_diagram(rows, args.title), args.picture)
    log.info("%d variants on %d data sets: %s", len(rows), rows[0].data_sets, args.output)


if __name__ == "__main__":
    run(main)

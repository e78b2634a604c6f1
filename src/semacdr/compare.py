"""Compare: the variants of an experiment beside its first one, user by user.

Reads   ranks.parquet of each run; --runs names a variant and its runs (seeds, directions) once for each variant.
Writes  --output, a TSV: a row per direction, ranking, metric and variant: mean, deviation over seeds, 95 % interval of
        the mean by bootstrap over users; the difference to the first variant with its interval, and p-values of a
        paired bootstrap and of Wilcoxon's signed-rank test, the latter also Holm-corrected for the number of variants.
        --table, the same to read.

A user's value is the mean over the seeds. All variants of a direction must hold the same users and as many seeds.
"""

import argparse
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np

from semacdr import tsv
from semacdr.cli import log, parser, run
from semacdr.errors import UserError
from semacdr.ranking import measures
from semacdr.ranking.runs import RANKINGS, Run, load
from semacdr.ranking.significance import bootstrap, holm, signed_rank
from semacdr.tables import SAMPLE_NOTE

METRICS: Mapping[tuple[str, int | None], Callable] = {
    ("ndcg", 10): partial(measures.ndcg, k=10),
    ("hr", 10): partial(measures.hit_rate, k=10),
    ("mrr", None): measures.reciprocal_rank,
}


@dataclass(frozen=True)
class Row:
    """One number of the comparison: its fields are the columns."""

    source: str
    target: str
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
    p_wilcoxon: float | None
    p_holm: float | None
    seeds: int
    users: int
    release: str


def compare(variants: Mapping[str, Sequence[Run]]) -> list[Row]:
    """The rows of all directions, in order of first appearance."""
    directions = dict.fromkeys(run.direction for runs in variants.values() for run in runs)
    rows: list[Row] = []
    for direction in directions:
        here = {name: [run for run in runs if run.direction == direction] for name, runs in variants.items()}
        _check(direction, here)
        for ranking in RANKINGS:
            for (metric, k), measure in METRICS.items():
                by_seed = {name: np.stack([measure(run.ranks[ranking]) for run in runs]) for name, runs in here.items()}
                release = next(iter(here.values()))[0].release
                rows += _rows((*direction, ranking, metric, k), by_seed, release)
    return rows


def _rows(named: tuple, by_seed: Mapping[str, np.ndarray], release: str) -> list[Row]:
    """The rows of one metric from each variant's values (seeds, users)."""
    values = np.stack([seeds.mean(0) for seeds in by_seed.values()], axis=1)
    differences = values[:, 1:] - values[:, :1]
    intervals = bootstrap(np.concatenate([values, differences], axis=1))
    own, apart = intervals[: len(by_seed)], intervals[len(by_seed) :]
    p = [signed_rank(differences[:, place]) for place in range(len(apart))]
    tests = [(None,) * 6] + [
        (d.mean, d.low, d.high, d.p, one, corrected) for d, one, corrected in zip(apart, p, holm(p), strict=True)
    ]
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
        for other in others:
            if not np.array_equal(other.users, runs[0].users) or other.release != runs[0].release:
                raise UserError(f"{runs[0].path} and {other.path} do not rank the same users of the same release")


def page(rows: Sequence[Row], title: str) -> str:
    """A Markdown page: a table per direction and ranking."""
    lines = [f"# {title}", ""] + ([f"**{SAMPLE_NOTE}**", ""] if rows[0].release == "sample" else [])
    first = rows[0].variant
    lines += [
        f"Mean over users and seeds ± deviation over seeds. Δ: difference to `{first}` of NDCG@10, with its 95 % "
        "interval by bootstrap over users; p: Wilcoxon's signed-rank test over users, Holm-corrected.",
        "",
    ]
    for part in dict.fromkeys((row.source, row.target, row.ranking) for row in rows):
        here = [row for row in rows if (row.source, row.target, row.ranking) == part]
        lines += [f"## {part[0]} → {part[1]}, {part[2]} ranking", ""]
        lines += ["| Variant | NDCG@10 | HR@10 | MRR | Δ | p |", "| --- | ---: | ---: | ---: | ---: | ---: |"]
        for name in dict.fromkeys(row.variant for row in here):
            cells = {row.metric: row for row in here if row.variant == name}
            means = [_mean(cells[metric]) for metric in ("ndcg", "hr", "mrr")]
            lines.append("| " + " | ".join([name, *means, *_difference(cells["ndcg"])]) + " |")
        lines.append("")
    seeds, users = rows[0].seeds, rows[0].users
    return "\n".join([*lines, f"{seeds} seed{'s' * (seeds > 1)}, {users:,} users.", ""])


def _mean(row: Row) -> str:
    return f"{row.mean:.4f}" + (f" ± {row.std:.4f}" if row.std is not None else "")


def _difference(row: Row) -> tuple[str, str]:
    if row.difference is None:
        return "", ""
    p = "< 0.0001" if row.p_holm < 1e-4 else f"{row.p_holm:.4f}"
    return f"{row.difference:+.4f} [{row.difference_low:+.4f}, {row.difference_high:+.4f}]", p


def arguments(argv: Sequence[str] | None) -> argparse.Namespace:
    """The stage's command line."""
    cli = parser(__doc__)
    cli.add_argument("--runs", nargs="+", action="append", required=True, metavar="NAME PATH", help="a variant's runs")
    cli.add_argument("--title", default="Comparison")
    cli.add_argument("--output", type=Path, required=True, help="the TSV")
    cli.add_argument("--table", type=Path, required=True, help="the Markdown page")
    return cli.parse_args(argv)


def main(argv: Sequence[str] | None = None) -> None:
    """Run the stage."""
    args = arguments(argv)
    names = [name for name, *_ in args.runs]
    if len(names) < 2 or len(set(names)) < len(names):
        raise UserError(f"--runs must name two variants or more, each once; it names {', '.join(names)}")
    variants = {name: [load(Path(path)) for path in paths] for name, *paths in args.runs}
    rows = compare(variants)
    tsv.write(args.output, tsv.text(rows))
    tsv.write(args.table, page(rows, args.title))
    log.info("%d variants, %d rows: %s", len(names), len(rows), args.output)


if __name__ == "__main__":
    run(main)

"""Overlap: do the items of both domains mix in the space that a system makes of them, or lie apart?

Reads   vectors.parquet of each run; --runs names a variant and its runs (seeds, directions) once for each variant.
Writes  --output, a TSV: a row per direction, space, variant and domain. share: of the k nearest neighbours of the
        domain's items (cosine, among the items of both domains) the part of the other domain, mean and deviation over
        seeds. chance: what it would be were domains strewn over the vectors at random. mixing = share / chance: 0 where
        the domains lie apart, 1 where they are as mixed as chance has it. As a check of chance, permuted: the share
        under random permutations of the items' domains, its mean and the range of 95 % of them.
        --picture, a PNG: the vectors of each variant's first seed as t-SNE lays them out, a panel per variant and
        space.

The paper's section 3.5 (figure 3) shows such pictures. A picture by t-SNE proves little: it keeps neighbours, not
distances, and always shows something. The numbers are of the vectors themselves, and of all items.
"""

import argparse
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from semacdr.errors import UserError
from semacdr.reporting import style
from semacdr.reporting.clouds import Cloud, chances, laid_out, load, neighbours, panels, shares
from semacdr.runtime.cli import log, parser, run
from semacdr.storage import tsv

SIGNS = ("o", "x")  # of the domains, in the order of their names


@dataclass(frozen=True)
class Row:
    """One number of the table: its fields are the columns."""

    source: str
    target: str
    space: str
    variant: str
    domain: str  # whose items have these neighbours; all: of both
    k: int
    share: float
    std: float | None  # over seeds; unknown for one
    chance: float
    mixing: float
    permuted: float
    permuted_low: float
    permuted_high: float
    items: int
    seeds: int
    release: str


def overlap(variants: Mapping[str, Sequence[dict[str, Cloud]]], k: int, permutations: int, seed: int) -> list[Row]:
    """The rows of all directions and spaces, in order of first appearance."""
    rows = []
    for (direction, space), here in panels(variants).items():
        _check([cloud for clouds in here.values() for cloud in clouds], k)
        for name, clouds in here.items():
            rows += _rows((*direction, space, name), clouds, k, permutations, seed)
            log.info("%s to %s, %s, %s: mixing %.3f", *direction, space, name, rows[-1].mixing)
    return rows


def _rows(named: tuple, clouds: Sequence[Cloud], k: int, permutations: int, seed: int) -> list[Row]:
    """The rows of one variant in one space: of the source's items, the target's, all."""
    first = clouds[0]
    found = [neighbours(cloud.vectors, k) for cloud in clouds]
    by_seed = np.stack([shares(near, first.is_target) for near in found])
    rng = np.random.default_rng(seed)
    permuted = np.stack([_permuted(found, rng.permutation(first.is_target)) for _ in range(permutations)])
    low, high = np.quantile(permuted, [0.025, 0.975], axis=0)
    counts = [int((~first.is_target).sum()), int(first.is_target.sum())]
    columns = zip(
        (first.source, first.target, "all"), by_seed.mean(0), by_seed.std(0, ddof=1) if len(found) > 1 else (None,) * 3,
        chances(*counts), permuted.mean(0), low, high, (*counts, sum(counts)), strict=True,
    )  # fmt: skip
    return [
        Row(
            *named, domain, k, float(share), None if std is None else float(std), float(chance), float(share / chance),
            float(mean), float(least), float(most), items, len(found), first.release,
        )
        for domain, share, std, chance, mean, least, most, items in columns
    ]  # fmt: skip


def _check(clouds: Sequence[Cloud], k: int) -> None:
    first, items = clouds[0], len(clouds[0].vectors)
    for cloud in clouds:
        if cloud.release != first.release or not np.array_equal(cloud.is_target, first.is_target):
            raise UserError(f"{first.path} and {cloud.path} do not hold the same items of the same release")
    if items <= k:
        raise UserError(f"{first.path}: {items} items have no {k} neighbours each; lower overlap.neighbours")


def _permuted(found: Sequence[npt.NDArray[np.int64]], is_target: npt.NDArray[np.bool_]) -> npt.NDArray[np.float64]:
    return np.mean([shares(near, is_target) for near in found], axis=0)


@style.styled
def picture(
    variants: Mapping[str, Sequence[dict[str, Cloud]]], rows: Sequence[Row], points: int, perplexity: float, seed: int
) -> Figure:
    """A row of panels per variant, a column per direction and space; at most `points` items in each, by chance."""
    columns = panels(variants)
    drawn = style.figure(0.4 + 4.2 * len(columns), 0.9 + 3.8 * len(variants))
    axes = drawn.subplots(len(variants), len(columns), squeeze=False)
    mixing = {(row.source, row.target, row.space, row.variant): row for row in rows if row.domain == "all"}
    for column, ((direction, space), here) in enumerate(columns.items()):
        for line, name in enumerate(variants):
            axis = axes[line, column]
            axis.set(xticks=[], yticks=[])
            if name not in here:
                axis.set_title(f"{name.replace('_', ' ')}: no {space.replace('_', ' ')}")
                continue
            _draw(axis, here[name][0], points, perplexity, seed)
            row = mixing[(*direction, space, name)]
            axis.set(xlabel="t-SNE 1 (no unit)", ylabel="t-SNE 2 (no unit)")
            axis.set_title(
                f"{name.replace('_', ' ')}, {space.replace('_', ' ')} ({' to '.join(direction)})\n"
                f"neighbours of the other domain: {row.share:.1%}, by chance {row.chance:.1%}"
            )
    first = next(iter(columns))[0]
    _legend(drawn, first)
    told = f"shares: of all items' {rows[0].k} nearest, mean of {style.seeds(rows[0].seeds)}; t-SNE: the first seed"
    style.title(drawn, f"Item vectors of both domains ({told})", rows[0].release)
    return drawn


def _draw(axis: Axes, cloud: Cloud, points: int, perplexity: float, seed: int) -> None:
    """The items of a cloud in one panel: crosses over dots, told apart without colour, and neither covers the other."""
    order = np.random.default_rng(seed).permutation(len(cloud.vectors))[:points]
    places = laid_out(cloud.vectors[order], perplexity, seed)
    first = min(cloud.direction)  # a domain has one sign in all panels
    is_first = cloud.is_target[order] == (cloud.target == first)
    axis.scatter(*places[is_first].T, s=6, c=style.COLOURS[0], alpha=0.7, marker=SIGNS[0], linewidths=0)
    axis.scatter(*places[~is_first].T, s=6, c=style.COLOURS[1], alpha=0.9, marker=SIGNS[1], linewidths=0.6)


def _legend(drawn: Figure, direction: tuple[str, str]) -> None:
    handles = [
        Line2D([], [], marker=sign, linestyle="", color=colour, label=f"{domain} items")
        for domain, colour, sign in zip(sorted(direction), style.COLOURS, SIGNS, strict=False)
    ]
    drawn.legend(handles=handles, loc="outside lower center", ncols=2, frameon=False)


def arguments(argv: Sequence[str] | None) -> argparse.Namespace:
    """The stage's command line."""
    cli = parser(__doc__)
    cli.add_argument("--runs", nargs="+", action="append", required=True, metavar="NAME PATH", help="a variant's runs")
    cli.add_argument("--neighbours", type=int, default=10, help="k")
    cli.add_argument("--permutations", type=int, default=200, help="of the items' domains, as a check of chance")
    cli.add_argument("--points", type=int, default=3000, help="items in a panel of the picture at most")
    cli.add_argument("--perplexity", type=float, default=30.0, help="of t-SNE")
    cli.add_argument("--seed", type=int, default=0, help="of permutations, of the items drawn and of t-SNE")
    cli.add_argument("--output", type=Path, required=True, help="the TSV")
    cli.add_argument("--picture", type=Path, required=True, help="the PNG")
    return cli.parse_args(argv)


def main(argv: Sequence[str] | None = None) -> None:
    """Run the stage."""
    args = arguments(argv)
    variants = {name: [load(Path(path)) for path in paths] for name, *paths in args.runs}
    rows = overlap(variants, args.neighbours, args.permutations, args.seed)
    drawn = picture(variants, rows, args.points, args.perplexity, args.seed)
    tsv.write(args.output, tsv.text(rows))
    style.save(drawn, args.picture)
    log.info("%d rows: %s, %s", len(rows), args.output, args.picture)


if __name__ == "__main__":
    run(main)

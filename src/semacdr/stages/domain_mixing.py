"""Domain mixing: do the items of both domains mix in a system's item vectors, or are they separated?

Reads   the folders of the runs, --runs NAME FOLDER..., once per variant (seeds, directions):
        vectors.parquet of each.
Writes  --output, a TSV: a row per direction, space, variant and domain. share: the fraction of the k nearest neighbours
        of the domain's items (by cosine, among the items of both domains) that are of the other domain: mean and
        standard deviation over seeds. chance: its expectation if domains were assigned to vectors at random.
        mixing = share / chance: 0 if the domains are separated, 1 if they are mixed as by chance. permuted checks
        chance: the mean share under random permutations of the items' domains, with the range of 95 % of them.
        --picture, a PNG: t-SNE of the vectors of each variant's first seed, a panel per variant and space.

The paper's section 3.5 (figure 3) shows such pictures. t-SNE is weak evidence: it preserves neighbours, not distances,
and shows structure in any data. The numbers are computed from the vectors of all items.
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
from semacdr.reporting.clouds import Cloud, by_space, chances, load_clouds, neighbours, shares, tsne
from semacdr.reporting.names import count_of, system_name
from semacdr.runtime.cli import log, parser, run
from semacdr.runtime.settings import Count, Natural, Positive, add_flags, from_flags, setting
from semacdr.stages._comparison import add_variants
from semacdr.storage import tsv

MARKERS = ("o", "x")  # of the domains, in the order of their names
Variants = Mapping[str, Sequence[dict[str, Cloud]]]  # by name the runs, each with its clouds by space


@dataclass(frozen=True)
class Settings:
    """How mixing is measured, and how the picture is drawn."""

    neighbours: Count = setting(10, "neighbours of each item that are counted")
    permutations: Count = setting(200, "random permutations of the items' domains, to check the expectation by chance")
    points: Count = setting(3000, "most items in a panel of the picture; the numbers are of all items")
    perplexity: Positive = setting(30.0, "perplexity of t-SNE")
    seed: Natural = setting(0, "seed of the permutations, of the choice of items in the picture and of t-SNE")


@dataclass(frozen=True)
class MixingRow:
    """One number of the table: its fields are the columns."""

    source: str
    target: str
    space: str
    variant: str
    domain: str  # the domain whose items have these neighbours; all: both
    k: int
    share: float
    std: float | None  # over seeds; None for one seed
    chance: float
    mixing: float
    permuted: float
    permuted_low: float
    permuted_high: float
    items: int
    seeds: int
    release: str
    run: str  # the names of the variant's runs, without seeds


def mixing_rows(variants: Variants, settings: Settings) -> list[MixingRow]:
    """The rows of all directions and spaces, in order of first appearance."""
    rows: list[MixingRow] = []
    for (direction, space), clouds_of in by_space(variants).items():
        _check([cloud for clouds in clouds_of.values() for cloud in clouds], settings.neighbours)
        for name, clouds in clouds_of.items():
            rows += _variant_rows(space, name, clouds, settings)
            log.info("%s to %s, %s, %s: mixing %.3f", *direction, space, name, rows[-1].mixing)
    return rows


def _variant_rows(space: str, variant: str, clouds: Sequence[Cloud], settings: Settings) -> list[MixingRow]:
    """The rows of one variant in one space: of the source's items, the target's, all."""
    first = clouds[0]
    found = [neighbours(cloud.vectors, settings.neighbours) for cloud in clouds]
    by_seed = np.stack([shares(near, first.is_target) for near in found])
    rng = np.random.default_rng(settings.seed)
    permuted = np.stack([_mean_shares(found, rng.permutation(first.is_target)) for _ in range(settings.permutations)])
    low, high = np.quantile(permuted, [0.025, 0.975], axis=0)
    items = [int((~first.is_target).sum()), int(first.is_target.sum())]
    chance = chances(*items)
    return [
        MixingRow(
            source=first.source,
            target=first.target,
            space=space,
            variant=variant,
            domain=domain,
            k=settings.neighbours,
            share=float(by_seed[:, place].mean()),
            std=float(by_seed[:, place].std(ddof=1)) if len(found) > 1 else None,
            chance=float(chance[place]),
            mixing=float(by_seed[:, place].mean() / chance[place]),
            permuted=float(permuted[:, place].mean()),
            permuted_low=float(low[place]),
            permuted_high=float(high[place]),
            items=[*items, sum(items)][place],
            seeds=len(found),
            release=first.release,
            run=", ".join(dict.fromkeys(cloud.run for cloud in clouds)),
        )
        for place, domain in enumerate((first.source, first.target, "all"))
    ]


def _check(clouds: Sequence[Cloud], k: int) -> None:
    """Raise a UserError unless the clouds hold the same items, and more of them than k."""
    first, items = clouds[0], len(clouds[0].vectors)
    for cloud in clouds:
        if cloud.release != first.release or not np.array_equal(cloud.is_target, first.is_target):
            raise UserError(
                f"{first.path} and {cloud.path} do not hold the same items of the same release; "
                "give runs on the same data"
            )
        digests = [one.metadata.get("made_from_items") for one in (first, cloud)]
        if None not in digests and digests[0] != digests[1]:
            raise UserError(
                f"{first.path} and {cloud.path} were made from different items tables; give runs on the same data"
            )
    if items <= k:
        raise UserError(f"{first.path}: {items} items have no {k} neighbours each; lower domain_mixing.neighbours")


def _mean_shares(found: Sequence[npt.NDArray[np.int64]], is_target: npt.NDArray[np.bool_]) -> npt.NDArray[np.float64]:
    """(3,) the shares of the source's items, the target's and all, averaged over seeds."""
    return np.mean([shares(near, is_target) for near in found], axis=0)


@style.styled
def mixing_figure(variants: Variants, rows: Sequence[MixingRow], settings: Settings) -> Figure:
    """A row of panels per variant, a column per direction and space."""
    columns = by_space(variants)
    figure = style.figure(0.4 + 4.2 * len(columns), 0.9 + 3.8 * len(variants))
    axes = figure.subplots(len(variants), len(columns), squeeze=False)
    mixing = {(row.source, row.target, row.space, row.variant): row for row in rows if row.domain == "all"}
    for column, ((direction, space), clouds_of) in enumerate(columns.items()):
        for line, (variant, runs) in enumerate(variants.items()):
            axis = axes[line, column]
            axis.set(xticks=[], yticks=[])
            model = next(iter(runs[0].values())).model
            name, where = system_name(model, variant), space.replace("_", " ")
            if variant not in clouds_of:
                axis.set_title(f"{name}: no {where}")
                continue
            _draw(axis, clouds_of[variant][0], settings)
            row = mixing[(*direction, space, variant)]
            axis.set(xlabel="t-SNE 1 (no unit)", ylabel="t-SNE 2 (no unit)")
            axis.set_title(
                f"{name}, {where} ({' to '.join(direction)})\n"
                f"neighbours of the other domain: {row.share:.1%}, by chance {row.chance:.1%}"
            )
    _add_legend(figure, next(iter(columns))[0])
    seeds = count_of(rows[0].seeds, "seed")
    text = f"shares: of all items' {rows[0].k} nearest neighbours, mean of {seeds}; t-SNE: the first seed"
    style.title(figure, f"Item vectors of both domains ({text})", rows[0].release)
    return figure


def _draw(axis: Axes, cloud: Cloud, settings: Settings) -> None:
    """The items of a cloud in one panel: crosses over dots, distinct without colour, neither hiding the other."""
    order = np.random.default_rng(settings.seed).permutation(len(cloud.vectors))[: settings.points]
    places = tsne(cloud.vectors[order], settings.perplexity, settings.seed)
    first = min(cloud.direction)  # a domain has one marker in all panels
    is_first = cloud.is_target[order] == (cloud.target == first)
    axis.scatter(
        places[is_first, 0], places[is_first, 1], s=6, c=style.COLOURS[0], alpha=0.7, marker=MARKERS[0], linewidths=0
    )
    axis.scatter(
        places[~is_first, 0],
        places[~is_first, 1],
        s=6,
        c=style.COLOURS[1],
        alpha=0.9,
        marker=MARKERS[1],
        linewidths=0.6,
    )


def _add_legend(figure: Figure, direction: tuple[str, str]) -> None:
    handles = [
        Line2D([], [], marker=marker, linestyle="", color=colour, label=f"{domain} items")
        for domain, colour, marker in zip(sorted(direction), style.COLOURS, MARKERS, strict=False)
    ]
    figure.legend(handles=handles, loc="outside lower center", ncols=2, frameon=False)


def arguments(argv: Sequence[str] | None) -> argparse.Namespace:
    """The stage's command line."""
    cli = parser(__doc__)
    add_variants(cli)
    cli.add_argument("--output", type=Path, required=True, help="the TSV")
    cli.add_argument("--picture", type=Path, required=True, help="the PNG")
    add_flags(cli, Settings)
    return cli.parse_args(argv)


def main(argv: Sequence[str] | None = None) -> None:
    """Run the stage."""
    args = arguments(argv)
    settings = from_flags(args, Settings, "domain_mixing")
    variants = {name: [load_clouds(Path(folder)) for folder in folders] for name, *folders in args.runs}
    rows = mixing_rows(variants, settings)
    figure = mixing_figure(variants, rows, settings)
    tsv.write(args.output, tsv.text(rows))
    style.save(figure, args.picture)
    log.info("%d rows: %s, %s", len(rows), args.output, args.picture)


if __name__ == "__main__":
    run(main)

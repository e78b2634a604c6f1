"""Taste similarity: do users have the same tastes in both domains? Compares category histograms of their events.

Reads   interactions.parquet, items.parquet, agnostic.parquet, and the split.parquet of both directions.
Writes  --output, a TSV: a row per minimum number of events and per category. similarity: the mean similarity of a
        user's histogram in one domain with the same user's in the other. random: the same with the histogram of another
        user who has about as many events in the other domain. difference: similarity - random. Each has a 95 %
        bootstrap interval over users. p: one-sided, from random permutations of such users. The last row of each
        minimum is the mean over the categories.
        --picture, a PNG: the histograms of one user, by default the user nearest the median similarity among those with
        the largest minimum number of events; the last panel shows that user among all users.

A histogram holds the share of a user's events in each subcategory of a category; an event counts for the
subcategories of its item in equal parts. Only events before the user's validation event in both directions count, so
no held-out event is shown. Similarity is 1 - the Jensen-Shannon divergence in bits: 1 for equal distributions, 0
for disjoint ones, defined where a share is 0, and, unlike cosine, not dominated by the largest shares. It is high for
any two users with many events, since tastes have much in common; so the relevant number is the difference from random
pairs.
The paper's appendix A (figure 4) shows one user.
"""

import argparse
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from textwrap import fill
from typing import Annotated

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from semacdr.data.history import shared_training
from semacdr.errors import UserError
from semacdr.evaluation.significance import bootstrap
from semacdr.reporting import style
from semacdr.reporting.histograms import (
    Array,
    Category,
    Matched,
    Numbers,
    count,
    events_of,
    histograms,
    similarities,
    users_with,
)
from semacdr.runtime.cli import log, parser, run
from semacdr.runtime.progress import progress
from semacdr.runtime.settings import Bounds, Count, Natural, add_flags, from_flags, setting
from semacdr.storage import tables, tsv

ALL = "all categories"  # the mean over them


@dataclass(frozen=True)
class Settings:
    """Which users are compared, how, and which user is shown."""

    min_events: Annotated[tuple[Count, ...], Bounds(1)] = setting(
        (1, 10), "minimum numbers of events of a user in each domain"
    )
    permutations: Count = setting(999, "random permutations of users, for the p-values")
    seed: Natural = setting(0, "seed of random pairs and permutations")
    user: Natural | None = setting(None, "number of the user in the picture; null: the user nearest the median")


@dataclass(frozen=True)
class SimilarityRow:
    """One line of the table: its fields are the columns."""

    min_events: int
    category: str
    similarity: float
    low: float
    high: float
    random: float
    random_low: float
    random_high: float
    difference: float
    difference_low: float
    difference_high: float
    p: float
    permutations: int
    users: int
    release: str


def similarity_rows(
    categories: Sequence[Category], minimum: int, permutations: int, seed: int, release: str
) -> list[SimilarityRow]:
    """The rows of the users with at least `minimum` events in both domains: one per category, and one of the mean."""
    users, matched = matched_users(categories, minimum, seed)
    same, random = pair_similarities(categories, users, matched)
    above = np.zeros(same.shape[1])
    for _ in progress(range(permutations), f"permutations of {len(users):,} users"):
        above += similarities(categories, users, matched.permuted()).mean(0) >= same.mean(0) - 1e-12
    names = [*(category.name for category in categories), ALL]
    intervals = bootstrap(np.concatenate([same, random, same - random], axis=1))
    rows = []
    for place, name in enumerate(names):
        similar, by_chance, difference = intervals[place :: len(names)]
        rows.append(
            SimilarityRow(
                min_events=minimum,
                category=name,
                similarity=similar.mean,
                low=similar.low,
                high=similar.high,
                random=by_chance.mean,
                random_low=by_chance.low,
                random_high=by_chance.high,
                difference=difference.mean,
                difference_low=difference.low,
                difference_high=difference.high,
                p=float((1 + above[place]) / (1 + permutations)),
                permutations=permutations,
                users=len(users),
                release=release,
            )
        )
    return rows


def matched_users(categories: Sequence[Category], minimum: int, seed: int) -> tuple[Numbers, Matched]:
    """The users with at least `minimum` events in both domains, and random partners with similar counts of events."""
    users = users_with(categories, minimum)
    counts = np.min([category.counts[1][users].sum(1) for category in categories], axis=0)
    return users, Matched(counts.round(6), np.random.default_rng([seed, minimum]))


def pair_similarities(categories: Sequence[Category], users: Numbers, matched: Matched) -> tuple[Array, Array]:
    """Similarities (users, categories and their mean): of each user's own two histograms, and with another user's."""
    whole = np.arange(len(users))
    return similarities(categories, users, whole), similarities(categories, users, matched.others())


def median_user(categories: Sequence[Category], minimum: int) -> int:
    """The user whose mean similarity is nearest the median of the users with at least `minimum` events."""
    users = users_with(categories, minimum)
    same = similarities(categories, users, np.arange(len(users)))[:, -1]
    return int(users[np.argmin(np.abs(same - np.median(same)))])


@style.styled
def user_figure(
    categories: Sequence[Category], domains: Sequence[str], user: int, minimum: int, seed: int, release: str
) -> Figure:
    """A panel per category with one user's histograms of both domains, and one with that user among all users."""
    same = similarities(categories, np.array([user]), np.array([0]))[0]
    columns = min(3, len(categories) + 1)
    lines = -(-(len(categories) + 1) // columns)
    most = max(len(category.subcategories) for category in categories)
    figure = style.figure(4.2 * columns, 0.9 + lines * (0.8 + 0.26 * most))
    axes = figure.subplots(lines, columns, squeeze=False).ravel()
    for axis, category, similar in zip(axes, categories, same, strict=False):
        _bars(axis, category, domains, user)
        axis.set_title(f"{category.name}: similarity {similar:.2f}")
    axes[0].legend(frameon=False)
    _among(axes[len(categories)], categories, user, same[-1], minimum, seed)
    for axis in axes[len(categories) + 1 :]:
        axis.remove()
    events = " and ".join(
        f"{counts[user].sum():.0f} {d}" for d, counts in zip(domains, categories[0].counts, strict=True)
    )
    measure = "similarity: 1 - Jensen-Shannon divergence"
    style.title(figure, f"User {user} in both domains: {events} events before validation; {measure}", release)
    return figure


def _bars(axis: Axes, category: Category, domains: Sequence[str], user: int) -> None:
    """One user's shares of events by subcategory, the largest above, a bar for each domain."""
    shares = np.stack([part[0] for part in histograms(category, np.array([user]))])
    order = np.argsort(shares.sum(0), kind="stable")
    places = np.arange(len(order))
    for part, (domain, offset) in enumerate(zip(domains, (0.2, -0.2), strict=True)):
        bars = axis.barh(places + offset, 100 * shares[part, order], 0.4, color=style.COLOURS[part], label=domain)
        for bar in bars if part else ():
            bar.set_hatch("//")
            bar.set_edgecolor("white")
    axis.set_yticks(places, [fill(category.subcategories[place], 22) for place in order])
    axis.set_xlabel("share of events in the domain (%)")


def _among(axis: Axes, categories: Sequence[Category], user: int, similar: float, minimum: int, seed: int) -> None:
    """The distribution of similarities of own pairs and random pairs, with the shown user's value."""
    users, matched = matched_users(categories, minimum, seed)
    same, random = pair_similarities(categories, users, matched)
    bins = np.linspace(min(same[:, -1].min(), random[:, -1].min()), 1, 31).tolist()
    axis.hist(random[:, -1], bins, color="#999999", label="random pairs")
    axis.hist(same[:, -1], bins, histtype="step", color="black", linewidth=1.5, label="own pairs")
    axis.axvline(similar, color=style.COLOURS[3], linestyle="--", label=f"user {user}")
    axis.set(xlabel="similarity, mean of categories", ylabel="users")
    axis.set_title(f"{len(users):,} users, >= {minimum} events in each domain")
    axis.margins(y=0.3)  # room for the legend
    axis.legend(frameon=False, loc="upper left")


def arguments(argv: Sequence[str] | None) -> argparse.Namespace:
    """The stage's command line."""
    cli = parser(__doc__)
    cli.add_argument("--interactions", type=Path, required=True)
    cli.add_argument("--items", type=Path, required=True)
    cli.add_argument("--agnostic", type=Path, required=True)
    cli.add_argument("--splits", nargs=2, type=Path, required=True, help="split.parquet of both directions")
    cli.add_argument("--output", type=Path, required=True, help="the TSV")
    cli.add_argument("--picture", type=Path, required=True, help="the PNG")
    add_flags(cli, Settings)
    return cli.parse_args(argv)


def main(argv: Sequence[str] | None = None) -> None:
    """Run the stage."""
    args = arguments(argv)
    settings = from_flags(args, Settings, "taste_similarity")
    catalogue, meta = tables.read(args.items, "items")
    agnostic, _ = tables.read(args.agnostic, "agnostic")
    domains, domain = np.unique(catalogue["domain"].to_numpy(zero_copy_only=False).astype(str), return_inverse=True)
    user, item = shared_training(args.interactions, args.items, args.splits)
    if not len(user):
        raise UserError(f"{args.interactions}: no event precedes its user's validation event in both directions")
    categories = count(user, item, domain, agnostic)
    release, most = meta["release"], max(settings.min_events)
    rows = [
        row
        for minimum in sorted(settings.min_events)
        for row in similarity_rows(categories, minimum, settings.permutations, settings.seed, release)
    ]
    shown = median_user(categories, most) if settings.user is None else checked_user(categories, settings.user)
    figure = user_figure(categories, domains.tolist(), shown, most, settings.seed, release)
    tsv.write(args.output, tsv.text(rows))
    style.save(figure, args.picture)
    log.info("%d rows, user %d shown: %s, %s", len(rows), shown, args.output, args.picture)


def checked_user(categories: Sequence[Category], user: int) -> int:
    """The user; a UserError where there are no events to show."""
    events = events_of(categories)
    if not 0 <= user < len(events) or events[user] < 1:
        raise UserError(f"user {user} has no training event in one of the domains; change taste_similarity.user")
    return user


if __name__ == "__main__":
    run(main)

"""Profiles: does a user want the same in both domains? Their events filed under the categories, domain against domain.

Reads   interactions.parquet, items.parquet, agnostic.parquet, and the split.parquet of both directions.
Writes  --output, a TSV: a row per least number of events and per category. similarity: the mean of a user's histogram
        in one domain with their own in the other. random: the same with another user's in the other domain, of whom
        there are as many events there. difference: between the two. All with a 95 % interval by bootstrap over users.
        p: of the own mean among those of random permutations of such users, one-sided. The last row of each is of the
        mean over the categories.
        --picture, a PNG: the histograms of one user, by default of the one nearest the median similarity among those
        with the largest least number of events; the last panel shows where they stand.

A histogram holds the share of a user's events in each subcategory of a category; an event counts for the subcategories
of its item in equal parts. Events are those before the user's validation event in both directions, so that nothing that
is held out is shown. Similarity is 1 - the Jensen-Shannon divergence in bits: 1 for the same distribution, 0 for
disjoint ones, defined where a share is 0, and not ruled by the largest shares alone as cosine is. It is high for any
two people who do much, as all tastes are alike in part; so what counts is how far own pairs are above random pairs.
The paper's appendix A (figure 4) shows one user.
"""

import argparse
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from textwrap import fill

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
from semacdr.storage import tables, tsv

ALL = "all categories"  # their mean


@dataclass(frozen=True)
class Row:
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


def compare(categories: Sequence[Category], least: int, permutations: int, seed: int, release: str) -> list[Row]:
    """The rows of the users with at least `least` events in both domains: a category each, and all."""
    users, matched = matched_users(categories, least, seed)
    own, random = pairs(categories, users, matched)
    above = np.zeros(own.shape[1])
    for _ in progress(range(permutations), f"permutations of {len(users):,} users"):
        above += similarities(categories, users, matched.permuted()).mean(0) >= own.mean(0) - 1e-12
    columns = len(categories) + 1
    intervals = bootstrap(np.concatenate([own, random, own - random], axis=1))
    return [
        Row(
            least, name,
            *(v for i in intervals[place::columns] for v in (i.mean, i.low, i.high)),
            float((1 + above[place]) / (1 + permutations)), permutations, len(users), release,
        )
        for place, name in enumerate([*(category.name for category in categories), ALL])
    ]  # fmt: skip


def matched_users(categories: Sequence[Category], least: int, seed: int) -> tuple[Numbers, Matched]:
    """The users with at least `least` events in both domains, and partners for them by count of the second's events."""
    users = users_with(categories, least)
    counts = np.min([category.counts[1][users].sum(1) for category in categories], axis=0)
    return users, Matched(counts.round(6), np.random.default_rng([seed, least]))


def pairs(categories: Sequence[Category], users: Numbers, matched: Matched) -> tuple[Array, Array]:
    """The similarities (users, categories and their mean) of each user with themselves, and with another user."""
    whole = np.arange(len(users))
    return similarities(categories, users, whole), similarities(categories, users, matched.others())


def typical(categories: Sequence[Category], least: int) -> int:
    """The user whose mean similarity is nearest the median of the users with at least `least` events."""
    users = users_with(categories, least)
    own = similarities(categories, users, np.arange(len(users)))[:, -1]
    return int(users[np.argmin(np.abs(own - np.median(own)))])


@style.styled
def picture(
    categories: Sequence[Category], domains: Sequence[str], user: int, least: int, seed: int, release: str
) -> Figure:
    """A panel per category with one user's histograms of both domains, and one with where the user stands."""
    own = similarities(categories, np.array([user]), np.array([0]))[0]
    columns = min(3, len(categories) + 1)
    lines = -(-(len(categories) + 1) // columns)
    most = max(len(category.subcategories) for category in categories)
    drawn = style.figure(4.2 * columns, 0.9 + lines * (0.8 + 0.26 * most))
    axes = drawn.subplots(lines, columns, squeeze=False).ravel()
    for axis, category, alike in zip(axes, categories, own, strict=False):
        _bars(axis, category, domains, user)
        axis.set_title(f"{category.name}: similarity {alike:.2f}")
    axes[0].legend(frameon=False)
    _among(axes[len(categories)], categories, user, own[-1], least, seed)
    for axis in axes[len(categories) + 1 :]:
        axis.remove()
    events = " and ".join(
        f"{counts[user].sum():.0f} {d}" for d, counts in zip(domains, categories[0].counts, strict=True)
    )
    measure = "similarity: 1 - Jensen-Shannon divergence"
    style.title(drawn, f"User {user} in both domains: {events} events before validation; {measure}", release)
    return drawn


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


def _among(axis: Axes, categories: Sequence[Category], user: int, alike: float, least: int, seed: int) -> None:
    """How similar the histograms of users are to their own and to another's, and where the shown user stands."""
    users, matched = matched_users(categories, least, seed)
    own, random = pairs(categories, users, matched)
    bins = np.linspace(min(own[:, -1].min(), random[:, -1].min()), 1, 31)
    axis.hist(random[:, -1], bins, color="#999999", label="random pairs")
    axis.hist(own[:, -1], bins, histtype="step", color="black", linewidth=1.5, label="own pairs")
    axis.axvline(alike, color=style.COLOURS[3], linestyle="--", label=f"user {user}")
    axis.set(xlabel="similarity, mean of categories", ylabel="users")
    axis.set_title(f"{len(users):,} users, >= {least} events in each domain")
    axis.margins(y=0.3)  # room for the legend
    axis.legend(frameon=False, loc="upper left")


def arguments(argv: Sequence[str] | None) -> argparse.Namespace:
    """The stage's command line."""
    cli = parser(__doc__)
    cli.add_argument("--interactions", type=Path, required=True)
    cli.add_argument("--items", type=Path, required=True)
    cli.add_argument("--agnostic", type=Path, required=True)
    cli.add_argument("--splits", nargs=2, type=Path, required=True, help="split.parquet of both directions")
    cli.add_argument("--min-events", nargs="+", type=int, default=[1, 10], help="least events in each domain")
    cli.add_argument("--permutations", type=int, default=999, help="of the users of one domain")
    cli.add_argument("--seed", type=int, default=0, help="of random pairs and permutations")
    cli.add_argument("--user", type=int, help="who is shown; default: the user nearest the median")
    cli.add_argument("--output", type=Path, required=True, help="the TSV")
    cli.add_argument("--picture", type=Path, required=True, help="the PNG")
    return cli.parse_args(argv)


def main(argv: Sequence[str] | None = None) -> None:
    """Run the stage."""
    args = arguments(argv)
    catalogue, meta = tables.read(args.items, "items")
    agnostic, _ = tables.read(args.agnostic, "agnostic")
    domains, domain = np.unique(catalogue["domain"].to_numpy(zero_copy_only=False).astype(str), return_inverse=True)
    user, item = shared_training(args.interactions, args.items, args.splits)
    if not len(user):
        raise UserError(f"{args.interactions}: no event precedes the validation event of its user in both directions")
    categories = count(user, item, domain, agnostic)
    release, most = meta["release"], max(args.min_events)
    rows = [
        row
        for least in sorted(set(args.min_events))
        for row in compare(categories, least, args.permutations, args.seed, release)
    ]
    shown = typical(categories, most) if args.user is None else checked(categories, args.user)
    drawn = picture(categories, domains, shown, most, args.seed, release)
    tsv.write(args.output, tsv.text(rows))
    style.save(drawn, args.picture)
    log.info("%d rows, user %d shown: %s, %s", len(rows), shown, args.output, args.picture)


def checked(categories: Sequence[Category], user: int) -> int:
    """The user; a UserError where there is nothing of them to show."""
    events = events_of(categories)
    if not 0 <= user < len(events) or events[user] < 1:
        raise UserError(f"user {user} has no training event in one of the domains; let profiles.user be another")
    return user


if __name__ == "__main__":
    run(main)

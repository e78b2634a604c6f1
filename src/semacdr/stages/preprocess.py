"""Preprocess: turn the raw reviews and metadata of two domains into the tables of one scenario.

Reads   reviews_<Category>.json.gz and meta_<Category>.json.gz of both domains.
Writes  interactions.parquet, users.parquet, items.parquet, attributes.parquet (contracts in semacdr.storage.tables);
        statistics.tsv, the columns of the paper's table 4; preprocess.tsv, the numbers of lines, events, users and
        items after each step.

Every review is a positive interaction (paper, appendix B). If a user reviewed an item several times, the earliest event
is kept. Items need `min_item_interactions` events; users need `min_user_interactions` events in each domain, so they
are in both domains. With `filter: once` these filters are applied once, in this order; with `filter: iterated` they are
repeated until nothing changes, so that the result satisfies all of them.

This stage decides the order of each user's events: by timestamp, and within one timestamp by a hash
(semacdr.data.tie_order). interactions.parquet is stored in this order, and every later stage keeps it.
"""

import argparse
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

import polars as pl

from semacdr.data.lines import Tally
from semacdr.data.metadata import ATTRIBUTES, read_metadata
from semacdr.data.metadata import SCHEMA as METADATA_SCHEMA
from semacdr.data.reviews import read_reviews
from semacdr.data.tie_order import tie_order
from semacdr.errors import UserError
from semacdr.runtime.cli import log, parser, run
from semacdr.runtime.settings import Bounds, Count, Natural, Share, add_flags, from_flags, setting
from semacdr.storage import tables, tsv

FEW_TITLES = 0.9  # a smaller share of items with a title is worth a warning
NO_TEXT = "; no item has any text: if the other domain has none either, set `train: {texts: false}` for the scenario"


@dataclass(frozen=True)
class Settings:
    """Which interactions are kept."""

    min_item_interactions: Count = setting(10, "fewest interactions of an item")
    min_user_interactions: Annotated[int, Bounds(3)] = setting(
        3, "fewest interactions of a user in each domain: one each for training, validation and test"
    )
    filter: Literal["once", "iterated"] = setting(
        "once", "apply the filters once, in the paper's order, or until nothing changes"
    )
    max_malformed_share: Share = setting(
        0.01, "share of a file's lines that may be malformed; above it the stage stops"
    )
    tie_seed: Natural = setting(0, "seed of the order of a user's events that have the same timestamp")


@dataclass(frozen=True)
class FunnelRow:
    """A row of preprocess.tsv: the counts of a domain after a step."""

    domain: str
    step: str
    count: int  # of lines, events or items
    users: int | None  # with events; None where the count is not of events
    items: int | None
    release: str


@dataclass(frozen=True)
class StatisticsRow:
    """A row of statistics.tsv: the columns of the paper's table 4."""

    domain: str
    overlapped_users: int
    items: int
    interactions: int
    avg_len: float  # interactions per user, rounded to two decimals
    release: str


class Funnel:
    """The counts after each step in each domain and, for counts of events, their users and items."""

    def __init__(self, domains: Sequence[str]) -> None:
        self.domains = domains
        self._steps: list[tuple[str, str, int, int | None, int | None]] = []

    def add_count(self, domain: str, step: str, count: int) -> None:
        """Record a count that is not of events."""
        self._steps.append((domain, step, count, None, None))

    def add_events(self, step: str, events: pl.DataFrame) -> pl.DataFrame:
        """Record the events that remain after a step, and return them; a UserError if a domain has none left."""
        for domain in self.domains:
            part = events.filter(pl.col("domain") == domain)
            row = (domain, step, part.height, part["user_id"].n_unique(), part["item_id"].n_unique())
            before = next((r for r in reversed(self._steps) if r[0] == domain and r[3] is not None), None)
            self._steps.append(row)
            if not part.height:
                had = f"; before it: {before[2]:,} events, {before[3]:,} users, {before[4]:,} items" if before else ""
                raise UserError(f"no interaction of domain '{domain}' is left after '{step}'{had}")
        return events

    def rows(self, release: str) -> list[FunnelRow]:
        """The rows of preprocess.tsv, grouped by domain."""
        return [FunnelRow(*step, release) for step in sorted(self._steps, key=lambda step: step[0])]


def filter_interactions(events: pl.DataFrame, settings: Settings, funnel: Funnel) -> pl.DataFrame:
    """The events (user_id, item_id, domain, timestamp) that pass the paper's filters, without duplicates."""
    fewest_item, fewest_user = settings.min_item_interactions, settings.min_user_interactions
    events = funnel.add_events(
        "duplicates removed (the earliest of a user and an item stays)",
        events.group_by("domain", "user_id", "item_id").agg(pl.col("timestamp").min()),
    )
    for _ in range(events.height):
        before = events.height
        step = f"items with >= {fewest_item} interactions (min_item_interactions)"
        events = funnel.add_events(step, events.filter(pl.len().over("domain", "item_id") >= fewest_item))
        step = f"users with >= {fewest_user} interactions in each domain (min_user_interactions)"
        events = funnel.add_events(step, events.filter(pl.len().over("domain", "user_id") >= fewest_user))
        shared = pl.col("domain").n_unique().over("user_id") == len(funnel.domains)
        events = funnel.add_events("users of both domains", events.filter(shared))
        if settings.filter == "once" or events.height == before:
            break
    return events


def number(
    events: pl.DataFrame, metadata: pl.DataFrame, tie_seed: int
) -> tuple[pl.DataFrame, pl.DataFrame, pl.DataFrame]:
    """Interactions, users and items, numbered from 0: users by user_id, items by domain and item_id.

    Interactions are in each user's order: by timestamp, then by `tie_order`. Items get their metadata, empty where
    there is none.
    """
    users = events.select("user_id").unique().sort("user_id").with_row_index("user")
    items = events.select("domain", "item_id").unique().sort("domain", "item_id").with_row_index("item")
    interactions = (
        events.with_columns(tie_order(events, tie_seed))
        .join(users, on="user_id")
        .join(items, on=["domain", "item_id"])
        .sort("user", "timestamp", "tie_order", "domain")
    )
    items = items.join(metadata, on=["domain", "item_id"], how="left", maintain_order="left").with_columns(
        pl.col("title", "brand", "description").fill_null(""),
        pl.col("categories").fill_null(pl.lit([], dtype=pl.List(pl.String))),
    )
    return interactions, users, items


def attributes_of(items: pl.DataFrame) -> pl.DataFrame:
    """The attributes table (item, name, value) of numbered items; empty where no item has named categories."""
    if "attributes" not in items.columns:
        items = items.with_columns(attributes=pl.lit([], dtype=ATTRIBUTES))
    named = items.select("item", "attributes").explode("attributes", empty_as_null=False, keep_nulls=False)
    return named.unnest("attributes").sort("item", maintain_order=True)


def statistics(interactions: pl.DataFrame, release: str) -> list[StatisticsRow]:
    """The rows of statistics.tsv, sorted by domain."""
    counts = (
        interactions.group_by("domain")
        .agg(
            overlapped_users=pl.col("user").n_unique(),
            items=pl.col("item").n_unique(),
            interactions=pl.len(),
        )
        .with_columns(avg_len=(pl.col("interactions") / pl.col("overlapped_users")).round(2))
        .sort("domain")
    )
    return [StatisticsRow(**row, release=release) for row in counts.to_dicts()]


def load_reviews(paths: Mapping[str, Path], max_malformed: float, funnel: Funnel) -> pl.DataFrame:
    """All usable reviews of the domains (user_id, item_id, timestamp, domain); counts of lines go into the funnel."""
    frames = []
    for domain, path in paths.items():
        frame, tally = read_reviews(path)
        _account(domain, "reviews", tally, max_malformed, funnel)
        frames.append(frame.with_columns(domain=pl.lit(domain)))
    return pl.concat(frames)


def load_metadata(
    paths: Mapping[str, Path], events: pl.DataFrame, max_malformed: float, funnel: Funnel
) -> pl.DataFrame:
    """The metadata (domain, item_id, title, brand, categories, description) of the items in `events`.

    Items without metadata or without a title are counted in the funnel and logged, with a warning if they are many. A
    UserError if a file has lines, but none is of an item of its domain.
    """
    frames = [pl.DataFrame(schema=METADATA_SCHEMA | {"domain": pl.String})]
    for domain, path in paths.items():
        wanted = events.filter(pl.col("domain") == domain)["item_id"].unique().sort()
        frame, tally = read_metadata(path, wanted)
        _account(domain, "metadata", tally, max_malformed, funnel)
        if tally.lines and not frame.height:
            raise UserError(
                f"{path}: none of its {tally.lines:,} lines is of one of the {len(wanted):,} items of domain "
                f"'{domain}', such as '{wanted[0]}'; check that it belongs to the same category and release"
            )
        titled = frame.filter(pl.col("title") != "").height
        few = titled < FEW_TITLES * len(wanted)
        hint = "; stages that use item texts know little or nothing about the others" if few else ""
        (log.warning if few else log.info)(
            "%s: %s of %s items have metadata, %s have a title%s",
            domain, f"{frame.height:,}", f"{len(wanted):,}", f"{titled:,}", hint if _any_text(frame) else NO_TEXT,
        )  # fmt: skip
        funnel.add_count(domain, "items without a metadata line", len(wanted) - frame.height)
        funnel.add_count(domain, "items without a title", len(wanted) - titled)
        frames.append(frame.with_columns(domain=pl.lit(domain)))
    return pl.concat(frames)


def _any_text(metadata: pl.DataFrame) -> bool:
    """Whether any item has a text of any kind."""
    texts = [pl.col(name) != "" for name in ("title", "brand", "description")]
    return metadata.select(pl.any_horizontal(*texts, pl.col("categories").list.len() > 0).any()).item()


def _account(domain: str, what: str, tally: Tally, max_malformed: float, funnel: Funnel) -> None:
    """Log and record how many lines a file has and how many are malformed; a UserError if there are too many."""
    log.info("%s: %s lines read of %s", domain, f"{tally.lines:,}", tally.path)
    funnel.add_count(domain, f"{what} lines", tally.lines)
    for kind, count in sorted(tally.malformed.items()):
        log.warning("%s: %s lines malformed (%s); the first: %s", tally.path, f"{count:,}", kind, tally.firsts[kind])
        funnel.add_count(domain, f"{what} lines malformed: {kind}", count)
    tally.check(max_malformed)


def arguments(argv: Sequence[str] | None) -> argparse.Namespace:
    """The stage's command line."""
    cli = parser(__doc__)
    cli.add_argument("--domains", nargs=2, required=True, help="the two domains' names")
    cli.add_argument("--reviews", nargs=2, type=Path, required=True, help="their review files, in the same order")
    cli.add_argument("--metadata", nargs=2, type=Path, required=True, help="their metadata files")
    cli.add_argument("--release", required=True, help="name of the release that the files come from")
    cli.add_argument("--scenario", required=True, help="name of the scenario")
    cli.add_argument("--output", type=Path, required=True, help="folder for the five tables")
    add_flags(cli, Settings)
    return cli.parse_args(argv)


def main(argv: Sequence[str] | None = None) -> None:
    """Run the stage."""
    args = arguments(argv)
    settings = from_flags(args, Settings, "preprocess")
    funnel = Funnel(sorted(args.domains))
    reviews = dict(zip(args.domains, args.reviews, strict=True))
    events = funnel.add_events("usable lines", load_reviews(reviews, settings.max_malformed_share, funnel))
    events = filter_interactions(events, settings, funnel)
    paths = dict(zip(args.domains, args.metadata, strict=True))
    metadata = load_metadata(paths, events, settings.max_malformed_share, funnel)
    interactions, users, items = number(events, metadata, settings.tie_seed)
    meta = {"release": args.release, "scenario": args.scenario, "domains": " ".join(sorted(args.domains))}
    written = tables.write(interactions.to_arrow(), args.output / "interactions.parquet", "interactions", meta)
    meta |= tables.made_from(interactions=written)
    for name, frame in (("users", users), ("items", items), ("attributes", attributes_of(items))):
        tables.write(frame.to_arrow(), args.output / f"{name}.parquet", name, meta)
    counts = statistics(interactions, args.release)
    tsv.write(args.output / "preprocess.tsv", tsv.text(funnel.rows(args.release)))
    tsv.write(args.output / "statistics.tsv", tsv.text(counts, number=""))
    for row in counts:
        log.info(
            "%s: %s users, %s items, %s interactions, %s per user on average",
            row.domain, f"{row.overlapped_users:,}", f"{row.items:,}", f"{row.interactions:,}", row.avg_len,
        )  # fmt: skip


if __name__ == "__main__":
    run(main)

"""Preprocess: raw reviews and metadata of two domains become the tables of one scenario.

Reads   reviews_<Category>.json.gz and meta_<Category>.json.gz of both domains.
Writes  interactions.parquet, users.parquet, items.parquet (contracts in semacdr.storage.tables), statistics.tsv as
        the paper's table 4, and preprocess.tsv: how many lines, events, users and items each step left, in each domain.

All interactions are positive (paper, appendix B). Of several events of a user with the same item the earliest stays.
Items need `min_item_interactions`, users `min_user_interactions` in each domain, and users must stand in both domains:
with `filter: once` in this order, one pass; with `filter: iterated` until nothing changes, so that all three hold.
"""

import argparse
from collections.abc import Sequence
from pathlib import Path

import polars as pl

from semacdr.data.lines import Tally
from semacdr.data.metadata import SCHEMA as METADATA_SCHEMA
from semacdr.data.metadata import read_metadata
from semacdr.data.reviews import read_reviews
from semacdr.errors import UserError
from semacdr.runtime.cli import log, parser, run
from semacdr.storage import tables


class Funnel:
    """What each step left or found: domain, step, count (of lines, events or items), and users and items of events."""

    def __init__(self, domains: Sequence[str]) -> None:
        self.domains, self.rows = domains, []

    def note(self, domain: str, step: str, count: int) -> None:
        """Note a count that is not of events."""
        self.rows.append((domain, step, count, None, None))

    def add(self, step: str, events: pl.DataFrame) -> pl.DataFrame:
        """Note what stands after a step and return it; a UserError where the step left a domain empty."""
        for domain in self.domains:
            part = events.filter(pl.col("domain") == domain)
            row = (domain, step, part.height, part["user_id"].n_unique(), part["item_id"].n_unique())
            before = next((r for r in reversed(self.rows) if r[0] == domain and r[3] is not None), None)
            self.rows.append(row)
            if not part.height:
                had = f"; before it: {before[2]:,} events, {before[3]:,} users, {before[4]:,} items" if before else ""
                raise UserError(f"no interaction of domain '{domain}' is left after '{step}'{had}")
        return events

    def frame(self) -> pl.DataFrame:
        """The rows as a table, each domain's together."""
        schema = {"domain": pl.String, "step": pl.String, "count": pl.Int64, "users": pl.Int64, "items": pl.Int64}
        return pl.DataFrame(self.rows, schema=schema, orient="row").sort("domain", maintain_order=True)


def filter_interactions(events: pl.DataFrame, min_item: int, min_user: int, iterated: bool, funnel: Funnel):
    """The events (user_id, item_id, domain, timestamp) that the paper's filters keep, duplicates removed."""
    events = funnel.add(
        "duplicates removed (the earliest of a user and an item stays)",
        events.group_by("domain", "user_id", "item_id").agg(pl.col("timestamp").min()),
    )
    for _ in range(events.height):
        before = events.height
        step = f"items with >= {min_item} interactions (min_item_interactions)"
        events = funnel.add(step, events.filter(pl.len().over("domain", "item_id") >= min_item))
        step = f"users with >= {min_user} interactions in each domain (min_user_interactions)"
        events = funnel.add(step, events.filter(pl.len().over("domain", "user_id") >= min_user))
        shared = pl.col("domain").n_unique().over("user_id") == len(funnel.domains)
        events = funnel.add("users of both domains", events.filter(shared))
        if not iterated or events.height == before:
            break
    return events


def number(events: pl.DataFrame, metadata: pl.DataFrame) -> tuple[pl.DataFrame, pl.DataFrame, pl.DataFrame]:
    """Interactions, users and items with dense ids from 0: users by user_id, items by domain and item_id."""
    users = events.select("user_id").unique().sort("user_id").with_row_index("user")
    items = events.select("domain", "item_id").unique().sort("domain", "item_id").with_row_index("item")
    interactions = (
        events.join(users, on="user_id")
        .join(items, on=["domain", "item_id"])
        .sort("user", "timestamp", "domain", "item")
    )
    items = items.join(metadata, on=["domain", "item_id"], how="left", maintain_order="left").with_columns(
        pl.col("title", "brand", "description").fill_null(""),
        pl.col("categories").fill_null(pl.lit([], dtype=pl.List(pl.String))),
    )
    return interactions, users, items


def statistics(interactions: pl.DataFrame) -> pl.DataFrame:
    """The paper's table 4: per domain overlapped users, items, interactions, average length of a user's sequence."""
    return (
        interactions.group_by("domain")
        .agg(
            overlapped_users=pl.col("user").n_unique(),
            items=pl.col("item").n_unique(),
            interactions=pl.len(),
        )
        .with_columns(avg_len=(pl.col("interactions") / pl.col("overlapped_users")).round(2))
        .sort("domain")
    )


def load_reviews(paths: dict[str, Path], max_malformed: float, funnel: Funnel) -> pl.DataFrame:
    """All usable reviews of the domains (user_id, item_id, timestamp, domain); the tallies go into the funnel."""
    frames = []
    for domain, path in paths.items():
        frame, tally = read_reviews(path)
        _account(domain, "reviews", tally, max_malformed, funnel)
        frames.append(frame.with_columns(domain=pl.lit(domain)))
    return pl.concat(frames)


def load_metadata(paths: dict[str, Path], events: pl.DataFrame, max_malformed: float, funnel: Funnel) -> pl.DataFrame:
    """Metadata rows of the items that stand in `events`; items without a line are counted and logged."""
    frames = [pl.DataFrame(schema=METADATA_SCHEMA | {"domain": pl.String})]
    for domain, path in paths.items():
        wanted = events.filter(pl.col("domain") == domain)["item_id"].unique()
        frame, tally = read_metadata(path, wanted)
        _account(domain, "metadata", tally, max_malformed, funnel)
        titled = frame.filter(pl.col("title") != "").height
        log.info("%s: %d of %d items have metadata, %d a title", domain, frame.height, len(wanted), titled)
        funnel.note(domain, "items without a metadata line", len(wanted) - frame.height)
        funnel.note(domain, "items without a title", len(wanted) - titled)
        frames.append(frame.with_columns(domain=pl.lit(domain)))
    return pl.concat(frames)


def _account(domain: str, what: str, tally: Tally, max_malformed: float, funnel: Funnel) -> None:
    log.info("%s: %s lines read of %s", domain, f"{tally.lines:,}", tally.path)
    funnel.note(domain, f"{what} lines", tally.lines)
    for kind, count in sorted(tally.malformed.items()):
        log.warning("%s: %s lines malformed (%s); the first: %s", tally.path, f"{count:,}", kind, tally.firsts[kind])
        funnel.note(domain, f"{what} lines malformed: {kind}", count)
    tally.check(max_malformed)


def arguments(argv: Sequence[str] | None) -> argparse.Namespace:
    """The stage's command line."""
    cli = parser(__doc__)
    cli.add_argument("--domains", nargs=2, required=True, help="the two domains' names")
    cli.add_argument("--reviews", nargs=2, type=Path, required=True, help="their review files, in the same order")
    cli.add_argument("--metadata", nargs=2, type=Path, required=True, help="their metadata files")
    cli.add_argument("--release", required=True, help="name of the release that the files come from")
    cli.add_argument("--scenario", required=True, help="name of the scenario")
    cli.add_argument("--min-item-interactions", type=int, default=10)
    cli.add_argument("--min-user-interactions", type=int, default=3)
    cli.add_argument("--filter", choices=["once", "iterated"], default="once")
    cli.add_argument("--max-malformed-share", type=float, default=0.01, help="stop above this share of bad lines")
    cli.add_argument("--output", type=Path, required=True, help="folder for the five tables")
    args = cli.parse_args(argv)
    if args.min_user_interactions < 3:
        raise UserError("min_user_interactions must be at least 3: one event to train on, one to validate, one to test")
    return args


def main(argv: Sequence[str] | None = None) -> None:
    """Run the stage."""
    args = arguments(argv)
    funnel = Funnel(sorted(args.domains))
    reviews = dict(zip(args.domains, args.reviews, strict=True))
    events = funnel.add("usable lines", load_reviews(reviews, args.max_malformed_share, funnel))
    iterated = args.filter == "iterated"
    events = filter_interactions(events, args.min_item_interactions, args.min_user_interactions, iterated, funnel)
    metadata = dict(zip(args.domains, args.metadata, strict=True))
    metadata = load_metadata(metadata, events, args.max_malformed_share, funnel)
    interactions, users, items = number(events, metadata)
    meta = {"release": args.release, "scenario": args.scenario, "domains": " ".join(sorted(args.domains))}
    for name, frame in (("interactions", interactions), ("users", users), ("items", items)):
        tables.write(frame.to_arrow(), args.output / f"{name}.parquet", name, meta)
    numbers = statistics(interactions)
    for name, frame in (("preprocess", funnel.frame()), ("statistics", numbers)):
        frame.with_columns(release=pl.lit(args.release)).write_csv(args.output / f"{name}.tsv", separator="\t")
    log.info("%s", numbers)


if __name__ == "__main__":
    run(main)

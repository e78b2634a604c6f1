"""Preprocess: turn the events and items of two domains into the tables of one scenario.

Reads   reviews_<Category>.json.gz and meta_<Category>.json.gz of both domains, or with --tables tables of your own:
        CSV, TSV or Parquet files of interactions and items (semacdr.data.own_tables).
Writes  interactions.parquet, users.parquet, items.parquet, attributes.parquet (contracts in semacdr.storage.tables);
        statistics.tsv, the columns of the paper's table 4; preprocess.tsv, the numbers of lines, events, users and
        items after each step, and for tables of your own what was found in them.

Every review is a positive interaction (paper, appendix B). If a user reviewed an item several times, the earliest event
is kept, or what `duplicates` says. Items need `min_item_interactions` events; users need `min_user_interactions` events
in each domain, so they are in both domains. With `users: any` they need them in one domain only. With `filter: once`
these filters are applied once, in this order; with `filter: iterated` they are repeated until nothing changes, so that
the result satisfies all of them.

With `users: disjoint`, each user is in one domain and nothing links the domains. `shared_ids` says what becomes of ids
of both domains (semacdr.data.disjoint), before all filters. Users are then numbered by domain, and a user's
domain is that of his rows in interactions.parquet. The metadata of the tables state `users: disjoint`, `shared_ids`
and, for a draw, its seed and rule (draw_seed, draw_rule).

This stage decides the order of each user's events: by timestamp, and within one timestamp by the column `position`, if
a table has one beside its times, then by a hash (semacdr.data.tie_order). interactions.parquet is stored in this order,
and every later stage keeps it. If positions take the place of times, the metadata state `order: position`.
"""

import argparse
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

from semacdr.data import disjoint
from semacdr.data.amazon_source import AmazonFiles
from semacdr.data.filters import filter_interactions
from semacdr.data.funnel import Funnel
from semacdr.data.loading import load_events, load_items
from semacdr.data.numbering import StatisticsRow, attributes_of, number, statistics
from semacdr.data.own_tables import own_tables
from semacdr.data.reading import Source
from semacdr.data.table_source import TableSource
from semacdr.errors import UserError
from semacdr.runtime.cli import log, parser, run
from semacdr.runtime.settings import Bounds, Count, Natural, Share, add_flags, from_flags, setting
from semacdr.storage import tables, tsv


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
    duplicates: Literal["earliest", "latest", "all"] = setting(
        "earliest", "which of a user's interactions with one item are kept; all: repeats count, also as test events"
    )
    users: Literal["shared", "any", "disjoint"] = setting(
        "shared",
        "users with enough interactions in both domains, or in any of them; users of one domain serve training, and a"
        " user is ranked only in a domain where he has 3; disjoint: nobody is in both domains, nothing links them",
    )
    shared_ids: Literal["refuse", "draw", "different"] = setting(
        "refuse",
        "users disjoint: what an id is that both domains have; an error, one person (a draw keeps the account in"
        " one domain), or two people (each id gets its domain as prefix, such as game:12)",
    )
    draw_seed: Natural = setting(0, "shared_ids draw: seed of the draw of each person's domain")
    max_malformed_share: Share = setting(
        0.01, "share of a file's lines that may be malformed; above it the stage stops"
    )
    tie_seed: Natural = setting(0, "seed of the order of a user's events that have the same timestamp")


def arguments(argv: Sequence[str] | None) -> argparse.Namespace:
    """The stage's command line."""
    cli = parser(__doc__)
    cli.add_argument("--domains", nargs=2, required=True, help="the two domains' names")
    cli.add_argument("--reviews", nargs=2, type=Path, help="their review files, in the same order")
    cli.add_argument("--metadata", nargs=2, type=Path, help="their metadata files")
    cli.add_argument(
        "--tables", type=json.loads, metavar="JSON", help="in place of these: by domain the settings of its tables"
    )
    cli.add_argument("--release", required=True, help="name of the release that the files come from")
    cli.add_argument("--scenario", required=True, help="name of the scenario")
    cli.add_argument("--output", type=Path, required=True, help="folder for the tables")
    add_flags(cli, Settings)
    return cli.parse_args(argv)


def source_of(args: argparse.Namespace) -> Source:
    """The source of a command line; a UserError if it names none or only half of one."""
    if args.tables is not None:
        found = own_tables(args.tables)
        if set(found) != set(args.domains):
            raise UserError(f"--tables describes {', '.join(found)}; the domains are {', '.join(args.domains)}")
        return TableSource({domain: found[domain] for domain in args.domains})
    if args.reviews is None or args.metadata is None:
        raise UserError("give --reviews and --metadata, or --tables")
    reviews, metadata = (dict(zip(args.domains, paths, strict=True)) for paths in (args.reviews, args.metadata))
    return AmazonFiles(reviews, metadata)


def main(argv: Sequence[str] | None = None) -> None:
    """Run the stage."""
    args = arguments(argv)
    settings = from_flags(args, Settings, "preprocess")
    funnel, source, apart = Funnel(sorted(args.domains)), source_of(args), settings.users == "disjoint"
    events, by_position = load_events(source, settings.max_malformed_share, funnel, apart)
    events = funnel.add_events("usable lines" if args.tables is None else "usable rows", events)
    events = filter_interactions(events, settings, funnel)
    metadata = load_items(source, events, settings.max_malformed_share, funnel)
    interactions, users, items = number(events, metadata, settings.tie_seed, apart)
    meta = {"release": args.release, "scenario": args.scenario, "domains": " ".join(sorted(args.domains))}
    meta |= disjoint.described(settings) | ({"order": "position"} if any(by_position.values()) else {})
    written = tables.write(interactions.to_arrow(), args.output / "interactions.parquet", "interactions", meta)
    meta |= tables.made_from(interactions=written)
    for name, frame in (("users", users), ("items", items), ("attributes", attributes_of(items))):
        tables.write(frame.to_arrow(), args.output / f"{name}.parquet", name, meta)
    counts = statistics(interactions, args.release)
    tsv.write(args.output / "preprocess.tsv", tsv.text(funnel.rows(args.release)))
    tsv.write(args.output / "statistics.tsv", tsv.text(counts, number="", optional=("users",)))
    log_statistics(counts, apart)


def log_statistics(counts: Sequence[StatisticsRow], apart: bool) -> None:
    """Log the statistics, with a warning if no user is in both domains, unless users are to be `apart`."""
    for row in counts:
        of_both = "" if row.users is None or apart else f" ({row.overlapped_users:,} of them in both domains)"
        log.info(
            "%s: %s users%s, %s items, %s interactions, %s per user on average",
            row.domain, f"{row.users or row.overlapped_users:,}", of_both, f"{row.items:,}", f"{row.interactions:,}",
            row.avg_len,
        )  # fmt: skip
    if not counts[0].overlapped_users and not apart:
        log.warning("no user is in both domains: only the contents of items connect them")


if __name__ == "__main__":
    run(main)

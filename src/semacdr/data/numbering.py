"""Interactions, users and items with numbers in place of ids, and their statistics."""

from dataclasses import dataclass

import polars as pl

from semacdr.data.metadata import ATTRIBUTES
from semacdr.data.tie_order import tie_order


@dataclass(frozen=True)
class StatisticsRow:
    """A row of statistics.tsv: the columns of the paper's table 4, and all users of a domain if not all are shared."""

    domain: str
    overlapped_users: int
    users: int | None  # of the domain, also those without events in the other one; None if all users are shared
    items: int
    interactions: int
    avg_len: float  # interactions per user of the domain, rounded to two decimals
    release: str


def number(
    events: pl.DataFrame, metadata: pl.DataFrame, tie_seed: int, disjoint: bool = False
) -> tuple[pl.DataFrame, pl.DataFrame, pl.DataFrame]:
    """Interactions, users and items, numbered from 0: users by user_id, items by domain and item_id.

    Users who are `disjoint` are numbered by domain, then by user_id. So among the users of a domain their order says
    nothing about the other domain, and each domain's users have a contiguous range.

    Interactions are in each user's order: by timestamp, then by position, if there is one, then by `tie_order`. Items
    get their metadata, empty where there is none.
    """
    by = ["domain", "user_id"] if disjoint else ["user_id"]
    users = events.select(by).unique().sort(by).select("user_id").with_row_index("user")
    items = events.select("domain", "item_id").unique().sort("domain", "item_id").with_row_index("item")
    positions = ["position"] if "position" in events.columns else []
    interactions = (
        events.with_columns(tie_order(events, tie_seed))
        .join(users, on="user_id")
        .join(items, on=["domain", "item_id"])
        .sort("user", "timestamp", *positions, "tie_order", "domain")
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
    domains = interactions["domain"].n_unique()
    counts = (
        interactions.with_columns(shared=pl.col("domain").n_unique().over("user") == domains)
        .group_by("domain")
        .agg(
            overlapped_users=pl.col("user").filter("shared").n_unique(),
            users=pl.col("user").n_unique(),
            items=pl.col("item").n_unique(),
            interactions=pl.len(),
        )
        .with_columns(avg_len=(pl.col("interactions") / pl.col("users")).round(2))
        .sort("domain")
    )
    if (counts["users"] == counts["overlapped_users"]).all():
        counts = counts.with_columns(users=None)
    return [StatisticsRow(**row, release=release) for row in counts.to_dicts()]

"""Split: the leave-one-out split of one direction, and the stored candidates that every model ranks.

Reads   interactions.parquet and items.parquet of the scenario.
Writes  split.parquet: each user's events in the target domain; the last has role test, the one before it valid, the
        others train. candidates.parquet: for each user and split (valid, test), the positive and the negatives.

A user's events keep their order in interactions.parquet. Negatives are distinct and drawn uniformly from the target
catalogue without the items that the user has in the target domain. A user's draw depends only on the seed and the user.

With `cold_users`, a share of the users is cold: all their target events except the test event get the role hidden.
Later stages use hidden events only to exclude their items from the candidates. Cold users have no validation event.
Who is cold depends only on the seed and the user, so both directions have the same cold users, and a larger share
contains the users of a smaller one.
"""

import argparse
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl

from semacdr.errors import UserError
from semacdr.runtime.cli import log, parser, run
from semacdr.runtime.progress import progress
from semacdr.runtime.settings import Count, Natural, ProperShare, add_flags, from_flags, setting
from semacdr.storage import tables

SPLITS = ("valid", "test")


@dataclass(frozen=True)
class Settings:
    """How users are split and candidates are drawn."""

    candidates: Count = setting(100, "stored candidates next to each positive, for each user and split")
    cold_users: ProperShare = setting(0.0, "share of cold users, whose target events except the test event are hidden")
    seed: Natural = setting(0, "seed of the candidates and of the choice of cold users")


def leave_one_out(interactions: pl.DataFrame, target: str) -> pl.DataFrame:
    """The target domain's events (user, item, role) in their order in interactions; users need at least 3 of them."""
    from_last = pl.int_range(pl.len(), 0, -1).over("user")
    role = pl.when(from_last == 1).then(pl.lit("test")).when(from_last == 2).then(pl.lit("valid"))
    events = interactions.filter(pl.col("domain") == target)
    return events.select("user", "item", role=role.otherwise(pl.lit("train")))


def hide(split: pl.DataFrame, share: float, seed: int) -> pl.DataFrame:
    """The split with role `hidden` for all events but the test event of cold users; each user is drawn independently.

    A UserError if every user is cold, as none is left for training and validation.
    """
    if not share:
        return split
    users = split["user"].unique().sort()
    cold = users.filter([np.random.default_rng([seed, user, len(SPLITS)]).random() < share for user in users])
    if len(cold) == len(users):
        raise UserError(
            f"all {len(users)} users are cold, so none is left to train on; lower split.cold_users ({share})"
        )
    hidden = pl.col("user").is_in(cold.implode()) & (pl.col("role") != "test")
    return split.with_columns(role=pl.when(hidden).then(pl.lit("hidden")).otherwise("role"))


def draw_candidates(split: pl.DataFrame, catalogue: np.ndarray, count: int, seed: int) -> pl.DataFrame:
    """The candidates table (user, split, positive, negatives), sorted by user, with `count` negatives in each row.

    Negatives are distinct and none is an item of the user, hidden ones included. A cold user has no row of valid. A
    UserError names the user for whom the catalogue is too small.
    """
    histories = split.group_by("user", maintain_order=True).agg("item", "role")
    rows = []
    for user, items, roles in progress(histories.rows(), "users with candidates"):
        if len(catalogue) - len(items) < count:
            raise UserError(_too_small(user, len(catalogue), len(items), count))
        for part, name in enumerate(SPLITS):
            if roles[part - 2] == "hidden":
                continue
            rng = np.random.default_rng([seed, user, part])
            drawn = rng.choice(catalogue, size=min(len(catalogue), count + len(items)), replace=False)
            drawn = drawn[~np.isin(drawn, items)][:count]
            rows.append((user, name, items[part - 2], drawn.tolist()))
    return pl.DataFrame(rows, schema=["user", "split", "positive", "negatives"], orient="row")


def _too_small(user: int, catalogue: int, items: int, count: int) -> str:
    """The error for a user who cannot get `count` candidates: the reason and what to change."""
    left = catalogue - items
    message = f"user {user} has {items} of the {catalogue} items of the target catalogue"
    if not left:
        return (
            f"{message}, so no item is left as a candidate, whatever split.candidates is; the catalogue is too small: "
            "use more data, or a filter (preprocess.min_item_interactions) that keeps more items"
        )
    return f"{message}; the other {left} are fewer than the {count} candidates of split.candidates; lower it to {left}"


def arguments(argv: Sequence[str] | None) -> argparse.Namespace:
    """The stage's command line."""
    cli = parser(__doc__)
    cli.add_argument("--interactions", type=Path, required=True)
    cli.add_argument("--items", type=Path, required=True)
    cli.add_argument("--source", required=True, help="name of the source domain")
    cli.add_argument("--target", required=True, help="name of the target domain")
    cli.add_argument("--output", type=Path, required=True, help="folder for the two tables")
    add_flags(cli, Settings)
    return cli.parse_args(argv)


def main(argv: Sequence[str] | None = None) -> None:
    """Run the stage."""
    args = arguments(argv)
    settings = from_flags(args, Settings, "split")
    interactions, meta = tables.read(args.interactions, "interactions")
    items_table, items_meta = tables.read(args.items, "items")
    tables.check_made_from(args.items, items_meta, "preprocess", interactions=meta)
    items = pl.DataFrame(items_table)
    for domain in (args.source, args.target):
        if domain not in set(items["domain"]):
            raise UserError(f"{args.items}: no item of domain '{domain}'; it holds {sorted(set(items['domain']))}")
    split = leave_one_out(pl.DataFrame(interactions), args.target)
    split = hide(split, settings.cold_users, settings.seed)
    catalogue = items.filter(pl.col("domain") == args.target)["item"].to_numpy()
    candidates = draw_candidates(split, catalogue, settings.candidates, settings.seed)
    made_from = tables.made_from(interactions=meta, items=items_meta)
    meta |= {"source": args.source, "target": args.target}
    meta |= {"cold_users": str(settings.cold_users)} if settings.cold_users else {}
    written = tables.write(split.to_arrow(), args.output / "split.parquet", "split", meta | made_from)
    meta |= {"candidate_seed": str(settings.seed), "negatives": str(settings.candidates)}
    meta |= tables.made_from(split=written)
    tables.write(candidates.to_arrow(), args.output / "candidates.parquet", "candidates", meta)
    log_counts(args.source, args.target, split, len(catalogue))


def log_counts(source: str, target: str, split: pl.DataFrame, items: int) -> None:
    """Log how many users, items and events the split has."""
    train, hidden = (split.filter(pl.col("role") == role) for role in ("train", "hidden"))
    single = (train.group_by("user").len()["len"] == 1).sum()
    log.info(
        "%s to %s: %s users, %s target items, %s training events; %s users have one training event, so no pair",
        source, target, f"{split['user'].n_unique():,}", f"{items:,}", f"{len(train):,}", f"{single:,}",
    )  # fmt: skip
    if len(hidden):
        log.info("%s cold users, %s hidden events", f"{hidden['user'].n_unique():,}", f"{len(hidden):,}")


if __name__ == "__main__":
    run(main)

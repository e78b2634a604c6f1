"""Split: the leave-one-out split of one direction, and the candidates that every model will rank.

Reads   interactions.parquet and items.parquet of the scenario.
Writes  split.parquet: each user's events in the target domain, the last as test, the one before as valid, the rest
        train; candidates.parquet: for each user and each of valid and test, the positive and the negatives, drawn once.

The order of a user's events is (timestamp, item). Negatives are distinct and drawn uniformly from the target catalogue
minus everything that the user ever did in the target domain; a user's draw depends on the seed and the user alone.

Of a share of the users, --cold-users, all target events but the test event are hidden from the direction: no later
stage sees them but as items that are no candidates. These cold users have no validation event. Who is cold depends on
the seed and the user alone, so in both directions the same users are, and a larger share adds to a smaller one.
"""

import argparse
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import polars as pl

from semacdr.errors import UserError
from semacdr.runtime.cli import log, parser, run
from semacdr.runtime.progress import progress
from semacdr.storage import tables

SPLITS = ("valid", "test")


def leave_one_out(interactions: pl.DataFrame, target: str) -> pl.DataFrame:
    """The target domain's events as user, item, role in each user's order; users have at least 3 events there."""
    from_last = pl.int_range(pl.len(), 0, -1).over("user")
    role = pl.when(from_last == 1).then(pl.lit("test")).when(from_last == 2).then(pl.lit("valid"))
    events = interactions.filter(pl.col("domain") == target).sort("user", "timestamp", "item")
    return events.select("user", "item", role=role.otherwise(pl.lit("train")))


def hide(split: pl.DataFrame, share: float, seed: int) -> pl.DataFrame:
    """The split with role `hidden` for all but the test event of a share of the users, drawn one by one.

    A UserError where no other user is left to train and to validate on.
    """
    if not share:
        return split
    users = split["user"].unique().sort()
    cold = users.filter([np.random.default_rng([seed, user, len(SPLITS)]).random() < share for user in users])
    if len(cold) == len(users):
        raise UserError(f"all {len(users)} users are cold: none is left to train on; lower split.cold_users ({share})")
    hidden = pl.col("user").is_in(cold.implode()) & (pl.col("role") != "test")
    return split.with_columns(role=pl.when(hidden).then(pl.lit("hidden")).otherwise("role"))


def draw_candidates(split: pl.DataFrame, catalogue: np.ndarray, negatives: int, seed: int) -> pl.DataFrame:
    """The candidates table: user, split, positive, negatives (distinct, none of the user's items), sorted by user.

    A cold user has none for validation, and no negative that is hidden.
    """
    histories = split.group_by("user", maintain_order=True).agg("item", "role")
    rows = []
    for user, items, roles in progress(histories.rows(), "users with candidates"):
        if len(catalogue) - len(items) < negatives:
            raise UserError(
                f"user {user}: {len(catalogue)} items in the target catalogue less {len(items)} of the user's own "
                f"leave fewer than {negatives} negatives; lower split.negatives"
            )
        for part, name in enumerate(SPLITS):
            if roles[part - 2] == "hidden":
                continue
            rng = np.random.default_rng([seed, user, part])
            drawn = rng.choice(catalogue, size=min(len(catalogue), negatives + len(items)), replace=False)
            drawn = drawn[~np.isin(drawn, items)][:negatives]
            rows.append((user, name, items[part - 2], drawn.tolist()))
    return pl.DataFrame(rows, schema=["user", "split", "positive", "negatives"], orient="row")


def arguments(argv: Sequence[str] | None) -> argparse.Namespace:
    """The stage's command line."""
    cli = parser(__doc__)
    cli.add_argument("--interactions", type=Path, required=True)
    cli.add_argument("--items", type=Path, required=True)
    cli.add_argument("--source", required=True, help="name of the source domain")
    cli.add_argument("--target", required=True, help="name of the target domain")
    cli.add_argument("--negatives", type=int, default=100, help="candidates beside the positive")
    cli.add_argument("--seed", type=int, default=0, help="of the candidates and the cold users")
    cli.add_argument("--cold-users", type=_share, default=0.0, metavar="SHARE", help="0, or a share below 1; default 0")
    cli.add_argument("--output", type=Path, required=True, help="folder for the two tables")
    return cli.parse_args(argv)


def _share(text: str) -> float:
    share = float(text)
    if not 0 <= share < 1:
        raise argparse.ArgumentTypeError(f"a share of users that leaves some is at least 0 and below 1, not {text}")
    return share


def main(argv: Sequence[str] | None = None) -> None:
    """Run the stage."""
    args = arguments(argv)
    interactions, meta = tables.read(args.interactions, "interactions")
    items = pl.from_arrow(tables.read(args.items, "items")[0])
    for domain in (args.source, args.target):
        if domain not in set(items["domain"]):
            raise UserError(f"{args.items}: no item of domain '{domain}'; it holds {sorted(set(items['domain']))}")
    split = hide(leave_one_out(pl.from_arrow(interactions), args.target), args.cold_users, args.seed)
    catalogue = items.filter(pl.col("domain") == args.target)["item"].to_numpy()
    candidates = draw_candidates(split, catalogue, args.negatives, args.seed)
    meta |= {"source": args.source, "target": args.target}
    meta |= {"cold_users": str(args.cold_users)} if args.cold_users else {}
    tables.write(split.to_arrow(), args.output / "split.parquet", "split", meta)
    drawn = meta | {"candidate_seed": str(args.seed), "negatives": str(args.negatives)}
    tables.write(candidates.to_arrow(), args.output / "candidates.parquet", "candidates", drawn)
    untrained = (split.filter(pl.col("role") == "train").group_by("user").len()["len"] == 1).sum()
    log.info(
        "%s to %s: %s users, %s target items, %s training events; %s users have one training event and so no pair",
        args.source, args.target, f"{split['user'].n_unique():,}", f"{len(catalogue):,}",
        f"{(split['role'] == 'train').sum():,}", f"{untrained:,}",
    )  # fmt: skip
    if args.cold_users:
        hidden = split.filter(pl.col("role") == "hidden")
        log.info("%s cold users, %s hidden events", f"{hidden['user'].n_unique():,}", f"{len(hidden):,}")


if __name__ == "__main__":
    run(main)

"""Split: which target events of a direction are held out, and the stored candidates that every model ranks.

Reads   interactions.parquet and items.parquet of the scenario.
Writes  split.parquet: each user's events in the target domain with their roles. candidates.parquet: for each user and
        split (valid, test), the positive and the negatives.

With `by: leave_one_out`, a user's last event has role test, the one before it valid, the others train. All events of a
user with fewer than 3 are train, so this user is not ranked (preprocess, `users: any`). With `by: time`,
events before a date are for training. A user's first event in the validation period has role valid, the first in the
test period has role test. Others of these periods have role later: only predictions of later events see them. Users
without an event in a period are not ranked there.

A user's events keep their order in interactions.parquet. Negatives are distinct and drawn uniformly from the target
catalogue without the items that the user has in the target domain. A user's draw depends only on the seed and the user.
The metadata of split.parquet state the shares of tied events (tied_valid, tied_test; semacdr.data.ties) and, for a time
split, its dates (valid_from, test_from) and the shares of held-out events whose items have no training event
(new_valid, new_test). Where users repeat items (preprocess, `duplicates: all`), they state the shares of held-out
events whose item the user had before (repeated_valid, repeated_test).

With `cold_users`, a share of the users is cold: all their target events except the test event get the role hidden.
Later stages use hidden events only to exclude their items from the candidates. Cold users have no validation event.
Who is cold depends only on the seed and the user, so both directions have the same cold users, and a larger share
contains the users of a smaller one.

With `training_share`, only a share of the training events is kept; the others get the role thinned. Later stages use
them as hidden ones, so held-out events and candidates are the same for every share. Which events are kept depends only
on the seed, the user and the item; a larger share contains the events of a smaller one, and every user keeps at least
one training event. The metadata state the share and, as short histories lose less, what was kept (training_share,
training_kept).
"""

import argparse
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import polars as pl

from semacdr.data.roles import Dates, by_time, choose_dates, leave_one_out, thin
from semacdr.data.ties import tied_shares
from semacdr.errors import UserError
from semacdr.runtime.cli import log, parser, run
from semacdr.runtime.progress import progress
from semacdr.runtime.settings import (
    Count,
    InnerShare,
    Natural,
    PositiveShare,
    ProperShare,
    add_flags,
    from_flags,
    setting,
)
from semacdr.stages._split import add_direction, read_direction
from semacdr.storage import tables

SPLITS = ("valid", "test")


@dataclass(frozen=True)
class Settings:
    """How events are held out and candidates are drawn."""

    by: Literal["leave_one_out", "time"] = setting(
        "leave_one_out", "hold out each user's last two target events, or all events since two dates"
    )
    valid_share: InnerShare = setting(0.1, "by time: share of target events in the validation period, before the test")
    test_share: InnerShare = setting(0.1, "by time: share of target events in the test period, the last one")
    valid_from: str | None = setting(None, "by time: first day of validation, as '2013-07-01'; null: by valid_share")
    test_from: str | None = setting(None, "by time: first day of the test, as '2013-10-01'; null: by test_share")
    candidates: Count = setting(100, "stored candidates next to each positive, for each user and split")
    cold_users: ProperShare = setting(0.0, "share of cold users, whose target events except the test event are hidden")
    training_share: PositiveShare = setting(
        1.0, "share of the target's training events that is kept; a user keeps at least one, held-out events all stay"
    )
    seed: Natural = setting(0, "seed of the candidates, of the choice of cold users and of the kept training events")


def hide(split: pl.DataFrame, share: float, seed: int) -> pl.DataFrame:
    """The split with role `hidden` for all events but the test event of cold users; each user is drawn independently.

    A UserError if every user is cold, as none is left for training and validation.
    """
    if not share:
        return split
    users = split.filter(pl.col("role") == "test")["user"].unique().sort()
    cold = users.filter([np.random.default_rng([seed, user, len(SPLITS)]).random() < share for user in users])
    if len(cold) == len(users):
        raise UserError(
            f"all {len(users)} users are cold, so none is left to train on; lower split.cold_users ({share})"
        )
    hidden = pl.col("user").is_in(cold.implode()) & (pl.col("role") != "test")
    return split.with_columns(role=pl.when(hidden).then(pl.lit("hidden")).otherwise("role"))


def draw_candidates(split: pl.DataFrame, catalogue: np.ndarray, count: int, seed: int) -> pl.DataFrame:
    """The candidates table (user, split, positive, negatives), sorted by user, with `count` negatives in each row.

    Negatives are distinct and none is an item of the user, hidden and later ones included. A user has a row for each of
    the roles valid and test. A UserError names the user for whom the catalogue is too small.
    """
    histories = split.group_by("user", maintain_order=True).agg("item", "role")
    rows = []
    for user, items, roles in progress(histories.rows(), "users with candidates"):
        own = set(items)
        for part, name in enumerate(SPLITS):
            if name not in roles:
                continue
            if len(catalogue) - len(own) < count:
                raise UserError(_too_small(user, len(catalogue), len(own), count))
            rng = np.random.default_rng([seed, user, part])
            drawn = rng.choice(catalogue, size=min(len(catalogue), count + len(own)), replace=False)
            drawn = drawn[~np.isin(drawn, items)][:count]
            rows.append((user, name, items[roles.index(name)], drawn.tolist()))
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
    add_direction(cli)
    cli.add_argument("--output", type=Path, required=True, help="folder for the two tables")
    add_flags(cli, Settings)
    return cli.parse_args(argv)


def main(argv: Sequence[str] | None = None) -> None:
    """Run the stage."""
    args = arguments(argv)
    settings = from_flags(args, Settings, "split")
    events, items, meta, made_from = read_direction(args)
    if settings.by == "time" and meta.get("order") == "position":
        raise UserError("split.by: time needs times, but the tables have positions in their place; use leave_one_out")
    split, described = roles_of(events, args.target, settings)
    catalogue = items.filter(pl.col("domain") == args.target)["item"].to_numpy()
    candidates = draw_candidates(split, catalogue, settings.candidates, settings.seed)
    meta |= described
    written = tables.write(split.to_arrow(), args.output / "split.parquet", "split", meta | made_from)
    meta |= {"candidate_seed": str(settings.seed), "negatives": str(settings.candidates)}
    meta |= tables.made_from(split=written)
    tables.write(candidates.to_arrow(), args.output / "candidates.parquet", "candidates", meta)
    log_counts(args.source, args.target, split, len(catalogue))


def roles_of(interactions: pl.DataFrame, target: str, settings: Settings) -> tuple[pl.DataFrame, dict[str, str]]:
    """The split (user, item, role) by the settings, and its metadata; a UserError if settings contradict each other."""
    given = settings.valid_from, settings.test_from
    if settings.by == "leave_one_out":
        for name in [name for name, day in zip(("valid_from", "test_from"), given, strict=True) if day is not None]:
            raise UserError(f"split.{name} is for a time split; set split.by to time, or {name} to null")
        split = hide(leave_one_out(interactions, target), settings.cold_users, settings.seed)
        meta = {"cold_users": str(settings.cold_users)} if settings.cold_users else {}
        split, kept = thinned(split, settings)
        meta |= kept
    else:
        if settings.cold_users:
            raise UserError(
                "split.cold_users hides events of users who are cold by chance; a time split has users without earlier "
                "events of its own: set split.cold_users to 0, or split.by to leave_one_out"
            )
        dates = choose_dates(interactions, target, (settings.valid_share, settings.test_share), given)
        split, kept = thinned(by_time(interactions, target, dates), settings)
        unknown = log_periods(split, dates)
        meta = {"split_by": "time"} | asdict(dates) | kept
        meta |= {f"new_{part}": f"{new:.6f}" for part, new in unknown.items()}
    user, timestamp = interactions.filter(pl.col("domain") == target).select("user", "timestamp")
    shares = tied_shares(user.to_numpy(), timestamp.to_numpy(), split["role"].to_numpy())
    log.info("tied events: %s", ", ".join(f"{share:.1%} of the {part} events" for part, share in shares.items()))
    meta |= {f"repeated_{part}": f"{share:.6f}" for part, share in log_repeats(split).items()}
    return split, meta | {f"tied_{part}": f"{share:.6f}" for part, share in shares.items()}


def thinned(split: pl.DataFrame, settings: Settings) -> tuple[pl.DataFrame, dict[str, str]]:
    """The split with the share of its training events that is to be kept, which is logged; and its metadata."""
    thin_split = thin(split, settings.training_share, settings.seed)
    if settings.training_share == 1:
        return thin_split, {}
    before, after = (frame.filter(pl.col("role") == "train").height for frame in (split, thin_split))
    log.info("%s of %s training events are kept (%.1f%%)", f"{after:,}", f"{before:,}", 100 * after / before)
    return thin_split, {"training_share": str(settings.training_share), "training_kept": f"{after / before:.6f}"}


def log_repeats(split: pl.DataFrame) -> dict[str, float]:
    """By split (valid, test) the share of its events whose item the user had before, which is logged.

    Empty where no user repeats an item. Full ranking leaves out a user's earlier items, but never the held-out one.
    Thinned events are no repeats and make none.
    """
    repeated = split.filter(pl.col("role") != "thinned").select(
        "role", again=pl.int_range(pl.len()).over("user", "item") > 0
    )
    if not repeated["again"].any():
        return {}
    held_out = repeated.filter(pl.col("role").is_in(SPLITS)).group_by("role").agg(pl.col("again").mean())
    shares = dict(sorted(held_out.rows(), reverse=True))  # valid before test
    log.info("repeats: in %s the user had the item before",
             ", ".join(f"{share:.1%} of the {part} events" for part, share in shares.items()))  # fmt: skip
    return shares


def log_periods(split: pl.DataFrame, dates: Dates) -> dict[str, float]:
    """Log the dates of a time split, whom it ranks, and which of its users and items training does not know.

    Returns the share of the events of each of SPLITS whose items have no training event.
    """
    train, shares = split.filter(pl.col("role") == "train"), {}
    log.info(
        "training before %s, validation before %s, test from then on; %s later events are neither",
        dates.valid_from, dates.test_from, f"{(split['role'] == 'later').sum():,}",
    )  # fmt: skip
    for part in SPLITS:
        held_out = split.filter(pl.col("role") == part)
        new_users, new_items = (len(held_out.join(train, on=column, how="anti")) for column in ("user", "item"))
        log.info(
            "%s: %s users; %s of them have no training event, and the items of %s have none",
            part, f"{len(held_out):,}", f"{new_users:,}", f"{new_items:,}",
        )  # fmt: skip
        shares[part] = new_items / len(held_out)
    new = split.join(train, on="item", how="anti")["item"].n_unique()
    log.info("%s items have no training event; they stay in the catalogue", f"{new:,}")
    return shares


def log_counts(source: str, target: str, split: pl.DataFrame, items: int) -> None:
    """Log how many users, items and events the split has."""
    train, hidden, test = (split.filter(pl.col("role") == role) for role in ("train", "hidden", "test"))
    single = (train.group_by("user").len()["len"] == 1).sum()
    log.info(
        "%s to %s: %s users, %s with a test event, %s target items, %s training events; "
        "%s users have one training event, so no pair",
        source, target, f"{split['user'].n_unique():,}", f"{len(test):,}", f"{items:,}", f"{len(train):,}",
        f"{single:,}",
    )  # fmt: skip
    if len(hidden):
        log.info("%s cold users, %s hidden events", f"{hidden['user'].n_unique():,}", f"{len(hidden):,}")


if __name__ == "__main__":
    run(main)

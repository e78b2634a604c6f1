"""Roles of target events: which are for training, which is the validation event and which the test event of a user.

`leave_one_out` holds out the last two target events of each user with at least LEAST. `by_time` splits at two dates,
the same for all users: training before `valid_from`, validation from then on, test from `test_from` on. Each of the two
periods holds out a user's first event in it: so a user counts once, soon after the data that the model knows. A user
may have only one of the two, or none.

`thin` leaves out training events, to see what a system makes of less data.
"""

import hashlib
from dataclasses import dataclass

import numpy as np
import polars as pl

from semacdr.data.dates import day_of, midnight
from semacdr.data.history import LEAST
from semacdr.errors import UserError


@dataclass(frozen=True)
class Dates:
    """The first days of validation and of test (UTC), as ISO dates."""

    valid_from: str
    test_from: str


def leave_one_out(interactions: pl.DataFrame, target: str) -> pl.DataFrame:
    """The target domain's events (user, item, role) in their order in interactions.

    All events of a user with fewer than LEAST are for training. A UserError if there is no other user.
    """
    from_last = pl.int_range(pl.len(), 0, -1).over("user")
    few = pl.when(pl.len().over("user") < LEAST).then(pl.lit("train"))
    role = few.when(from_last == 1).then(pl.lit("test")).when(from_last == 2).then(pl.lit("valid"))
    events = interactions.filter(pl.col("domain") == target)
    split = events.select("user", "item", role=role.otherwise(pl.lit("train")))
    if not (split["role"] == "test").any():
        raise UserError(
            f"no user has {LEAST} events in domain '{target}', one each for training, validation and test, so nobody "
            "can be ranked there; use more data, or lower preprocess.min_item_interactions"
        )
    return split


def all_training(interactions: pl.DataFrame, target: str) -> pl.DataFrame:
    """The target domain's events (user, item, role), all with role train."""
    return interactions.filter(pl.col("domain") == target).select("user", "item", role=pl.lit("train"))


def by_time(interactions: pl.DataFrame, target: str, dates: Dates) -> pl.DataFrame:
    """The target domain's events (user, item, role) in their order in interactions, split at two dates.

    Role later: an event since `valid_from` that is neither its user's validation nor test event. A UserError if no
    event has one of the roles train, valid and test.
    """
    time = pl.col("timestamp")
    held_out = pl.when(time < midnight(dates.test_from)).then(pl.lit("valid")).otherwise(pl.lit("test"))
    period = pl.when(time < midnight(dates.valid_from)).then(pl.lit("train")).otherwise(held_out)
    events = interactions.filter(pl.col("domain") == target).with_columns(period=period)
    first = pl.int_range(pl.len()).over("user", "period") == 0
    kept = first | (pl.col("period") == "train")
    split = events.select("user", "item", role=pl.when(kept).then("period").otherwise(pl.lit("later")))
    found = set(split["role"])
    for role, where in (
        ("train", f"before {dates.valid_from} (split.valid_from)"),
        ("valid", f"from {dates.valid_from} (split.valid_from) to the day before {dates.test_from} (split.test_from)"),
        ("test", f"since {dates.test_from} (split.test_from)"),
    ):
        if role not in found:
            raise UserError(f"no event of domain '{target}' is {where}; {_range_of(events)}; choose other dates")
    return split


def thin(split: pl.DataFrame, share: float, seed: int) -> pl.DataFrame:
    """The split with role `thinned` for training events that are left out, so that about a share of them is kept.

    An event is kept if a hash of (seed, user, item) is below the share, and each user's event with the lowest hash is
    kept in any case. So a larger share contains a smaller one, no event's fate depends on others' users or items, and
    every user with training events keeps one. A user's repeats of one item are kept or left out together.
    """
    if share == 1:
        return split
    start = hashlib.blake2b(f"thin\0{seed}\0".encode(), digest_size=8)

    def place(user: int, item: int) -> float:
        key = start.copy()
        key.update(f"{user}\0{item}".encode())
        return int.from_bytes(key.digest(), "big") / 2**64

    train = pl.col("role") == "train"
    places = [place(user, item) for user, item in split.select("user", "item").iter_rows()]
    lowest = pl.col("place") == pl.col("place").filter(train).min().over("user")
    left_out = train & (pl.col("place") >= share) & ~lowest
    marked = split.with_columns(place=pl.Series(places, dtype=pl.Float64))
    return marked.with_columns(role=pl.when(left_out).then(pl.lit("thinned")).otherwise("role")).drop("place")


def choose_dates(
    interactions: pl.DataFrame, target: str, shares: tuple[float, float], given: tuple[str | None, str | None]
) -> Dates:
    """The dates of a time split: those given, else by `shares` of the target domain's events (validation, test).

    A date from a share is the day that leaves at least this share of events on or after it; for validation, before the
    test's date. Only target events count, so no source event can move a date. A UserError if a text is not a date or
    the dates are not in order.
    """
    for name, text in zip(("valid_from", "test_from"), given, strict=True):
        _check_date(name, text)
    events = interactions.filter(pl.col("domain") == target)
    times = np.sort(events["timestamp"].to_numpy())
    test = given[1] or day_of(int(times[_place(len(times), shares[1], len(times))]))
    before = int(np.searchsorted(times, midnight(test)))
    valid = given[0] or day_of(int(times[_place(before, shares[0], len(times))]))
    if valid >= test:
        raise UserError(
            f"validation would begin on {valid} (split.valid_from), which is not before the test's begin on {test} "
            f"(split.test_from); {_range_of(events)}; choose other dates, or other split.valid_share and test_share"
        )
    return Dates(valid, test)


def _place(end: int, share: float, events: int) -> int:
    """The place, among `events` sorted ones, at which a share of them begins that ends before place `end`."""
    return max(0, end - max(1, round(share * events)))


def _check_date(name: str, text: str | None) -> None:
    try:
        wrong = text is not None and day_of(midnight(text)) != text
    except ValueError:
        wrong = True
    if wrong:
        raise UserError(f"split.{name}: must be a date such as 2013-07-01, not '{text}'")


def _range_of(events: pl.DataFrame) -> str:
    first, last = (day_of(int(events["timestamp"].sort()[place])) for place in (0, -1))
    return f"its events are from {first} to {last}"

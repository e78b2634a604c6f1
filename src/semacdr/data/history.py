"""The events of one direction in the order in which they become visible (imports only numpy and pyarrow).

A user's events of both domains are ordered by (timestamp, target before source), else as in interactions.parquet: stage
preprocess decides the order within a timestamp. To predict the target event at
index e, a model may see exactly the user's events before e: earlier target events, and source events with a strictly
earlier timestamp. A source event of the same day comes after the target event and is not visible.

Hidden events of cold users are left out, so nothing that is built from a history can use them. A cold user's only
target event is the test event, and only the source events before it are visible.

Thinned events (split, `training_share`) are left out in the same way. Their users have other training events.

Training uses a prefix of each user's events: those before the validation event (of cold users, before the test event),
or, with a time split, those before the date `valid_from`, of all users. All events of a user without a validation and a
test event are for training, as of a user of the source domain only. With a time split a user may have a validation
event, a test event, both or none; the events between training and the test event are part of its input.

A split may hold out nothing (`split_by: nothing`, stage final_split): then all events are for training, and no user has
a validation or a test event.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import reduce
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from semacdr.data.dates import midnight
from semacdr.errors import UserError
from semacdr.storage import tables

LEAST = 3  # target events of a user who is ranked by leave-one-out: one each for training, validation and test
NONE = -1  # in place of an event's index
LEFT_OUT = ("hidden", "thinned")  # roles of events that later stages use only to exclude their items from candidates


@dataclass(frozen=True)
class History:
    """The E events of a direction and its U users; items are numbered over both domains, sorted by domain."""

    item: np.ndarray  # (E,) i64
    is_target: np.ndarray  # (E,) bool
    start: np.ndarray  # (U + 1,) index of each user's first event; the last entry is E
    training_end: np.ndarray  # (U,) index behind each user's last training event
    valid: np.ndarray  # (U,) index of each user's validation event, or NONE
    test: np.ndarray  # (U,) index of each user's test event, or NONE
    hidden: np.ndarray  # (2, H) user and item of each target event that is left out: role hidden or thinned
    source_items: range
    target_items: range
    meta: dict[str, str]  # metadata of the split table: release, scenario, source, target, digest, ...

    @property
    def users(self) -> int:
        """The number of users."""
        return len(self.valid)

    def training(self) -> np.ndarray:
        """(E,) bool: the events that training uses; all others come after them in their user's order."""
        return np.arange(len(self.item)) < np.repeat(self.training_end, np.diff(self.start))

    def user(self) -> np.ndarray:
        """(E,) the user of each event."""
        return np.repeat(np.arange(self.users), np.diff(self.start))

    def keeping(self, kept: np.ndarray) -> "History":
        """The history with only the events of a mask (E,), which must keep validation and test events."""
        place = np.append(0, np.cumsum(kept))  # of each event among the kept ones
        valid, test = (np.where(index == NONE, NONE, place[index]) for index in (self.valid, self.test))
        return replace(
            self,
            item=self.item[kept],
            is_target=self.is_target[kept],
            start=place[self.start],
            training_end=place[self.training_end],
            valid=valid,
            test=test,
        )

    def ranked(self, split: str) -> tuple[np.ndarray, np.ndarray]:
        """The users who have an event of a split (valid or test), and the index of that event."""
        held_out = {"valid": self.valid, "test": self.test}[split]
        users = np.flatnonzero(held_out != NONE)
        return users, held_out[users]


def load_history(interactions: Path, items: Path, split: Path) -> History:
    """The history of the direction of `split`; a UserError if the three tables do not belong together."""
    roles, meta = tables.read(split, "split")
    catalogue, items_meta = tables.read(items, "items")
    events, events_meta = tables.read(interactions, "interactions")
    tables.check_made_from(split, meta, "split", interactions=events_meta, items=items_meta)
    if not {"source", "target"} <= meta.keys():
        raise UserError(f"{split}: its metadata names neither source nor target; run the split stage again")
    target = pc.equal(events["domain"], meta["target"]).to_numpy()
    user, item, time = (events[name].to_numpy() for name in ("user", "item", "timestamp"))
    order = np.lexsort((~target, time, user))  # stable
    user, item, target, time = user[order], item[order].astype(np.int64), target[order], time[order]
    for name, column in (("user", user), ("item", item)):
        if not np.array_equal(column[target], roles[name].to_numpy()):
            raise UserError(f"{split}: its events are not those of {interactions}; run the split stage again")
    role = np.full(len(target), "", object)
    role[target] = roles["role"].to_numpy(zero_copy_only=False)
    by = meta.get("split_by", "leave_one_out")
    if by == "time":
        _check_periods(split, user, role, time, meta)
    where = np.isin(role, LEFT_OUT)
    hidden, how = np.stack([user[where], item[where]]), role[where]
    user, item, target, role, time = (column[~where] for column in (user, item, target, role, time))
    start = np.searchsorted(user, np.arange(user[-1] + 2))
    valid, test = (_held_out(user, role, part, len(start) - 1) for part in ("valid", "test"))
    if by == "nothing":
        if set(roles["role"].unique().to_pylist()) != {"train"}:
            raise UserError(f"{split}: holds out events, but says that it does not; run final_split again")
        training_end = start[1:]
    elif by == "time":
        training_end = start[:-1] + np.bincount(user[time < midnight(meta["valid_from"])], minlength=len(start) - 1)
    else:
        _check_leave_one_out(split, user, role, hidden[0], how)
        training_end = np.where(valid == NONE, np.where(test == NONE, start[1:], test), valid)
    ranges = [_range_of(items, catalogue, meta[name]) for name in ("source", "target")]
    for known, found in zip(ranges, (item[~target], item[target]), strict=True):
        if len(found) and not (known.start <= found.min() and found.max() < known.stop):
            raise UserError(f"{items}: does not hold the items of {interactions}; run preprocess again")
    return History(
        item=item,
        is_target=target,
        start=start,
        training_end=training_end,
        valid=valid,
        test=test,
        hidden=hidden,
        source_items=ranges[0],
        target_items=ranges[1],
        meta=meta,
    )


def _held_out(user: np.ndarray, role: np.ndarray, split: str, users: int) -> np.ndarray:
    """(users,) the index of each user's event with the role of a split; NONE for a user without one."""
    found = np.full(users, NONE)
    events = np.flatnonzero(role == split)
    found[user[events]] = events
    return found


def _check_leave_one_out(path: Path, user: np.ndarray, role: np.ndarray, left_out: np.ndarray, how: np.ndarray) -> None:
    """A UserError unless each user with LEAST target events has a test event and a validation event, or hidden ones.

    Other users must have neither. A user with thinned events must have training events. `left_out` (H,): the user of
    each event that is left out; `how` (H,): its role.
    """
    cold, thinned = (left_out[how == name] for name in LEFT_OUT)
    test, valid = np.flatnonzero(role == "test"), np.flatnonzero(role == "valid")
    events = np.bincount(np.append(user[role != ""], left_out), minlength=user[-1] + 1)
    users = np.flatnonzero(events >= LEAST)
    if not (np.array_equal(user[test], users) and np.array_equal(user[valid], np.setdiff1d(users, cold))):
        raise UserError(f"{path}: some user has not exactly one validation and one test event; run split again")
    if np.isin(user[role == "train"], cold).any():
        raise UserError(f"{path}: some user has hidden and training events; run split again")
    _check_thinned(path, user[role == "train"], thinned)


def _check_thinned(path: Path, trained: np.ndarray, thinned: np.ndarray) -> None:
    """A UserError unless all users of thinned events are among those of training events."""
    if not np.isin(thinned, trained).all():
        raise UserError(f"{path}: some user has thinned events, but no training event; run split again")


def _check_periods(path: Path, user: np.ndarray, role: np.ndarray, time: np.ndarray, meta: Mapping[str, str]) -> None:
    """A UserError unless the roles of target events fit the dates, and no user has two events of a split."""
    dates = [midnight(meta[name]) for name in ("valid_from", "test_from")]
    period = np.array(["train", "valid", "test"])[np.searchsorted(dates, time, side="right")]
    thinned = (role == "thinned") & (period == "train")
    fits = (role == period) | ((role == "later") & (period != "train")) | thinned | (role == "")
    twice = [len(users) > len(np.unique(users)) for users in (user[role == split] for split in ("valid", "test"))]
    if not fits.all() or any(twice):
        dates_of = f"{meta['valid_from']} and {meta['test_from']}"
        raise UserError(f"{path}: its roles do not fit its dates {dates_of}; run split again")
    _check_thinned(path, user[role == "train"], user[thinned])


def shared_training(interactions: Path, items: Path, splits: Sequence[Path]) -> tuple[np.ndarray, np.ndarray]:
    """User and item, sorted, of the events that are training events in both directions of a scenario.

    Tables that both directions share may be made from them, as neither direction holds out or hides any of them. A user
    who is cold in both directions has none, as each direction hides what the other may use.
    """
    histories = [load_history(interactions, items, split) for split in splits]
    if len({history.meta["target"] for history in histories}) != 2:
        raise UserError(f"{', '.join(map(str, splits))}: these are not the splits of both directions")
    count = len(histories[0].source_items) + len(histories[0].target_items)
    keys = [(history.user() * count + history.item)[history.training()] for history in histories]
    return np.divmod(reduce(np.intersect1d, keys), count)


def _range_of(path: Path, catalogue: pa.Table, domain: str) -> range:
    """The numbers of a domain's items; a UserError if they have gaps."""
    items = catalogue.filter(pc.equal(catalogue["domain"], domain))["item"].to_numpy()
    if not len(items) or not np.array_equal(items, np.arange(items[0], items[0] + len(items))):
        raise UserError(f"{path}: the items of domain '{domain}' are not numbered without gaps; run preprocess again")
    return range(int(items[0]), int(items[-1]) + 1)

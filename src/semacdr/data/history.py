"""The events of one direction in the order in which they become visible (numpy and pyarrow alone).

A user's events of both domains stand in the order (timestamp, target before source, item). So what may be seen when
the target event at index e is predicted is exactly the user's events before e: earlier target events in the user's
order, and source events with a strictly earlier timestamp; a source event of the same day comes after it.

The hidden events of cold users are not among them, so that nothing that is made from a history knows of them. A cold
user's one target event is the test event: what may be seen of the user is the source events before it.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import reduce
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from semacdr.errors import UserError
from semacdr.storage import tables


@dataclass(frozen=True)
class History:
    """All events of a direction (E in all, of U users); items are numbered over the scenario, sorted by domain."""

    item: np.ndarray  # (E,) i64
    is_target: np.ndarray  # (E,) bool
    start: np.ndarray  # (U + 1,) where each user's events begin
    valid: np.ndarray  # (U,) index of each user's validation event; of a cold user, who has none, the test event's
    test: np.ndarray  # (U,) index of each user's test event
    hidden: np.ndarray  # (2, H) user and item of each hidden target event
    source_items: range
    target_items: range
    meta: dict[str, str]  # release, scenario, source, target

    @property
    def users(self) -> int:
        """The number of users."""
        return len(self.valid)

    def training(self) -> np.ndarray:
        """(E,) bool: the events strictly before their user's first held-out event, all that training may see."""
        return np.arange(len(self.item)) < np.repeat(self.valid, np.diff(self.start))

    def user(self) -> np.ndarray:
        """(E,) the user of each event."""
        return np.repeat(np.arange(self.users), np.diff(self.start))

    def ranked(self, split: str) -> tuple[np.ndarray, np.ndarray]:
        """The users who have an event of a split, valid or test, and the index of that event."""
        users = np.flatnonzero(self.valid < self.test) if split == "valid" else np.arange(self.users)
        return users, (self.valid if split == "valid" else self.test)[users]


def load_history(interactions: Path, items: Path, split: Path) -> History:
    """The history of the direction that `split` belongs to; a UserError where the three tables do not fit together."""
    roles, meta = tables.read(split, "split")
    catalogue, items_meta = tables.read(items, "items")
    events, events_meta = tables.read(interactions, "interactions")
    tables.check_made_from(split, meta, "split", interactions=events_meta, items=items_meta)
    if not {"source", "target"} <= meta.keys():
        raise UserError(f"{split}: says neither source nor target; run the split stage again")
    target = pc.equal(events["domain"], meta["target"]).to_numpy()
    user, item, time = (events[name].to_numpy() for name in ("user", "item", "timestamp"))
    order = np.lexsort((item, ~target, time, user))
    user, item, target = user[order], item[order].astype(np.int64), target[order]
    for name, column in (("user", user), ("item", item)):
        if not np.array_equal(column[target], roles[name].to_numpy()):
            raise UserError(f"{split}: its events are not those of {interactions}; run the split stage again")
    role = np.full(len(target), "", object)
    role[target] = roles["role"].to_numpy(zero_copy_only=False)
    where = role == "hidden"
    hidden = np.stack([user[where], item[where]])
    user, item, target, role = (column[~where] for column in (user, item, target, role))
    valid, test = _held_out(split, user, role, hidden[0])
    ranges = {name: _range_of(items, catalogue, meta[name]) for name in ("source", "target")}
    for name, known in ranges.items():
        there = item[target == (name == "target")]
        if len(there) and not (known.start <= there.min() and there.max() < known.stop):
            raise UserError(f"{items}: does not hold the items of {interactions}; run preprocess again")
    return History(
        item=item,
        is_target=target,
        start=np.searchsorted(user, np.arange(user[-1] + 2)),
        valid=valid,
        test=test,
        hidden=hidden,
        source_items=ranges["source"],
        target_items=ranges["target"],
        meta=meta,
    )


def _held_out(path: Path, user: np.ndarray, role: np.ndarray, cold: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(U,) each: the index of each user's validation event, or test event of who is cold, and of the test event."""
    test, valid, users = np.flatnonzero(role == "test"), np.flatnonzero(role == "valid"), np.arange(user[-1] + 1)
    warm = np.setdiff1d(users, cold)
    if not (np.array_equal(user[test], users) and np.array_equal(user[valid], warm)):
        raise UserError(f"{path}: some user has not exactly one validation and one test event; run split again")
    if np.isin(user[role == "train"], cold).any():
        raise UserError(f"{path}: some user has hidden and training events; run split again")
    first = test.copy()
    first[warm] = valid
    return first, test


def shared_training(interactions: Path, items: Path, splits: Sequence[Path]) -> tuple[np.ndarray, np.ndarray]:
    """User and item, sorted, of the events before their user's validation event in both of a scenario's directions.

    What both directions share may be made of them: no event is among them that either holds out or hides. Of a user who
    is cold in both there is none, as each direction hides what the other may see.
    """
    histories = [load_history(interactions, items, split) for split in splits]
    if len({history.meta["target"] for history in histories}) != 2:
        raise UserError(f"{', '.join(map(str, splits))}: not the splits of both directions")
    count = len(histories[0].source_items) + len(histories[0].target_items)
    keys = [(history.user() * count + history.item)[history.training()] for history in histories]
    return np.divmod(reduce(np.intersect1d, keys), count)


def _range_of(path: Path, catalogue: pa.Table, domain: str) -> range:
    items = catalogue.filter(pc.equal(catalogue["domain"], domain))["item"].to_numpy()
    if not len(items) or not np.array_equal(items, np.arange(items[0], items[0] + len(items))):
        raise UserError(f"{path}: the items of domain '{domain}' are not numbered without gaps; run preprocess again")
    return range(int(items[0]), int(items[-1]) + 1)

"""The events of one direction in the order in which they become visible (imports only numpy and pyarrow).

A user's events of both domains are ordered by (timestamp, target before source), else as in interactions.parquet: stage
preprocess decides the order within a timestamp. To predict the target event at
index e, a model may see exactly the user's events before e: earlier target events, and source events with a strictly
earlier timestamp. A source event of the same day comes after the target event and is not visible.

Hidden events of cold users are left out, so nothing that is built from a history can use them. A cold user's only
target event is the test event, and only the source events before it are visible.
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
    """The E events of a direction and its U users; items are numbered over both domains, sorted by domain."""

    item: np.ndarray  # (E,) i64
    is_target: np.ndarray  # (E,) bool
    start: np.ndarray  # (U + 1,) index of each user's first event; the last entry is E
    valid: np.ndarray  # (U,) index of each user's validation event; for cold users, who have none, of the test event
    test: np.ndarray  # (U,) index of each user's test event
    hidden: np.ndarray  # (2, H) user and item of each hidden target event
    source_items: range
    target_items: range
    meta: dict[str, str]  # metadata of the split table: release, scenario, source, target, digest, ...

    @property
    def users(self) -> int:
        """The number of users."""
        return len(self.valid)

    def training(self) -> np.ndarray:
        """(E,) bool: the events strictly before their user's first held-out event, which are all that training uses."""
        return np.arange(len(self.item)) < np.repeat(self.valid, np.diff(self.start))

    def user(self) -> np.ndarray:
        """(E,) the user of each event."""
        return np.repeat(np.arange(self.users), np.diff(self.start))

    def ranked(self, split: str) -> tuple[np.ndarray, np.ndarray]:
        """The users who have an event of a split (valid or test), and the index of that event."""
        users = np.flatnonzero(self.valid < self.test) if split == "valid" else np.arange(self.users)
        return users, (self.valid if split == "valid" else self.test)[users]


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
        found = item[target == (name == "target")]
        if len(found) and not (known.start <= found.min() and found.max() < known.stop):
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
    """(U,) each: the indices of the users' validation events (test events for cold users) and of their test events."""
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

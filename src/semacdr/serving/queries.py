"""Queries: what is known of the users for whom a model scores the target catalogue.

A query is a history whose last event, a placeholder, is still to come. So the windows of evaluation fit it: they end
just before that event. Its item is never read.
"""

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from semacdr.batching.windows import Ragged, flatten
from semacdr.data.history import NONE, History
from semacdr.errors import UserError

BEFORE_TEST, NOW = "before_test", "now"  # what a query ends before: the user's test event, or an event to come


@dataclass(frozen=True)
class Queries:
    """Q histories with a placeholder at the end of each."""

    history: History  # of Q users, whose test events are the placeholders
    users: np.ndarray  # (Q,) the users' numbers in training; 0 for users that the model never saw
    seen: Ragged  # by query, the user's target items, numbered within the target domain; with hidden ones


@dataclass(frozen=True)
class Asked:
    """For whom: known users by their numbers, or new histories as numbers of items; the other one is None."""

    names: list[str]  # for the results
    users: list[int] | None
    histories: list[list[int]] | None
    skipped: int = 0  # unknown items of the histories, which were left out

    def queries(self, history: History) -> Queries:
        """Their queries, in the same order."""
        if self.users is not None:
            return of_users(history, np.array(self.users, np.int64))
        assert self.histories is not None
        return of_items(history, self.histories)


def as_of(history: History) -> str:
    """What queries of known users end before: NOW for a history that holds out nothing, else BEFORE_TEST."""
    return NOW if (history.test == NONE).all() else BEFORE_TEST


def of_users(history: History, users: np.ndarray) -> Queries:
    """Queries of known users: all events before the test event or, if nothing is held out, all events.

    A UserError for a user without a test event where others have one.
    """
    users = np.asarray(users, np.int64)
    begin, end = history.start[users], history.start[users + 1]
    if as_of(history) == BEFORE_TEST:
        end = history.test[users]
        if len(missing := users[end == NONE]):
            raise UserError(
                f"user {missing[0]} has no test event, so no list before it; use a run of all events (final)"
            )
    events = flatten(begin, end)
    lengths, hidden = end - begin, history.hidden
    own = _of_events(history, history.item[events], history.is_target[events], lengths)
    return dataclasses.replace(own, users=users, seen=_with_hidden(own.seen, users, hidden, history.target_items.start))


def of_items(history: History, histories: Sequence[Sequence[int]]) -> Queries:
    """Queries of new users, each with items of either domain (numbers within the scenario) in order of time."""
    lengths = np.array([len(items) for items in histories], np.int64)
    items = np.array([item for items in histories for item in items], np.int64)
    target = history.target_items
    return _of_events(history, items, (items >= target.start) & (items < target.stop), lengths)


def _of_events(history: History, item: np.ndarray, is_target: np.ndarray, lengths: np.ndarray) -> Queries:
    """The queries of consecutive events, `lengths` of them for each."""
    ends = np.cumsum(lengths)
    start = np.append(0, ends + np.arange(1, len(ends) + 1))
    placeholder = start[1:] - 1
    queries = dataclasses.replace(
        history,
        item=np.insert(item, ends, history.target_items.start),
        is_target=np.insert(is_target, ends, True),
        start=start,
        training_end=placeholder,
        valid=np.full(len(ends), NONE),
        test=placeholder,
        hidden=np.zeros((2, 0), np.int64),
    )
    row = np.repeat(np.arange(len(ends)), lengths)[is_target]
    offsets = np.searchsorted(row, np.arange(len(ends) + 1))
    seen = Ragged(item[is_target] - history.target_items.start, offsets)
    return Queries(queries, np.zeros(len(ends), np.int64), seen)


def _with_hidden(seen: Ragged, users: np.ndarray, hidden: np.ndarray, first: int) -> Ragged:
    """The seen items with the hidden ones of the users, which full ranking leaves out too."""
    if not hidden.shape[1]:
        return seen
    order = np.argsort(hidden[0], kind="stable")
    begin, end = (np.searchsorted(hidden[0][order], users, side) for side in ("left", "right"))
    more = hidden[1][order][flatten(begin, end)] - first
    row = np.concatenate(
        [np.repeat(np.arange(len(users)), np.diff(seen.offsets)), np.repeat(np.arange(len(users)), end - begin)]
    )
    by_row = np.argsort(row, kind="stable")
    offsets = np.searchsorted(row[by_row], np.arange(len(users) + 1))
    return Ragged(np.concatenate([seen.values, more])[by_row], offsets)

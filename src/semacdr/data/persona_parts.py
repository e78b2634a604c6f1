"""The parts of users' training events that personas for training leave out (imports only numpy).

A persona of all training events contains the event that a training step predicts, and none that is ranked. So the
stages make further personas: for each of `parts` parts of a user's target events, one without it. A step reads the one
without its positive. Ranking reads the whole one.
"""

import numpy as np

from semacdr.data.history import History


def parts_of(history: History, parts: int) -> np.ndarray:
    """(E,) i64: the part, from 1, of each training event in the target domain; 0 for all other events, or no parts.

    A user's distinct items take turns in their order, so that parts are of equal size; a repeat is in the first one's.
    """
    found = np.zeros(len(history.item), np.int64)
    events = np.flatnonzero(history.training() & history.is_target)
    if not parts or not len(events):
        return found
    user = history.user()[events]
    count = len(history.source_items) + len(history.target_items)
    _, first, pair = np.unique(user * count + history.item[events], return_index=True, return_inverse=True)
    order = np.argsort(first)  # pairs by their first event, so by user
    owner = user[first[order]]
    turn = np.empty(len(order), np.int64)
    turn[order] = np.arange(len(order)) - np.searchsorted(owner, owner)
    found[events] = turn[pair] % parts + 1
    return found


def without_part(history: History, part: int, parts: int) -> History:
    """The history without a part of the training events in the target domain; part 0: all of them stay."""
    return history.keeping(parts_of(history, parts) != part) if part else history

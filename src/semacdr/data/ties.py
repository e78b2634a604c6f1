"""Tied events: events of a user in one domain with the same timestamp (imports only numpy).

Stage preprocess decides the order of tied events by a hash. So where a tied event is held out, the hash decided which
of the tied events it is.
"""

import numpy as np
import numpy.typing as npt


def tied(user: np.ndarray, timestamp: np.ndarray) -> npt.NDArray[np.bool_]:
    """(events,) whether an event has the timestamp of another event of its user.

    `user` and `timestamp` (events,) are of one domain and sorted, first by user.
    """
    as_next = (user[1:] == user[:-1]) & (timestamp[1:] == timestamp[:-1])
    return np.append(as_next, False)[: len(user)] | np.append(False, as_next)[: len(user)]


def tied_shares(user: np.ndarray, timestamp: np.ndarray, role: np.ndarray) -> dict[str, float]:
    """By split (valid, test) the share of its events that are tied; only splits that have events.

    The arrays (events,) are those of `tied`, and the role of each event.
    """
    shared = tied(user, timestamp)
    chosen = {split: role == split for split in ("valid", "test")}
    return {split: float(shared[where].mean()) for split, where in chosen.items() if where.any()}

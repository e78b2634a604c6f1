"""The windows of all users' sequences that a prediction may see: for training steps, for validation, for test.

A window ends just before its last positive p (an event index of `History`): the last training event, the validation
event or the test event. It contains the last `max_length` target events before p, source events before p and events
of both before p. Each target event in it is one step, whose positive is the next target event. If no target event
precedes p, a blank takes its place: a step that knows only source events, if any. With `first_steps` every window
begins with such a blank, whose positive is the window's first target event: for models that learn from single events.

That is visibility `causal`. With visibility `all`, as in much published code, the source window contains the user's
last source events of all time and every step sees all of them. It exists only to measure that leak. Visibility `none`
is `causal` on a history without source events (semacdr.training.visibility), which measures what these are worth.
"""

from dataclasses import dataclass

import numpy as np

from semacdr.data.history import History


@dataclass(frozen=True)
class Ragged:
    """Sequences of different lengths, concatenated."""

    values: np.ndarray  # (N,)
    offsets: np.ndarray  # (rows + 1,)

    def take(self, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Lengths (len(rows),) and flat indices into `values` of the given rows' sequences, in their order."""
        lengths = self.offsets[rows + 1] - self.offsets[rows]
        ends = np.cumsum(lengths)
        shift = np.repeat(self.offsets[rows] - (ends - lengths), lengths)
        return lengths, shift + np.arange(len(shift))


@dataclass(frozen=True)
class Windows:
    """The events that the steps of the users in `users` (rows) may see, and the positives of these steps."""

    users: np.ndarray  # (rows,)
    target: Ragged  # item numbers within the target domain; only BLANK for a row without target events
    source: Ragged  # item numbers within the source domain
    mixed: Ragged  # item numbers within the scenario
    positives: np.ndarray  # (target steps,) the next target item
    source_visible: np.ndarray  # (target steps,) how many events of the source window precede the positive
    mixed_last: np.ndarray  # (target steps,) position in the mixed window of the event before the positive; or -1
    target_place: np.ndarray  # (target steps,) position in the mixed window of the same event; -1 if it is not in it
    source_place: np.ndarray  # (source events,) the same for source events
    target_before: np.ndarray  # (source events,) how many events of the target window precede the event


BLANK = np.iinfo(np.int32).min  # no table has such a row, so a model that treats a blank as an item fails


def make_windows(
    history: History,
    last_positive: np.ndarray,
    users: np.ndarray,
    max_length: int,
    visibility: str = "causal",
    first_steps: bool = False,
) -> Windows:
    """The windows of `users` (rows,) that end before `last_positive` (rows,), target events of these users.

    A ValueError for visibility `none` and a history with source events.
    """
    if visibility == "none" and not history.is_target.all():
        raise ValueError("with visibility none the history must have no source events: see semacdr.training.visibility")
    begin = history.start[users]
    target_before = np.append(0, np.cumsum(history.is_target))  # target events before each event index
    source_before = np.arange(len(target_before)) - target_before
    positions = {True: np.flatnonzero(history.is_target), False: np.flatnonzero(~history.is_target)}
    first, last = _last(target_before[begin], target_before[last_positive], max_length)
    # a blank takes the place of the target event before the window, which may be another user's
    target = first - 1 if first_steps else np.minimum(first, last - 1), last
    end = history.start[users + 1] if visibility == "all" else last_positive
    source = _last(source_before[begin], source_before[end], max_length)
    mixed = _last(begin, last_positive, max_length)
    places = flatten(*target)
    steps, others = positions[True][places], positions[False][flatten(*source)]
    next_event = positions[True][places + 1]  # the event that each step predicts
    row, other_row = (np.repeat(np.arange(len(users)), end - start) for start, end in (target, source))
    blank = places < first[row]
    bounds = first[other_row], last[other_row]
    seen = source[1][row] if visibility == "all" else source_before[next_event]
    return Windows(
        users=users,
        target=Ragged(np.where(blank, BLANK, history.item[steps] - history.target_items.start), _offsets(*target)),
        source=Ragged(history.item[others] - history.source_items.start, _offsets(*source)),
        mixed=Ragged(history.item[flatten(*mixed)], _offsets(*mixed)),
        positives=history.item[next_event] - history.target_items.start,
        source_visible=np.maximum(seen - source[0][row], 0),
        mixed_last=np.maximum(next_event - 1 - mixed[0][row], -1),
        target_place=np.where(blank, -1, np.maximum(steps - mixed[0][row], -1)),
        source_place=np.where(others < mixed[1][other_row], np.maximum(others - mixed[0][other_row], -1), -1),
        target_before=np.clip(target_before[others], *bounds) - bounds[0],
    )


def training_windows(
    history: History, max_length: int, visibility: str = "causal", first_steps: bool = False
) -> Windows:
    """Windows of the users with at least two training events in the target domain; p is the last of them.

    With `first_steps`, one event is enough.
    """
    target = np.flatnonzero(history.is_target)
    order = np.searchsorted(
        target, history.training_end
    )  # the place, among target events, behind the last for training
    users = np.flatnonzero(order - np.searchsorted(target, history.start[:-1]) >= 2 - first_steps)
    return make_windows(history, target[order[users] - 1], users, max_length, visibility, first_steps)


def evaluation_windows(history: History, split: str, max_length: int, visibility: str = "causal") -> Windows:
    """Windows that end before the validation ('valid') or the test ('test') event, of all users with such an event."""
    users, last = history.ranked(split)
    return make_windows(history, last, users, max_length, visibility)


def _last(first: np.ndarray, end: np.ndarray, limit: int) -> tuple[np.ndarray, np.ndarray]:
    return np.maximum(first, end - limit), end


def _offsets(first: np.ndarray, end: np.ndarray) -> np.ndarray:
    return np.append(0, np.cumsum(end - first))


def flatten(first: np.ndarray, end: np.ndarray) -> np.ndarray:
    """All indices of the ranges [first, end), one range after the other."""
    lengths = end - first
    return np.repeat(end - np.cumsum(lengths), lengths) + np.arange(lengths.sum())

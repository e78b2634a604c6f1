"""Lines of a page that say, for each direction, how events were held out and how many of them are tied."""

from collections.abc import Mapping, Sequence
from typing import Any

from semacdr.evaluation.main_metric import EVENTS
from semacdr.evaluation.runs import Run

TIED = (
    "Tied: the event has the timestamp of another target event of its user, so a hash decided which of them was held "
    "out."
)

REPEATS = "whose item the user had before: full ranking leaves out only the user's other earlier items"


def split_lines(runs: Mapping[Any, Sequence[Run]]) -> list[str]:
    """A list with an entry for each direction of runs (by variant or system), what tied means, and a blank line."""
    every = [run for own in runs.values() for run in own]
    firsts = {run.direction: run for run in reversed(every)}  # the first run of each direction, in reverse
    directions = dict.fromkeys(run.direction for run in every)
    lines = [f"* {' → '.join(direction)}: {_sentence(firsts[direction])}" for direction in directions]
    return [*lines, "", *([TIED, ""] if every[0].tied_share is not None else [])]


def _sentence(run: Run) -> str:
    meta, events = run.metadata, f"{EVENTS[run.split]} event"
    if meta.get("split_by") == "time":
        since = {"valid": f"{meta['valid_from']} and before {meta['test_from']}", "test": meta["test_from"]}[run.split]
        how = f"training before {meta['valid_from']}; the {events} is a user's first one since {since}"
    else:
        how = f"leave-one-out; the {events} is a user's last{' but one' if run.split == 'valid' else ''}"
    tied = "" if run.tied_share is None else f"; {run.tied_share:.1%} of these {len(run.users):,} events are tied"
    new = meta.get(f"new_{run.split}")
    unknown = "" if new is None else f"; {float(new):.1%} are of items without a training event"
    repeated = meta.get(f"repeated_{run.split}")
    again = "" if repeated is None else f"; {float(repeated):.1%} are repeats, {REPEATS}"
    kept = meta.get("training_kept")
    thinned = "" if kept is None else f"; {float(kept):.1%} of the target's training events are used"
    return f"{how}{thinned}{tied}{unknown}{again}.".replace("%", " %")

"""Votes of a user's events for target items, which non-learned systems share; later events may weigh more."""

from dataclasses import dataclass

import torch

from semacdr.batching.batches import Batch
from semacdr.batching.windows import BLANK

CHUNK = 1 << 22  # votes that are in memory at once


@dataclass(frozen=True)
class Events:
    """The N events that vote, in the order of the batch."""

    row: torch.Tensor  # (N,) i64, the row of the batch
    item: torch.Tensor  # (N,) i64, numbered within the scenario
    weight: torch.Tensor  # (N,) f64
    rows: int  # of the batch


def events_of(batch: Batch, mixed: bool, target: range, decay: float) -> Events:
    """The events of the target or the mixed sequences, with weight decay^age.

    The age of a row's latest event is 0, that of the event before it 1, and so on. With decay 0 only the latest event
    has a weight. A blank is not an event.
    """
    window = batch.mixed if mixed else batch.target
    known = window.items != BLANK
    row = window.row[known].long()
    age = window.lengths[row] - 1 - window.positions[known]
    weight = torch.tensor(decay, dtype=torch.float64, device=row.device).pow(age)
    return Events(row, window.items[known].long() + (0 if mixed else target.start), weight, len(batch.users))


def count_votes(
    events: Events, begins: torch.Tensor, columns: torch.Tensor, values: torch.Tensor, width: int
) -> torch.Tensor:
    """(rows, width) f64: for each row, the sum over its events of the event's weight times its item's vector.

    The items' vectors are the rows of a sparse matrix (items, width), whose row i has the entries begins[i] to
    begins[i + 1] of `columns` and `values`. Only the entries of the given events are read: a product with the whole
    matrix would take far longer. A row's result does not depend on the other rows.
    """
    votes = torch.zeros(events.rows * width, dtype=torch.float64, device=begins.device)
    count = (begins[1:] - begins[:-1])[events.item]
    for part in _parts(count):
        many, first = count[part], begins[events.item[part]]
        event = torch.repeat_interleave(torch.arange(len(many), device=many.device), many)
        entry = torch.arange(len(event), device=many.device) + (first + many - many.cumsum(0))[event]
        place = events.row[part][event] * width + columns[entry]
        votes.index_add_(0, place, events.weight[part][event] * values[entry].double())
    return votes.view(events.rows, width)


def _parts(count: torch.Tensor) -> list[slice]:
    """Slices of consecutive events that have at most CHUNK votes together; an event alone may have more."""
    totals = count.cumsum(0).tolist()
    parts, begin, before = [], 0, 0
    for end, total in enumerate(totals, 1):
        if end == len(totals) or totals[end] - before > CHUNK:
            parts.append(slice(begin, end))
            begin, before = end, total
    return parts

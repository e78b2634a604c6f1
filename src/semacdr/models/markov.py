"""Markov chain: an item's score is how often it was the next target item after the user's last item.

A first-order chain over items, counted on training events; nothing is learned. Items with the same count are ordered by
popularity.
"""

from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch

from semacdr.batching.batches import Batch, Sequence
from semacdr.batching.windows import BLANK
from semacdr.data.history import History
from semacdr.models import base
from semacdr.models.sparse import csr
from semacdr.runtime.settings import setting

INPUTS = ()
LOSS = None


@dataclass(frozen=True)
class Settings:
    """Settings of the Markov chain."""

    history: Literal["target", "mixed"] = setting(
        "target", "transitions from the last target event, or (mixed) from the last source event too"
    )


class Model(base.Model):
    """Counts of the transitions into each target item, and popularity below one."""

    reads_events = True

    rows: torch.Tensor
    before: torch.Tensor
    counts: torch.Tensor
    popularity: torch.Tensor

    def __init__(self, inputs: base.ModelInputs, settings: Settings) -> None:
        super().__init__()
        history, target = inputs.history, inputs.history.target_items
        self.mixed, self.source, self.target = settings.history == "mixed", history.source_items, target
        self.items = len(history.source_items) + len(target)
        before, after = transition_counts(history, self.mixed)
        pairs, counts = np.unique((after - target.start) * self.items + before, return_counts=True)
        rows = np.searchsorted(pairs, np.arange(len(target) + 1) * self.items)
        self.register_buffer("rows", torch.from_numpy(rows))
        self.register_buffer("before", torch.from_numpy(pairs % self.items))
        self.register_buffer(
            "counts", torch.from_numpy(counts).double()
        )  # in float32 large counts would swallow the popularity
        training = history.item[history.training() & history.is_target] - target.start
        popularity = torch.from_numpy(np.bincount(training, minlength=len(target))).double()
        self.register_buffer("popularity", popularity / (popularity.max() + 1))

    def scores(self, prepared: None, batch: Batch) -> torch.Tensor:
        """(B, target items): counts of the transitions from the last events, whole numbers, plus popularity."""
        last = self.counts.new_zeros(self.items, len(batch.users))
        for sequence, domain in ((batch.target, self.target), (batch.source, self.source))[: 1 + self.mixed]:
            rows, items = last_items(sequence)
            last[items + domain.start, rows] = 1
        followers = csr(self.rows, self.before, self.counts, (len(self.target), self.items))
        return (followers @ last).T + self.popularity


def transition_counts(history: History, mixed: bool) -> tuple[np.ndarray, np.ndarray]:
    """For each training transition, the item before and the target item after it, numbered in the scenario.

    A transition starts at the user's previous target event; with `mixed` also at the last source event.
    """
    training, where = history.training(), np.arange(len(history.item))
    begin = history.start[history.user()]
    before, after = [], []
    for kind in (True, False) if mixed else (True,):
        latest = np.maximum.accumulate(np.where(history.is_target == kind, where, -1))
        previous = np.append(-1, latest[:-1])  # the last event of the kind before each event, of any user
        into = np.flatnonzero(training & history.is_target & (previous >= begin))
        before.append(history.item[previous[into]])
        after.append(history.item[into])
    return np.concatenate(before), np.concatenate(after)


def last_items(sequence: Sequence) -> tuple[torch.Tensor, torch.Tensor]:
    """The rows that have an event, and the item of its last one; a blank is not an event."""
    rows = torch.nonzero(sequence.lengths)[:, 0]
    items = sequence.items[torch.cumsum(sequence.lengths, 0)[rows] - 1]
    known = items != BLANK
    return rows[known], items[known]

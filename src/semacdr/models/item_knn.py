"""Item-kNN: a target item's score is the sum of its similarities with the items of the user's history.

The similarity of items i and j is |i and j| / (sqrt(|i| |j|) + shrinkage), where |…| counts the users who have them
among their training events: the cosine of their columns in the binary matrix of users and items, if shrinkage is 0.
Each target item keeps its `neighbours` most similar items (Sarwar et al. 2001; Deshpande & Karypis 2004). An event
counts with weight decay^age.
"""

from dataclasses import dataclass
from typing import Literal

import torch

from semacdr.batching.batches import Batch
from semacdr.models import base, votes
from semacdr.models.co_occurrence import CoOccurrence
from semacdr.runtime.settings import Count, NonNegative, Share, setting

INPUTS = ()
LOSS = None
CHUNK = 512  # target items whose similarities are dense in memory at once


@dataclass(frozen=True)
class Settings:
    """Settings of item-kNN."""

    neighbours: Count = setting(100, "most similar items that each target item keeps")
    history: Literal["target", "mixed"] = setting(
        "mixed", "events that recommend similar items: of the target, or of both domains"
    )
    shrinkage: NonNegative = setting(
        20.0, "added to the denominator of the cosine: lowers similarities that few users support"
    )
    decay: Share = setting(0.7, "weight of an event relative to the next event's; 1: all weigh the same")


class Model(base.Model):
    """The neighbours (target items, k) of each target item, by number in the scenario, and their similarities."""

    reads_events = True
    similarities: torch.Tensor
    neighbours: torch.Tensor

    def __init__(self, inputs: base.ModelInputs, settings: Settings) -> None:
        super().__init__()
        self.settings, self.target = settings, inputs.history.target_items
        users = CoOccurrence(inputs.history, settings.history == "mixed")
        self.items, count = users.items, users.counts
        values, indices = [], []
        for begin in range(self.target.start, self.target.stop, CHUNK):
            end = min(begin + CHUNK, self.target.stop)
            together = users.columns(begin, end).T  # (chunk, items)
            cosine = together / ((count[begin:end, None] * count).sqrt().clamp(min=1) + settings.shrinkage)
            cosine[torch.arange(end - begin), torch.arange(begin, end)] = 0
            best = cosine.topk(min(settings.neighbours, self.items), dim=1)
            ascending, order = best.indices.sort(1)
            values.append(best.values.gather(1, order))
            indices.append(ascending)
        self.register_buffer("similarities", torch.cat(values))
        self.register_buffer("neighbours", torch.cat(indices))

    def prepare(self) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """The target items that each item is a neighbour of: begins (items + 1,), target items and similarities."""
        target, place = torch.nonzero(self.similarities, as_tuple=True)
        item = self.neighbours[target, place]
        order = torch.argsort(item, stable=True)
        begins = torch.searchsorted(item[order], torch.arange(self.items + 1, device=item.device))
        return begins, target[order], self.similarities[target, place][order]

    def scores(self, prepared: tuple[torch.Tensor, torch.Tensor, torch.Tensor], batch: Batch) -> torch.Tensor:
        """(B, target items) f64: the weighted sum of each target item's similarities with the events of the window."""
        events = votes.events_of(batch, self.settings.history == "mixed", self.target, self.settings.decay)
        begins, targets, values = prepared
        return votes.count_votes(events, begins, targets, values, len(self.target))

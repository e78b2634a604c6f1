"""Item-kNN: a target item's score is the sum of its cosine similarities with the items of the user's history.

The similarity of two items is the cosine of their columns in the binary matrix of users and training events; each
target item keeps its `neighbours` most similar items (Sarwar et al. 2001; Deshpande & Karypis 2004).
"""

from dataclasses import dataclass
from typing import Literal

import torch

from semacdr.batching.batches import Batch
from semacdr.batching.windows import BLANK
from semacdr.models import base
from semacdr.models.sparse import csr
from semacdr.runtime.settings import Count, setting

INPUTS = ()
LOSS = None
CHUNK = 512  # target items whose similarities are dense in memory at once


@dataclass(frozen=True)
class Settings:
    """Settings of item-kNN."""

    neighbours: Count = setting(100, "most similar items that each target item keeps")
    history: Literal["target", "mixed"] = setting(
        "target", "events that recommend similar items: target, or both domains"
    )


class Model(base.Model):
    """The neighbours (target items, k) of each target item, by number in the scenario, and their similarities."""

    similarities: torch.Tensor
    neighbours: torch.Tensor

    def __init__(self, inputs: base.ModelInputs, settings: Settings) -> None:
        super().__init__()
        history, target = inputs.history, inputs.history.target_items
        items = len(history.source_items) + len(target)
        training = history.training() & (history.is_target | (settings.history == "mixed"))
        users, columns = torch.from_numpy(history.user()[training]), torch.from_numpy(history.item[training])
        count = torch.bincount(columns, minlength=items).float()
        order = torch.argsort(columns, stable=True)
        begins = torch.searchsorted(columns[order], torch.arange(items + 1))
        by_item = csr(begins, users[order], torch.ones(len(users)), (items, history.users))
        values, indices = [], []
        for begin in range(target.start, target.stop, CHUNK):
            end = min(begin + CHUNK, target.stop)
            chosen = (columns >= begin) & (columns < end)
            chunk = torch.zeros(history.users, end - begin).index_put_(
                (users[chosen], columns[chosen] - begin), torch.tensor(1.0)
            )
            together = (by_item @ chunk).T  # (chunk, items): users who have both
            cosine = together / (count[begin:end, None] * count).sqrt().clamp(min=1)
            cosine[torch.arange(end - begin), torch.arange(begin, end)] = 0
            best = cosine.topk(min(settings.neighbours, items), dim=1)
            ascending, order = best.indices.sort(1)
            values.append(best.values.gather(1, order))
            indices.append(ascending)
        self.register_buffer("similarities", torch.cat(values))
        self.register_buffer("neighbours", torch.cat(indices))
        self.items, self.mixed, self.first = items, settings.history == "mixed", target.start

    def scores(self, prepared: None, batch: Batch) -> torch.Tensor:
        """(B, target items): the summed similarities of each target item's neighbours in the user's window."""
        seen = self.similarities.new_zeros(self.items, len(batch.users))
        window, first = (batch.mixed, 0) if self.mixed else (batch.target, self.first)
        known = window.items != BLANK  # a blank is not an event
        seen[window.items[known] + first, window.row[known]] = 1
        rows = torch.arange(0, self.neighbours.numel() + 1, self.neighbours.shape[1], device=seen.device)
        size = (len(self.neighbours), self.items)
        similar = csr(rows, self.neighbours.flatten(), self.similarities.flatten(), size)
        return (similar @ seen).T

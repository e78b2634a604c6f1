"""Popularity: ranks the target items by their number of training events, the same for every user."""

from dataclasses import dataclass

import numpy as np
import torch

from semacdr.batching.batches import Batch
from semacdr.models import base

INPUTS = ()
LOSS = None


@dataclass(frozen=True)
class Settings:
    """This model has no settings."""


class Model(base.Model):
    """Counts of training events; nothing is learned."""

    reads_events = True
    counts: torch.Tensor

    def __init__(self, inputs: base.ModelInputs, settings: Settings) -> None:
        super().__init__()
        history = inputs.history
        items = history.item[history.training() & history.is_target] - history.target_items.start
        counts = np.bincount(items, minlength=len(history.target_items))
        self.register_buffer("counts", torch.from_numpy(counts).float())

    def scores(self, prepared: None, batch: Batch) -> torch.Tensor:
        """(B, target items)."""
        return self.counts.expand(len(batch.users), -1)

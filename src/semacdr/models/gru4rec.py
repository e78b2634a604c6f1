"""GRU4Rec (Hidasi et al., ICLR 2016): a gated recurrent unit over the sequence, whose state scores the next item.

Differences from the public code: a row is a user with all steps instead of a session cut into batches; one item table
serves input and score; the loss is softmax over the catalogue. `history: mixed` reads the source domain's events too.
"""

from dataclasses import dataclass
from typing import Literal

import torch
from torch import nn

from semacdr.batching.batches import Batch, Sequence
from semacdr.models import base
from semacdr.models.dropout import dropout
from semacdr.models.layers import at_places, embed, initialise
from semacdr.models.recurrent import GRU, Timeline
from semacdr.runtime.settings import Count, ProperShare, setting

INPUTS = ()
LOSS = "ce"


@dataclass(frozen=True)
class Settings:
    """Settings of GRU4Rec."""

    dim: Count = setting(64, "width of item vectors and states")
    dropout: ProperShare = setting(0.5, "dropout of inputs and states")
    history: Literal["target", "mixed"] = setting("target", "events that are read: of the target, or of both domains")


class Model(base.Model):
    """States are those of the recurrent unit, item vectors the rows of the item table."""

    def __init__(self, inputs: base.ModelInputs, settings: Settings) -> None:
        super().__init__()
        source, target = inputs.history.source_items, inputs.history.target_items
        self.settings, self.target = settings, target
        self.items = nn.Embedding(len(source) + len(target), settings.dim)
        self.gru = GRU(settings.dim, settings.dropout, 0.0)
        initialise(self)
        self.gru.reset()

    def states(self, prepared: None, batch: Batch) -> torch.Tensor:
        """(N_t, d): after the target events up to each step, or after all events before the step's positive."""
        if self.settings.history == "target":
            states = self._run(batch.target, self.target.start)
        else:
            states = at_places(self._run(batch.mixed, 0), batch.mixed_last)
        return dropout(states, self.settings.dropout if self.training else 0.0)

    def _run(self, sequence: Sequence, first: int) -> torch.Tensor:
        return self.gru(embed(sequence, self.items.weight, first), Timeline(sequence.layout))

    def item_vectors(self, prepared: None) -> torch.Tensor:
        """(target items, d)."""
        return self.items.weight[self.target.start : self.target.stop]

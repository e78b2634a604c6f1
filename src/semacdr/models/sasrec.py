"""SASRec (Kang & McAuley, ICDM 2018): causal self-attention over the target sequence.

As published: learned positions, blocks that normalise the query, one item table for input and score, input scaled
by sqrt(d). Differences from the original and its ports: positions count from the first event of the window, and
there is no padding, so it gets no attention. Further differences from the ports: no linear map follows attention,
and blocks normalise the query, where some ports normalise last (`norm`).
"""

from dataclasses import dataclass

import torch
from torch import nn

from semacdr.batching.batches import Batch
from semacdr.models import base
from semacdr.models.layers import Encoder, embed, initialise
from semacdr.models.settings import EncoderSettings

INPUTS = ()
LOSS = "bce"


@dataclass(frozen=True)
class Settings(EncoderSettings):
    """Settings of SASRec: only the common ones."""


class Model(base.Model):
    """States are the encoder's outputs, item vectors the rows of the item table."""

    def __init__(self, inputs: base.ModelInputs, settings: Settings) -> None:
        super().__init__()
        self.items = nn.Embedding(len(inputs.history.target_items), settings.dim)
        self.encoder = Encoder(settings.dim, inputs.max_length, settings.blocks, settings.dropout, settings.norm)
        initialise(self)

    def states(self, prepared: None, batch: Batch) -> torch.Tensor:
        """(N_t, d)."""
        return self.encoder(embed(batch.target, self.items.weight), batch.target)

    def item_vectors(self, prepared: None) -> torch.Tensor:
        """(target items, d)."""
        return self.items.weight

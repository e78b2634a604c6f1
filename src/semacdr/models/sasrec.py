"""SASRec (Kang & McAuley, ICDM 2018): causal self-attention over the target sequence alone.

As published: learnable positions, blocks that normalise the query, one item table for input and score, the input scaled
by sqrt(d). Differs from the original and its ports in that positions count from the first event of the window, and
padding does not exist at all, so it takes no attention; from the ports also in that no map follows attention, and that
blocks normalise the query where some normalise last (`norm`).
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
    """Settings of SASRec: the common ones."""


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

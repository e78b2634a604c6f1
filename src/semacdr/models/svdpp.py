"""SVD++ (Koren, KDD 2008) for implicit feedback: score = b_i + q_i (p_u + |N(u)|^-1/2 sum of y_j over N(u)), eq. 15.

Differences: SVD++ predicts ratings; here its score is trained to rank, by BPR, so the global mean and the user's bias
drop out. N(u) holds the target events before the step: so the item to predict is never in it, which would be an item
voting for itself, and a list at the time of the test event reads all events before it.
"""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import nn

from semacdr.batching.batches import Batch
from semacdr.batching.windows import BLANK
from semacdr.models import base
from semacdr.models.backbone import Backbone, drawn
from semacdr.models.layers import embed
from semacdr.models.settings import BackboneSettings

INPUTS = ()
LOSS = "bpr"
DEVIATION = 0.1  # of the initial factors, as in the usual implementations


@dataclass(frozen=True)
class Settings(BackboneSettings):
    """Settings of SVD++."""


class Model(Backbone):
    """Factors p of the known users, q and y of the target items, and a bias of each item."""

    item_bias: nn.Parameter

    def __init__(self, inputs: base.ModelInputs, settings: Settings) -> None:
        super().__init__(inputs, settings)
        self.user_factors = nn.Embedding(self.known, settings.dim)
        self.factors, self.implicit = (nn.Embedding(self.catalogue, settings.dim) for _ in range(2))
        self.item_bias = nn.Parameter(torch.zeros(self.catalogue))
        for table in (self.user_factors, self.factors, self.implicit):
            nn.init.normal_(table.weight, std=DEVIATION)

    def users(self, prepared: None, batch: Batch) -> torch.Tensor:
        """(N_t, d): p_u and the sum of y over the events before the step's positive."""
        own, row = self.of_user(self.user_factors.weight, batch), batch.target.row
        before = embed(batch.target, self.implicit.weight).double()  # a sum over the batch, so in double precision
        known = (batch.target.items != BLANK).double()[:, None]
        sums = torch.cat([before, known], 1).cumsum(0)
        start = F.pad(sums, (0, 0, 1, 0))[batch.last.long() + 1 - batch.target.lengths]  # before each row's first token
        total, count = (sums - start[row]).split([before.shape[1], 1], 1)
        return self.dropped(own + (total / count.clamp(min=1).sqrt()).to(own.dtype))

    def items(self, prepared: None) -> torch.Tensor:
        """(target items, d)."""
        return self.dropped(self.factors.weight)

    def embeddings(self, batch: Batch) -> list[torch.Tensor]:
        """Factors of the users, and factors and biases of positives and negatives."""
        tables = self.factors.weight, self.item_bias[:, None]
        items = [F.embedding(items, table) for items in drawn(batch) for table in tables]
        return [self.of_user(self.user_factors.weight, batch), *items]

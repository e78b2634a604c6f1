"""NeuMF (He et al., WWW 2017, "Neural Collaborative Filtering"): a product of factors beside a multi-layer perceptron.

score = h [p_u * q_i ; MLP([p'_u ; q'_i])], with separate embeddings for both parts (eqs. 8 to 12). The loss is binary
cross-entropy with negatives that are drawn anew in each epoch.

Differences: the first layer of the perceptron is computed once for each user and each item, W [p' ; q'] = W_p p' +
W_q q', so a pair costs only what comes after it; both parts are trained together, without pre-training. The score is
no inner product, so only losses with drawn negatives can train it. With several negatives a step, loss bce averages
over them; their sum, as published, is loss gbce with `calibration: 0`.
"""

from dataclasses import dataclass
from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import nn

from semacdr.batching.batches import Batch
from semacdr.models import base
from semacdr.models.backbone import Backbone, drawn
from semacdr.models.dropout import dropout
from semacdr.models.settings import BackboneSettings
from semacdr.runtime.settings import Count, NonNegative, setting

INPUTS = ()
LOSS = "bce"
DEVIATION = 0.01  # of the initial embeddings, as published


@dataclass(frozen=True)
class Settings(BackboneSettings):
    """Settings of NeuMF: the shape of the tower as published, the width as of the other backbones."""

    layers: Count = setting(3, "layers of the perceptron; the first has `dim` units, each other half of the one before")
    l2: NonNegative = setting(0.0, "half the weight of the squared parameters that a step reads")


class Model(Backbone):
    """A user's and an item's two vectors are stored side by side: D = 2 dim."""

    def __init__(self, inputs: base.ModelInputs, settings: Settings) -> None:
        super().__init__(inputs, settings)
        dim, widths = settings.dim, [max(1, settings.dim >> layer) for layer in range(settings.layers)]
        self.user_table, self.table = nn.Embedding(self.known, 2 * dim), nn.Embedding(self.catalogue, 2 * dim)
        self.of_users, self.of_items = nn.Linear(dim, widths[0]), nn.Linear(dim, widths[0], bias=False)
        self.tower = nn.ModuleList(nn.Linear(*pair) for pair in pairwise(widths))
        self.output = nn.Linear(dim + widths[-1], 1, bias=False)
        for name, parameter in self.named_parameters():
            if name.endswith("bias"):
                nn.init.zeros_(parameter)
            elif "table" in name:
                nn.init.normal_(parameter, std=DEVIATION)
            else:
                nn.init.xavier_normal_(parameter)

    def users(self, prepared: None, batch: Batch) -> torch.Tensor:
        """(N_t, 2 dim)."""
        return self.dropped(self.of_user(self.user_table.weight, batch))

    def items(self, prepared: None) -> torch.Tensor:
        """(target items, 2 dim)."""
        return self.dropped(self.table.weight)

    def user_side(self, vectors: torch.Tensor) -> torch.Tensor:
        """(N, dim + units of the first layer): h p_u, and W_p p'_u + b."""
        product, tower = vectors.split(self.settings.dim, 1)
        return torch.cat([product * self.output.weight[:, : self.settings.dim], self.of_users(tower)], 1)

    def item_side(self, vectors: torch.Tensor) -> torch.Tensor:
        """(n, dim + units of the first layer): q_i, and W_q q'_i."""
        product, tower = vectors.split(self.settings.dim, 1)
        return torch.cat([product, self.of_items(tower)], 1)

    def match(self, states: torch.Tensor, vectors: torch.Tensor) -> torch.Tensor:
        """(N, k) from states (N, d) and item vectors (N, k, d) or (1, k, d)."""
        dim = self.settings.dim
        if len(vectors) == 1:
            product = states[:, :dim] @ vectors[0, :, :dim].T
        else:
            product = torch.einsum("nd,nkd->nk", states[:, :dim], vectors[..., :dim])
        hidden = F.relu(states[:, None, dim:] + vectors[..., dim:])
        for layer in self.tower:
            hidden = F.relu(layer(dropout(hidden, self.settings.dropout if self.training else 0.0)))
        return product + hidden @ self.output.weight[0, dim:]

    def embeddings(self, batch: Batch) -> list[torch.Tensor]:
        """Both vectors of the users, positives and negatives."""
        items = [F.embedding(items, self.table.weight) for items in drawn(batch)]
        return [self.of_user(self.user_table.weight, batch), *items]

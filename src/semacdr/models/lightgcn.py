"""LightGCN (He et al., SIGIR 2020): users and items of the target domain, averaged over the layers of their graph.

E^(k+1) = D^-1/2 A D^-1/2 E^k on the bipartite graph of training events, without weights, activation and self-loops;
a node's vector is the mean of layers 0 to K (eqs. 3 to 8). The loss is BPR, with an L2 term on the layer-0 embeddings
of the batch (eq. 15).

Differences from the public code: a batch holds all training events of its users, not pairs drawn by user; a user's
events are limited to the latest `max_length`; training ends by the common patience on validation. As published, the
graph contains the event that a training step predicts.
"""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import nn

from semacdr.batching.batches import Batch
from semacdr.models import base
from semacdr.models.backbone import Backbone, drawn, known_users
from semacdr.models.layers import mean_of_layers
from semacdr.models.settings import BackboneSettings
from semacdr.models.sparse import user_item_graph
from semacdr.runtime.settings import Natural, setting

INPUTS = ()
LOSS = "bpr"
DEVIATION = 0.1  # of the initial embeddings, as published


@dataclass(frozen=True)
class Settings(BackboneSettings):
    """Settings of LightGCN, as published."""

    layers: Natural = setting(3, "layers of the graph")


class Model(Backbone):
    """A table of the known users and the target items, propagated over their graph once per batch."""

    reads_events = True

    graph: torch.Tensor

    def __init__(self, inputs: base.ModelInputs, settings: Settings) -> None:
        super().__init__(inputs, settings)
        history = inputs.history
        events = history.training() & history.is_target
        user = known_users(history)[1][history.user()[events]] - 1
        graph = user_item_graph(history.item[events] - history.target_items.start, user, self.catalogue, self.known)
        self.register_buffer("graph", graph, persistent=False)
        self.table = nn.Embedding(self.catalogue + self.known, settings.dim)
        nn.init.normal_(self.table.weight, std=DEVIATION)

    def prepare(self) -> torch.Tensor:
        """(items and users, d): the mean of each node's vector over all layers."""
        return mean_of_layers(self.graph, self.table.weight, self.settings.layers)

    def users(self, prepared: torch.Tensor, batch: Batch) -> torch.Tensor:
        """(N_t, d)."""
        return self.dropped(self.of_user(prepared[self.catalogue :], batch))

    def items(self, prepared: torch.Tensor) -> torch.Tensor:
        """(target items, d)."""
        return self.dropped(prepared[: self.catalogue])

    def embeddings(self, batch: Batch) -> list[torch.Tensor]:
        """Layer 0 of the users, positives and negatives."""
        table = self.table.weight
        return [self.of_user(table[self.catalogue :], batch), *(F.embedding(items, table) for items in drawn(batch))]

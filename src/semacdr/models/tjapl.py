"""TJAPL (Xu, Pan, Ming 2024): transfer by joint attentive preference learning, with one source domain.

A state joins three preferences: the target domain's (self-attention over the target sequence), the local one (each
target step attends to the source events) and the user's overall one (the user's vector attends to the items of both
domains). One table holds the items of both domains and also scores them; both domains share the positions.

Differences from the circulating code: a source event is visible to a step if it precedes the step's positive, instead
of if it is not later than the step's event. Invisible events are never attended to (in that code, the first slot
always was), and a step without visible events attends to nothing. There is no padding, so it gets no attention, and
positions count from the first event of a window. No linear map follows attention. Nothing is chosen on the test
split or trained on validation events. The vector of a user without a training step stays as initialised, except for
weight decay.
"""

import math
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import nn

from semacdr.batching.batches import Batch, Sequence
from semacdr.models import base
from semacdr.models.attention import attend_across, attend_self
from semacdr.models.dropout import dropout
from semacdr.models.layers import Block, embed, initialise
from semacdr.models.settings import CommonSettings
from semacdr.runtime.settings import NonNegative, setting

INPUTS = ()
LOSS = "bce"
EPS = 1e-8  # in all normalisations, as in SASRec


@dataclass(frozen=True)
class Settings(CommonSettings):
    """Settings of TJAPL; `blocks` counts those of the target preference and of the local preference."""

    l2: NonNegative = setting(0.001, "weight of the item table's Euclidean norm, not squared, in the loss")


class Join(nn.Module):
    """Several vectors side by side, normalised, mapped to one, dropped out."""

    def __init__(self, parts: int, dim: int) -> None:
        super().__init__()
        self.norm, self.linear = nn.LayerNorm(parts * dim, eps=EPS), nn.Linear(parts * dim, dim)

    def forward(self, *parts: torch.Tensor, rate: float) -> torch.Tensor:
        """(N, d) of parts (N, d)."""
        return dropout(self.linear(self.norm(torch.cat(parts, -1))), rate)


class Model(base.Model):
    """States join the three preferences; item vectors are the target's rows of the item table."""

    serves_unseen_users = False  # the attention over preferences starts from a vector of each user

    def __init__(self, inputs: base.ModelInputs, settings: Settings) -> None:
        super().__init__()
        self.settings, history, dim = settings, inputs.history, settings.dim
        self.domains = {"target": history.target_items, "source": history.source_items}
        self.items = nn.Embedding(sum(map(len, self.domains.values())), dim)
        self.users = nn.Embedding(history.users, dim)
        self.positions = nn.Embedding(inputs.max_length, dim)
        self.target, self.local = (
            nn.ModuleList(Block(dim, settings.dropout) for _ in range(settings.blocks)) for _ in range(2)
        )
        self.user_norms = nn.ModuleDict({name: nn.LayerNorm(dim, eps=EPS) for name in self.domains})
        self.queries = nn.ModuleDict({name: nn.Linear(dim, dim) for name in self.domains})
        self.key_values = nn.ModuleDict({name: nn.Linear(dim, 2 * dim) for name in self.domains})
        self.join_user, self.join, self.norm = Join(2, dim), Join(3, dim), nn.LayerNorm(dim, eps=EPS)
        initialise(self)

    def _rate(self) -> float:
        return self.settings.dropout if self.training else 0.0

    def _vectors(self, name: str, sequence: Sequence) -> torch.Tensor:
        """(N, d): the items of a domain's sequence, scaled by sqrt(d)."""
        return embed(sequence, self.items.weight, self.domains[name].start) * math.sqrt(self.settings.dim)

    def states(self, prepared: None, batch: Batch) -> torch.Tensor:
        """(N_t, d)."""
        vectors = {"target": self._vectors("target", batch.target), "source": self._vectors("source", batch.source)}
        placed = {
            name: dropout(x + self.positions(getattr(batch, name).positions), self._rate())
            for name, x in vectors.items()
        }
        target = local = placed["target"]
        for block in self.target:
            target = block(target, batch.target.layout)
        for block in self.local:
            assert isinstance(block, Block)
            local = block.across(local, placed["source"], batch.source_visible, batch.cross)
        return self.norm(self.join(target, local, self._overall(vectors, batch), rate=self._rate()))

    def _overall(self, vectors: dict[str, torch.Tensor], batch: Batch) -> torch.Tensor:
        """(N_t, d): the user's attention over the target and the source items, which have no positions here."""
        rate = self._rate()
        users, query = self.users(batch.users) * math.sqrt(self.settings.dim), {}
        for name, linear in self.queries.items():
            query[name] = F.embedding(batch.target.row, linear(self.user_norms[name](dropout(users, rate))))
        key_value = {name: linear(dropout(vectors[name], rate)) for name, linear in self.key_values.items()}
        own = attend_self(torch.cat([query["target"], key_value["target"]], -1), batch.target.layout, rate)
        other = attend_across(query["source"], key_value["source"], batch.source_visible, None, batch.cross, rate)
        return self.join_user(own, other, rate=rate)

    def item_vectors(self, prepared: None) -> torch.Tensor:
        """(target items, d)."""
        return self.items.weight[self.domains["target"].start : self.domains["target"].stop]

    def auxiliary_loss(self, prepared: None, batch: Batch) -> torch.Tensor | float:
        """The regularisation of the item table."""
        return self.settings.l2 * torch.linalg.vector_norm(self.items.weight) if self.settings.l2 else 0.0

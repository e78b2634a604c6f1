"""Backbones of SPHERE: systems of one domain that have a vector of each user and item, and learn from single events.

A backbone gives user vectors and item vectors (`users`, `items`), then what its scorer reads of them (`user_side`,
`item_side`, `match`). SPHERE changes the vectors in between and keeps the scorer. Backbones read target events only.
"""

from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

from semacdr.batching.batches import Batch
from semacdr.data.history import History
from semacdr.models import base
from semacdr.models.dropout import dropout


class Backbone(base.Model):
    """Scores are inner products of user and item vectors, plus a bias of each item if there is one."""

    first_steps = True
    serves_unseen_users = False

    place: torch.Tensor

    def __init__(self, inputs: base.ModelInputs, settings: Any) -> None:
        super().__init__()
        self.settings, self.catalogue = settings, len(inputs.history.target_items)
        known, place = known_users(inputs.history)
        self.known = len(known)
        self.register_buffer("place", torch.from_numpy(place), persistent=False)
        self.item_bias: nn.Parameter | None = None

    def users(self, prepared: Any, batch: Batch) -> torch.Tensor:
        """(N_t, D): the user's vector at each target step."""
        raise NotImplementedError

    def items(self, prepared: Any) -> torch.Tensor:
        """(target items, D)."""
        raise NotImplementedError

    def embeddings(self, batch: Batch) -> list[torch.Tensor]:
        """The rows of parameter tables that a training batch reads, (…, d) each, for `l2`."""
        raise NotImplementedError

    def user_side(self, vectors: torch.Tensor) -> torch.Tensor:
        """The states (N, d) that `match` reads, from user vectors (N, D)."""
        return vectors if self.item_bias is None else F.pad(vectors, (0, 1), value=1.0)

    def item_side(self, vectors: torch.Tensor) -> torch.Tensor:
        """The item vectors (n, d) that `match` reads, from item vectors (n, D)."""
        return vectors if self.item_bias is None else torch.cat([vectors, self.item_bias[:, None]], 1)

    def states(self, prepared: Any, batch: Batch) -> torch.Tensor:
        """(N_t, d)."""
        return self.user_side(self.users(prepared, batch))

    def item_vectors(self, prepared: Any) -> torch.Tensor:
        """(target items, d)."""
        return self.item_side(self.items(prepared))

    def auxiliary_loss(self, prepared: Any, batch: Batch) -> torch.Tensor | float:
        """l2 / 2 times the squared length of a step's embeddings, the mean over steps (LightGCN, eq. 15)."""
        if not self.settings.l2:
            return 0.0
        total = torch.stack([rows.square().sum() for rows in self.embeddings(batch)]).sum()
        return self.settings.l2 / 2 * total / len(batch.positives)

    def of_user(self, table: torch.Tensor, batch: Batch) -> torch.Tensor:
        """(N_t, d): the row of a table (known users, d) at each step; zeros for a user without training events."""
        places = self.place.index_select(0, batch.users).index_select(0, batch.target.row)
        return F.embedding((places - 1).clamp(min=0), table) * (places > 0)[:, None]

    def dropped(self, vectors: torch.Tensor) -> torch.Tensor:
        """Vectors with the setting `dropout` in training."""
        return dropout(vectors, self.settings.dropout if self.training else 0.0)


def known_users(history: History) -> tuple[np.ndarray, np.ndarray]:
    """The users with a target event for training, sorted; and (users,) each user's place among them plus 1, else 0."""
    events = history.training() & history.is_target
    known = np.unique(history.user()[events])
    place = np.zeros(history.users, np.int64)
    place[known] = np.arange(1, len(known) + 1)
    return known, place


def drawn(batch: Batch) -> tuple[torch.Tensor, ...]:
    """The items of a training batch's steps: positives (N_t,), and negatives (N_t, k) if the loss draws them."""
    own = batch.negatives.dim() == 2 and len(batch.negatives) == len(batch.positives)
    return (batch.positives, batch.negatives) if own else (batch.positives,)

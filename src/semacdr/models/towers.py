"""Semantic towers and fusion gates (semacdr.models.sphere)."""

import torch
import torch.nn.functional as F
from torch import nn

from semacdr.models.dropout import dropout


class Tower(nn.Module):
    """A perceptron with one hidden layer."""

    def __init__(self, size: int, hidden: int, dim: int, rate: float) -> None:
        super().__init__()
        self.hidden, self.output, self.rate = nn.Linear(size, hidden), nn.Linear(hidden, dim), rate

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(N, dim) from (N, size)."""
        rate = self.rate if self.training else 0.0
        return self.output(dropout(F.relu(self.hidden(x)), rate))


class Gate(nn.Module):
    """The fusion of a collaborative and a semantic vector of the same width."""

    def __init__(self, dim: int, kind: str) -> None:
        super().__init__()
        sizes = {"vector": (2 * dim + 1, dim), "scalar": (2 * dim + 1, 1), "concat": (2 * dim, dim)}
        self.kind, self.linear = kind, nn.Linear(*sizes[kind]) if kind in sizes else None

    def weight(self, own: torch.Tensor, semantic: torch.Tensor, events: torch.Tensor) -> torch.Tensor:
        """(N, dim or 1): the weight of the collaborative side, from 0 to 1."""
        if self.linear is None:
            return own.new_full((len(own), 1), 0.5)
        return torch.sigmoid(self.linear(torch.cat([own, semantic, events], 1)))

    def odds(self, own: torch.Tensor, semantic: torch.Tensor, events: torch.Tensor) -> torch.Tensor:
        """(N, 1): the semantic side's weight divided by the collaborative side's, at most e^5."""
        assert self.linear is not None
        return torch.exp(-self.linear(torch.cat([own, semantic, events], 1)).clamp(-5, 5))

    def forward(self, own: torch.Tensor, semantic: torch.Tensor, events: torch.Tensor) -> torch.Tensor:
        """(N, dim)."""
        if self.kind == "concat":
            assert self.linear is not None
            return self.linear(torch.cat([own, semantic], 1))
        weight = self.weight(own, semantic, events)
        return weight * own + (1 - weight) * semantic

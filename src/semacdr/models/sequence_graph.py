"""The gated graph cell of SR-GNN (Wu et al., AAAI 2019) on packed sequences, causal."""

import torch
from torch import nn


class SequenceGraph(nn.Module):
    """One step of SR-GNN's gated cell. A user has an item once, so the graph of a sequence is a path."""

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.before, self.after = nn.Linear(dim, dim), nn.Linear(dim, dim)
        self.before_bias, self.after_bias = nn.Parameter(torch.empty(dim)), nn.Parameter(torch.empty(dim))
        self.from_before, self.from_after = nn.Linear(dim, 3 * dim), nn.Linear(dim, 3 * dim, bias=False)
        self.from_own = nn.Linear(dim, 3 * dim)

    def forward(self, vectors: torch.Tensor, positions: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """The nodes (N, d) as later steps see them, and (N, d) each as the newest node, without an outgoing edge."""
        first = (positions == 0)[:, None]
        before = self.before(vectors).roll(1, 0).masked_fill(first, 0) + self.before_bias
        after = self.after(vectors).roll(-1, 0).masked_fill(first.roll(-1, 0), 0) + self.after_bias
        own, before = self.from_own(vectors), self.from_before(before)
        joined = self._gated(vectors, own, before + self.from_after(after))
        return joined, self._gated(vectors, own, before + self.from_after(self.after_bias))

    @staticmethod
    def _gated(vectors: torch.Tensor, own: torch.Tensor, neighbours: torch.Tensor) -> torch.Tensor:
        own, own_new = own.tensor_split((2 * vectors.shape[1],), -1)
        neighbours, new = neighbours.tensor_split((2 * vectors.shape[1],), -1)
        reset, update = (own + neighbours).sigmoid().chunk(2, -1)
        return vectors + update * (torch.tanh(new + reset * own_new) - vectors)

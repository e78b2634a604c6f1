"""Directed graphs of transitions: an edge leads from an item to an item that comes next (C2DSR)."""

import numpy as np
import torch
from torch import nn

from semacdr.data.history import History
from semacdr.models.dropout import dropout
from semacdr.models.layers import propagate
from semacdr.models.sparse import csr


def transition_matrix(history: History, items: range, kind: str) -> tuple[torch.Tensor, torch.Tensor]:
    """D^-1 A and its transpose, sparse CSR (items, items); A has the transitions of training.

    Only training events with an item of `items` count. An edge weighs 1 (binary) or its number of transitions
    (counted).
    A row sums to one, or to zero if no item follows.
    """
    chosen = history.training() & (history.item >= items.start) & (history.item < items.stop)
    user, item = history.user()[chosen], history.item[chosen] - items.start
    same = user[1:] == user[:-1]
    keys, counts = np.unique(item[:-1][same] * len(items) + item[1:][same], return_counts=True)
    before, after = np.divmod(keys, len(items))
    weight = counts if kind == "counted" else np.ones(len(counts))
    share = (weight / np.bincount(before, weight, len(items))[before]).astype(np.float32)
    back = np.lexsort((before, after))
    return _csr(before, after, share, len(items)), _csr(after[back], before[back], share[back], len(items))


def _csr(rows: np.ndarray, columns: np.ndarray, weight: np.ndarray, size: int) -> torch.Tensor:
    """A sparse CSR tensor from entries sorted by row and column."""
    begins = np.searchsorted(rows, np.arange(size + 1)).astype(np.int32)
    crow, column, value = (torch.from_numpy(part) for part in (begins, columns.astype(np.int32), weight))
    return csr(crow, column, value, (size, size))


class Propagation(nn.Module):
    """The mean of E^0 to E^K, where E^k+1 = D^-1 A dropout(E^k) + b_k: a mean over the items that follow."""

    adjacency: torch.Tensor
    transposed: torch.Tensor

    def __init__(self, history: History, items: range, kind: str, depth: int, dim: int) -> None:
        super().__init__()
        adjacency, transposed = transition_matrix(history, items, kind)
        self.register_buffer("adjacency", adjacency, persistent=False)
        self.register_buffer("transposed", transposed, persistent=False)
        self.biases = nn.ParameterList(torch.zeros(dim) for _ in range(depth))

    def forward(self, x: torch.Tensor, rate: float) -> torch.Tensor:
        """(items, d) from E^0 (items, d)."""
        total = x
        for bias in self.biases:
            x = propagate(self.adjacency, dropout(x, rate), self.transposed) + bias
            total = total + x
        return total / (1 + len(self.biases))

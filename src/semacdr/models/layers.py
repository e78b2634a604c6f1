"""Layers that several models share, on packed sequences: embedding, the SASRec encoder, graph propagation."""

import math
from typing import Any

import torch
import torch.nn.functional as F
from torch import nn
from torch.autograd.function import once_differentiable

from semacdr.batching.batches import Sequence
from semacdr.batching.layout import Layout
from semacdr.models.attention import attend_across, attend_self, attend_with_own
from semacdr.models.dropout import dropout


def embed(sequence: Sequence, table: torch.Tensor, first: int = 0) -> torch.Tensor:
    """(N, d): a sequence's item vectors, from a table (items, d) whose row `first` is its domain's first item.

    A blank, which is not an event, has a vector of zeros.
    """
    items = sequence.items + first if first else sequence.items
    if not sequence.blank:
        return F.embedding(items, table)
    return F.embedding((items + 1).clamp(min=0), F.pad(table, (0, 0, 1, 0)))


def at_places(states: torch.Tensor, place: torch.Tensor) -> torch.Tensor:
    """(N, d): the states (M, d) of tokens at places (N,) that count from 1; zeros at place 0, which is no token."""
    return F.embedding(place, torch.cat([states.new_zeros(1, states.shape[1]), states]))


class Block(nn.Module):
    """Self-attention and a feed-forward part, each with a residual; `norm` says what is normalised.

    original: as in SASRec's code (Kang & McAuley 2018, section III-B), only the query, which is also the residual.
    pre: the input of each part, not the residual. post: the output of each residual sum.
    """

    def __init__(self, dim: int, rate: float, norm: str = "original") -> None:
        super().__init__()
        self.norm = norm
        self.attention_norm, self.forward_norm = nn.LayerNorm(dim, eps=1e-8), nn.LayerNorm(dim, eps=1e-8)
        self.query, self.key_value = nn.Linear(dim, dim), nn.Linear(dim, 2 * dim)
        self.inner, self.outer = nn.Linear(dim, dim), nn.Linear(dim, dim)
        self.rate = rate

    def forward(self, x: torch.Tensor, layout: Layout) -> torch.Tensor:
        """(N, d) from (N, d)."""
        query = self._query(x)
        key_value = self.key_value(query if self.norm == "pre" else x)
        joint = torch.cat([self.query(query), key_value], -1)
        return self._after_attention(x, query, attend_self(joint, layout, self._rate()))

    def with_own(
        self, x: torch.Tensor, own: torch.Tensor, others: torch.Tensor, visible: torch.Tensor, layout: Layout
    ) -> torch.Tensor:
        """(N, d) from (N, d): each x sees `own` (N, d) and the first `visible` (N,) of its row's `others` (N_k, d)."""
        query = self._query(x)
        own, others = (self.key_value(self.attention_norm(k) if self.norm == "pre" else k) for k in (own, others))
        attended = attend_with_own(self.query(query), own, others, visible, layout, self._rate())
        return self._after_attention(x, query, attended)

    def across(self, x: torch.Tensor, others: torch.Tensor, visible: torch.Tensor, layout: Layout) -> torch.Tensor:
        """(N, d) from (N, d): each x sees only the first `visible` (N,) of its row's `others` (N_k, d).

        The attention result of an x that sees none of them is zero.
        """
        query = self._query(x)
        key_value = self.key_value(self.attention_norm(others) if self.norm == "pre" else others)
        attended = attend_across(self.query(query), key_value, visible, None, layout, self._rate())
        return self._after_attention(x, query, attended)

    def _rate(self) -> float:
        return self.rate if self.training else 0.0

    def _query(self, x: torch.Tensor) -> torch.Tensor:
        return x if self.norm == "post" else self.attention_norm(x)

    def _after_attention(self, x: torch.Tensor, query: torch.Tensor, attended: torch.Tensor) -> torch.Tensor:
        if self.norm == "post":
            x = self.attention_norm(x + attended)
            return self.forward_norm(x + self._forward(x))
        x = (query if self.norm == "original" else x) + attended
        normed = self.forward_norm(x)
        return (normed if self.norm == "original" else x) + self._forward(normed)

    def _forward(self, x: torch.Tensor) -> torch.Tensor:
        rate = self._rate()
        return dropout(self.outer(dropout(F.relu(self.inner(x)), rate)), rate)


class Encoder(nn.Module):
    """SASRec's encoder of a packed sequence of item vectors: scaled by sqrt(d), positions, blocks, final LayerNorm.

    Positions count from the start of the window, so that later events of a sequence do not affect earlier ones.
    """

    def __init__(self, dim: int, max_length: int, blocks: int, rate: float, norm: str = "original") -> None:
        super().__init__()
        self.positions = nn.Embedding(max_length, dim)
        self.blocks = nn.ModuleList(Block(dim, rate, norm) for _ in range(blocks))
        self.norm = nn.LayerNorm(dim, eps=1e-8)
        self.rate = rate

    def forward(self, vectors: torch.Tensor, sequence: Sequence) -> torch.Tensor:
        """States (N, d) of a sequence whose items have the vectors (N, d)."""
        x = vectors * math.sqrt(vectors.shape[-1]) + self.positions(sequence.positions)
        x = dropout(x, self.rate if self.training else 0.0)
        for block in self.blocks:
            x = block(x, sequence.layout)
        return self.norm(x)


def weight_of(table: nn.Module) -> torch.Tensor:
    """The weight of an embedding table in a ModuleList or ModuleDict."""
    assert isinstance(table, nn.Embedding)
    return table.weight


def with_one(states: torch.Tensor) -> torch.Tensor:
    """(N, d + 1): states (N, d) and a one, which multiplies the bias of a softmax over items."""
    return torch.cat([states, states.new_ones(len(states), 1)], 1)


class _Propagate(torch.autograd.Function):
    """A @ X for a sparse A with a given transpose, so that the backward pass, A^T @ gradient, need not transpose."""

    @staticmethod
    def forward(ctx: Any, adjacency: torch.Tensor, transposed: torch.Tensor, x: torch.Tensor) -> torch.Tensor:
        ctx.transposed = transposed
        return adjacency @ x

    @staticmethod
    def backward(ctx: Any, gradient: torch.Tensor) -> tuple[None, None, torch.Tensor]:
        return None, None, ctx.transposed @ gradient


def propagate(adjacency: torch.Tensor, x: torch.Tensor, transposed: torch.Tensor | None = None) -> torch.Tensor:
    """A @ X (nodes, d) with a sparse CSR adjacency; without `transposed` the adjacency must be symmetric."""
    return _Propagate.apply(adjacency, adjacency if transposed is None else transposed, x)


class _MeanOfLayers(torch.autograd.Function):
    """(E + A E + … + A^K E) / (K + 1) as E + A (E + A (…)), for a symmetric A; so is its gradient.

    A product and its sum are one call, which is faster than two.
    """

    @staticmethod
    def forward(ctx: Any, adjacency: torch.Tensor, x: torch.Tensor, layers: int) -> torch.Tensor:
        ctx.adjacency, ctx.layers = adjacency, layers
        return _mean_of_layers(adjacency, x, layers)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: torch.Tensor) -> tuple[None, torch.Tensor, None]:
        return None, _mean_of_layers(ctx.adjacency, gradient.contiguous(), ctx.layers), None


def _mean_of_layers(adjacency: torch.Tensor, x: torch.Tensor, layers: int) -> torch.Tensor:
    nodes = x
    for _ in range(layers):
        nodes = torch.addmm(x, adjacency, nodes)
    return nodes / (layers + 1)


def mean_of_layers(adjacency: torch.Tensor, x: torch.Tensor, layers: int) -> torch.Tensor:
    """(nodes, d): the mean of X, A X, …, A^layers X with a symmetric sparse CSR adjacency (LightGCN, eqs. 7 and 8)."""
    return _MeanOfLayers.apply(adjacency, x, layers)


def mean_by_row(
    x: torch.Tensor, row: torch.Tensor, chosen: torch.Tensor, rows: int
) -> tuple[torch.Tensor, torch.Tensor]:
    """(rows, d) the mean of each row's chosen (N,) vectors among x (N, d), zeros for none; (rows,) their number."""
    weight = chosen.to(x.dtype)
    count = x.new_zeros(rows).index_add(0, row, weight)
    total = x.new_zeros(rows, x.shape[1]).index_add(0, row, x * weight[:, None])
    return total / count.clamp(min=1)[:, None], count


class GraphConvolution(nn.Module):
    """One layer of the paper's GCN (appendix C): LeakyReLU(A X W + b), A normalised and symmetric."""

    def __init__(self, dim: int, slope: float = 0.1) -> None:
        super().__init__()
        self.linear, self.slope = nn.Linear(dim, dim), slope

    def forward(self, adjacency: torch.Tensor, x: torch.Tensor) -> torch.Tensor:
        """(nodes, d) from (nodes, d)."""
        return self.transform(propagate(adjacency, x))

    def transform(self, neighbours: torch.Tensor) -> torch.Tensor:
        """The step after propagation: LeakyReLU(A X W + b) from A X."""
        return F.leaky_relu(self.linear(neighbours), self.slope)


def initialise(module: nn.Module, deviation: float | None = None) -> None:
    """Xavier-normal weights of all matrices and zero biases, as in SASRec's ports and the original's glorot.

    Several maps in one matrix (keys and values, the gates of recurrences) start slightly smaller than separate ones.
    With `deviation` the weights are normal with that standard deviation, independent of their shape, as in BERT.
    """
    for name, parameter in module.named_parameters():
        if parameter.dim() > 1 and deviation is not None:
            nn.init.normal_(parameter, std=deviation)
        elif parameter.dim() > 1:
            nn.init.xavier_normal_(parameter)
        elif name.endswith("bias"):
            nn.init.zeros_(parameter)

"""Layers that several systems share, on packed sequences: attention, the SASRec encoder, graph propagation."""

import math

import torch
import torch.nn.functional as F
from torch import nn

from semacdr.training.batches import Sequence
from semacdr.training.layout import Layout


def attend(
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    layout: Layout,
    dropout: float = 0.0,
    visible: torch.Tensor | None = None,
    null: torch.Tensor | None = None,
) -> torch.Tensor:
    """Single-head scaled dot-product attention (N_q, d) over packed queries (N_q, d), keys and values (N_k, d).

    Without `visible` it is causal self-attention: a token sees itself and what precedes it in its row. With `visible`
    (N_q,) a query sees that many first keys of its row, and before them the `null` key and value (2, d), so that no
    softmax is over nothing.
    """
    results = []
    if visible is not None:
        key, value = torch.cat([null[:1], key]), torch.cat([null[1:], value])
    for bucket in layout.buckets:
        keys = bucket.key if visible is None else F.pad(bucket.key + 1, (1, 0))
        k, v = F.embedding(keys, key), F.embedding(keys, value)  # (b, Lk, d)
        q = F.embedding(bucket.query, query)  # (b, Lq, d)
        index = torch.arange(k.shape[1], device=k.device)
        limit = index[:, None] if visible is None else visible[bucket.query][..., None]
        hidden = index > limit  # (L, L) or (b, Lq, 1 + Lk); padding comes last, so no real token sees it
        scores = (q @ k.mT / math.sqrt(q.shape[-1])).masked_fill(hidden, -torch.inf)
        weights = F.dropout(scores.softmax(-1), dropout, training=dropout > 0)
        results.append((weights @ v).flatten(0, 1))
    return F.embedding(layout.restore, torch.cat(results)) if results else query[:0]


class Block(nn.Module):
    """A SASRec block (Kang & McAuley 2018, section III-B): only the query is normalised, the residual is that query."""

    def __init__(self, dim: int, dropout: float) -> None:
        super().__init__()
        self.attention_norm, self.forward_norm = nn.LayerNorm(dim, eps=1e-8), nn.LayerNorm(dim, eps=1e-8)
        self.query, self.key, self.value = nn.Linear(dim, dim), nn.Linear(dim, dim), nn.Linear(dim, dim)
        self.inner, self.outer = nn.Linear(dim, dim), nn.Linear(dim, dim)
        self.dropout = dropout

    def forward(self, x: torch.Tensor, layout: Layout) -> torch.Tensor:
        """(N, d) from (N, d)."""
        rate = self.dropout if self.training else 0.0
        q = self.attention_norm(x)
        x = q + attend(self.query(q), self.key(x), self.value(x), layout, rate)
        y = self.forward_norm(x)
        hidden = F.dropout(F.relu(self.inner(y)), rate, self.training)
        return y + F.dropout(self.outer(hidden), rate, self.training)


class Encoder(nn.Module):
    """SASRec's encoder of a packed sequence of item vectors: scaled by sqrt(d), positions, blocks, final LayerNorm.

    Positions count from the start of the window, so that what comes later in a sequence changes nothing before it.
    """

    def __init__(self, dim: int, max_length: int, blocks: int, dropout: float) -> None:
        super().__init__()
        self.positions = nn.Embedding(max_length, dim)
        self.blocks = nn.ModuleList(Block(dim, dropout) for _ in range(blocks))
        self.norm = nn.LayerNorm(dim, eps=1e-8)
        self.dropout = nn.Dropout(dropout)

    def forward(self, vectors: torch.Tensor, sequence: Sequence) -> torch.Tensor:
        """States (N, d) of a sequence whose items have the vectors (N, d)."""
        x = self.dropout(vectors * math.sqrt(vectors.shape[-1]) + self.positions(sequence.positions))
        for block in self.blocks:
            x = block(x, sequence.layout)
        return self.norm(x)


class _Propagate(torch.autograd.Function):
    """A @ X for a symmetric sparse A: the backward is the same product, so nothing is transposed."""

    @staticmethod
    def forward(ctx, adjacency, x):
        ctx.adjacency = adjacency
        return adjacency @ x

    @staticmethod
    def backward(ctx, gradient):
        return None, ctx.adjacency @ gradient


def propagate(adjacency: torch.Tensor, x: torch.Tensor) -> torch.Tensor:
    """A @ X (nodes, d) with a symmetric sparse CSR adjacency."""
    return _Propagate.apply(adjacency, x)


class GraphConvolution(nn.Module):
    """One layer of the paper's GCN (appendix C): LeakyReLU(A X W + b), A normalised and symmetric."""

    def __init__(self, dim: int, slope: float = 0.1) -> None:
        super().__init__()
        self.linear, self.slope = nn.Linear(dim, dim), slope

    def forward(self, adjacency: torch.Tensor, x: torch.Tensor) -> torch.Tensor:
        """(nodes, d) from (nodes, d)."""
        return F.leaky_relu(self.linear(propagate(adjacency, x)), self.slope)


def initialise(module: nn.Module) -> None:
    """Xavier-normal weights of all matrices, zero biases: SASRec's public ports and the original's glorot alike."""
    for name, parameter in module.named_parameters():
        if parameter.dim() > 1:
            nn.init.xavier_normal_(parameter)
        elif name.endswith("bias"):
            nn.init.zeros_(parameter)

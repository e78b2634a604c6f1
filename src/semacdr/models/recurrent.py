"""Recurrent layers on packed sequences: at each place in time one step of all rows that are still there."""

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import nn

from semacdr.batching.batches import Sequence
from semacdr.batching.layout import Layout
from semacdr.models.dropout import dropout


class Timeline:
    """The tokens of a self-attention layout in the order of time: the first of all rows, the second of all rows, …

    Rows stand longest bucket first, so that those still there are always the first ones. Built on the device without
    asking it for lengths: a row is padded to its bucket's length, and what padding computes is thrown away.
    """

    def __init__(self, layout: Layout) -> None:
        sizes = [rows * length for rows, length, _ in layout.shapes]
        places = torch.arange(len(layout.query), device=layout.query.device).split(sizes) if sizes else ()
        buckets = [part.view(b, length) for part, (b, length, _) in zip(places, layout.shapes, strict=True)]
        buckets.sort(key=lambda bucket: -bucket.shape[1])
        order, begin, self.rows = [layout.query[:0].long()], 0, []
        while buckets:
            end = buckets[-1].shape[1]
            there = torch.cat([bucket[:, begin:end] for bucket in buckets])
            order.append(there.T.flatten())
            self.rows += [len(there)] * (end - begin)  # of each place in time
            begin = end
            buckets.pop()
        order = torch.cat(order)
        inverse = torch.empty_like(order)
        inverse[order] = torch.arange(len(order), device=order.device)
        self.tokens, self.restore = layout.query[order], inverse[layout.restore]

    def run(self, step: Callable, dim: int, *inputs: torch.Tensor) -> torch.Tensor:
        """States (N, dim) of packed tokens; `step` makes them of the states before and of each of `inputs` (N, ·).

        A row starts from zeros.
        """
        if not self.rows:
            return inputs[0].new_zeros(0, dim)
        state, states = inputs[0].new_zeros(self.rows[0], dim), []
        for parts in zip(*(F.embedding(self.tokens, x).split(self.rows) for x in inputs), strict=True):
            state = step(state[: len(parts[0])], *parts)
            states.append(state)
        return F.embedding(self.restore, torch.cat(states))


class GRU(nn.Module):
    """A gated recurrent unit with dropout of its inputs and, between its steps, of its state.

    Its gates start with bias 1, neither to reset nor to update much, as TensorFlow's do, on which π-Net was built.
    """

    def __init__(self, dim: int, rate: float, state_rate: float) -> None:
        super().__init__()
        self.input, self.state = nn.Linear(dim, 3 * dim), nn.Linear(dim, 3 * dim)  # of reset, update, candidate
        self.dim, self.rate, self.state_rate = dim, rate, state_rate

    def reset(self) -> None:
        """Start the biases of the gates at 1, whatever general initialisation did."""
        nn.init.ones_(self.input.bias[: 2 * self.dim])

    def forward(self, vectors: torch.Tensor, timeline: Timeline) -> torch.Tensor:
        """States (N, d) from vectors (N, d)."""
        x = self.input(dropout(vectors, self.rate if self.training else 0.0))
        inputs = x.split([2 * self.dim, self.dim], -1)
        if self.training and self.state_rate:
            inputs = (*inputs, dropout(torch.ones_like(vectors), self.state_rate))
        return timeline.run(self._step, self.dim, *inputs)

    def _step(self, state, gates, candidate, kept: torch.Tensor | float = 1.0) -> torch.Tensor:
        """(rows, d); `kept` is what dropout multiplies the state with."""
        state = state * kept
        of_gates, of_candidate = self.state(state).split([2 * self.dim, self.dim], -1)
        reset, update = (gates + of_gates).sigmoid().chunk(2, -1)
        new = (candidate + reset * of_candidate).tanh()
        return torch.lerp(new.to(state.dtype), state, update.to(state.dtype))  # under autocast they are of other types


def latest(states: torch.Tensor, sequence: Sequence, row: torch.Tensor, count: torch.Tensor) -> torch.Tensor:
    """(len(row), d): the state of the last of the first `count` tokens in each row; zeros where that is none."""
    start = (sequence.lengths.cumsum(0) - sequence.lengths)[row]
    states = torch.cat([states.new_zeros(1, states.shape[1]), states])
    return F.embedding(torch.where(count > 0, start + count, 0), states)

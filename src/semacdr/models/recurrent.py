"""Recurrent layers on packed sequences: at each place in time one step of all rows that are still there."""

import warnings
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

    def run(self, steps: Callable, weights: tuple[torch.Tensor, ...], *inputs: torch.Tensor) -> torch.Tensor:
        """States (N, d) of packed tokens, a row starting from zeros: what `steps` makes of `inputs` (N, ·) in order."""
        ordered = (F.embedding(self.tokens, x) for x in inputs)
        with torch.jit.optimized_execution(False):  # it would sum gradients in another order, and be no faster
            return F.embedding(self.restore, steps(self.rows, *weights, *ordered))


def compiled(steps: Callable) -> Callable:
    """`steps` as a program of its own, in TorchScript: a loop over places in time that does not run in Python.

    PyTorch advises `torch.compile` instead, which needs a C++ compiler wherever it runs.
    """
    with warnings.catch_warnings(action="ignore", category=DeprecationWarning):
        return torch.jit.script(steps)


@compiled
def gru_steps(
    rows: list[int], weight: torch.Tensor, bias: torch.Tensor, inputs: torch.Tensor, kept: torch.Tensor | None = None
) -> torch.Tensor:
    """States (N, d) from inputs (N, 3d) in the order of time, `rows` of them at each place.

    `kept` (N, d) is what dropout multiplies the states before with.
    """
    parts = [2 * weight.shape[1], weight.shape[1]]
    state, states = inputs.new_zeros(rows[0] if rows else 0, parts[1]), [inputs.new_zeros(0, parts[1])]
    keeping = kept.split(rows) if kept is not None else []
    for place, x in enumerate(inputs.split(rows)):
        state = state[: len(x)]
        if kept is not None:
            state = state * keeping[place]
        gates, candidate = x.split(parts, -1)
        of_gates, of_candidate = F.linear(state, weight, bias).split(parts, -1)
        reset, update = (gates + of_gates).sigmoid().chunk(2, -1)
        new = (candidate + reset * of_candidate).tanh()
        state = torch.lerp(new.to(state.dtype), state, update.to(state.dtype))  # under autocast they are of other types
        states.append(state)
    return torch.cat(states)


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
        inputs = [self.input(dropout(vectors, self.rate if self.training else 0.0))]
        if self.training and self.state_rate:
            inputs.append(dropout(torch.ones_like(vectors), self.state_rate))
        return timeline.run(gru_steps, (self.state.weight, self.state.bias), *inputs)


def latest(states: torch.Tensor, sequence: Sequence, row: torch.Tensor, count: torch.Tensor) -> torch.Tensor:
    """(len(row), d): the state of the last of the first `count` tokens in each row; zeros where that is none."""
    start = (sequence.lengths.cumsum(0) - sequence.lengths)[row]
    states = torch.cat([states.new_zeros(1, states.shape[1]), states])
    return F.embedding(torch.where(count > 0, start + count, 0), states)

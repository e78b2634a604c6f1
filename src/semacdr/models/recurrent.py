"""Recurrent layers on packed sequences: at each place in time one step of all rows that are long enough."""

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

    Rows of the longest bucket come first, so the rows that go on are always the first ones. Building it does not read
    lengths from the device: a row is padded to its bucket's length, and results of padding are dropped.
    """

    def __init__(self, layout: Layout) -> None:
        sizes = [rows * length for rows, length, _ in layout.shapes]
        places = torch.arange(len(layout.query), device=layout.query.device).split(sizes) if sizes else ()
        buckets = [part.view(b, length) for part, (b, length, _) in zip(places, layout.shapes, strict=True)]
        buckets.sort(key=lambda bucket: -bucket.shape[1])
        self.rows: list[int] = []  # rows at each place in time
        parts, begin = [layout.query[:0].long()], 0
        while buckets:
            end = buckets[-1].shape[1]
            present = torch.cat([bucket[:, begin:end] for bucket in buckets])
            parts.append(present.T.flatten())
            self.rows += [len(present)] * (end - begin)
            begin = end
            buckets.pop()
        order = torch.cat(parts)
        inverse = torch.empty_like(order)
        inverse[order] = torch.arange(len(order), device=order.device)
        self.tokens, self.restore = layout.query[order], inverse[layout.restore]

    def run(self, steps: Callable, weights: tuple[torch.Tensor, ...], *inputs: torch.Tensor) -> torch.Tensor:
        """States (N, d) of packed tokens: `steps` applied to `inputs` (N, ·) in order, each row starting from zeros."""
        ordered = (F.embedding(self.tokens, x) for x in inputs)
        with torch.jit.optimized_execution(False):  # it would sum gradients in another order and is not faster
            return F.embedding(self.restore, steps(self.rows, *weights, *ordered))


def compiled(steps: Callable) -> Callable:
    """`steps` compiled by TorchScript, so that the loop over places in time does not run in Python.

    PyTorch recommends `torch.compile` instead, which needs a C++ compiler on every machine.
    """
    with warnings.catch_warnings(action="ignore", category=DeprecationWarning):
        return torch.jit.script(steps)


@compiled
def gru_steps(
    rows: list[int], weight: torch.Tensor, bias: torch.Tensor, inputs: torch.Tensor, kept: torch.Tensor | None = None
) -> torch.Tensor:
    """States (N, d) from inputs (N, 3d) in the order of time, `rows` of them at each place.

    `kept` (N, d) are the dropout factors of the previous states.
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
        state = torch.lerp(new.to(state.dtype), state, update.to(state.dtype))  # under autocast their types differ
        states.append(state)
    return torch.cat(states)


class GRU(nn.Module):
    """A gated recurrent unit with dropout of its inputs and, between steps, of its state.

    The biases of its gates start at 1, as in TensorFlow, in which π-Net was written.
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
    """(len(row), d): the state of the last of the first `count` tokens of each row; zeros if there are none."""
    start = (sequence.lengths.cumsum(0) - sequence.lengths)[row]
    states = torch.cat([states.new_zeros(1, states.shape[1]), states])
    return F.embedding(torch.where(count > 0, start + count, 0), states)

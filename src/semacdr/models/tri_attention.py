"""Tri-CDR's triple cross-domain attention: DIN's activation unit with a softmax, over the events that a step sees.

The pairs of a step and an event that it sees are listed one after the other, so that nothing is computed for hidden
events or padding. Their number is the sum over rows of products of lengths.
"""

from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import nn

from semacdr.batching.batches import Sequence

HIDDEN = (80, 40)


class Visible(NamedTuple):
    """The P pairs of N steps and the tokens of a sequence that they see, by step."""

    step: torch.Tensor  # (P,)
    token: torch.Tensor  # (P,)
    begin: torch.Tensor  # (N,) the first pair of each step

    @classmethod
    def first(cls, count: torch.Tensor, sequence: Sequence, row: torch.Tensor) -> "Visible":
        """Each step sees the first `count` (N,) tokens of its row (N,) of the sequence."""
        starts = _starts(sequence, row)
        count = count.long()
        begin = count.cumsum(0) - count
        step = torch.repeat_interleave(count)
        place = torch.arange(len(step), device=step.device)
        return cls(step, place + (starts - begin).index_select(0, step), begin)

    @classmethod
    def until(cls, last: torch.Tensor, sequence: Sequence, row: torch.Tensor) -> "Visible":
        """Each step sees its row's tokens before the token `last` (N,) of the whole batch; none if that is 0."""
        return cls.first((last - _starts(sequence, row)).clamp(min=0), sequence, row)

    def mean(self, x: torch.Tensor) -> torch.Tensor:
        """(N, d): the mean of the x (tokens, d) that each step sees; zeros if it sees none."""
        return F.embedding_bag(self.token, x, self.begin, mode="mean")

    def softmax(self, logits: torch.Tensor) -> torch.Tensor:
        """(P,): the softmax of logits (P,) over each step's pairs."""
        peak = logits.new_full(self.begin.shape, -torch.inf).scatter_reduce(0, self.step, logits.detach(), "amax")
        weight = (logits - peak.index_select(0, self.step)).exp()
        total = weight.new_zeros(self.begin.shape).index_add(0, self.step, weight)
        return weight / total.index_select(0, self.step)

    def weighted(self, x: torch.Tensor, weight: torch.Tensor) -> torch.Tensor:
        """(N, d): the sum of the x (tokens, d) that each step sees, weighted by (P,); zeros if none."""
        return F.embedding_bag(self.token, x, self.begin, mode="sum", per_sample_weights=weight)


def _starts(sequence: Sequence, row: torch.Tensor) -> torch.Tensor:
    """(N,): the first token of each row (N,)."""
    return (sequence.lengths.cumsum(0) - sequence.lengths).index_select(0, row)


class TripleAttention(nn.Module):
    """An MLP of fact, query, their product and difference, and the global vector gives an event's weight.

    The first layer is linear in fact, query and global vector, so these parts are mapped once for each token, and only
    the product once for each pair. The last layer has no bias, because a softmax cancels it.
    """

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.first, self.second = nn.Linear(5 * dim, HIDDEN[0]), nn.Linear(*HIDDEN)
        self.last = nn.Linear(HIDDEN[1], 1, bias=False)
        self.first_slope, self.second_slope = nn.PReLU(), nn.PReLU()

    def forward(
        self, query: torch.Tensor, context: torch.Tensor, facts: torch.Tensor, visible: Visible
    ) -> torch.Tensor:
        """(N, d): for queries and global vectors (N, d) the weighted sum of the facts (tokens, d) that each sees."""
        of_fact, of_query, of_product, of_difference, of_context = self.first.weight.split(query.shape[1], 1)
        by_fact = F.linear(facts, of_fact - of_difference)
        by_query = F.linear(query, of_query + of_difference, self.first.bias) + F.linear(context, of_context)
        step, token, _ = visible
        product = F.embedding(step, query) * F.embedding(token, facts)
        hidden = F.linear(product, of_product) + F.embedding(step, by_query) + F.embedding(token, by_fact)
        hidden = self.second_slope(self.second(self.first_slope(hidden)))
        logits = self.last(hidden).squeeze(-1).to(facts.dtype)  # under autocast their type differs
        return visible.weighted(facts, visible.softmax(logits))

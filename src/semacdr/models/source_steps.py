"""The steps of the source domain in a training batch, for models that also learn to rank the next source item."""

from typing import NamedTuple

import torch

from semacdr.batching.batches import Batch
from semacdr.models.losses import softmax_loss


class SourceSteps(NamedTuple):
    """For each of the N_s source tokens, whose item is the positive, what precedes it; `counted` are the steps.

    A step needs an event before it in the mixed window. Source events after the last training positive are no steps.
    """

    mixed_before: torch.Tensor  # (N_s,) token of `mixed` before the event; any token where not counted
    source_before: torch.Tensor  # (N_s,) token of `source` before the event, plus 1; 0 if the window has none
    counted: torch.Tensor  # (N_s,) bool


def source_steps(batch: Batch) -> SourceSteps:
    """The steps of a batch; it has none if no source token is counted."""
    place = batch.source_place  # counts from 1; 0 is no token
    counted = (place > 0) & (batch.mixed.positions[(place - 1).clamp(min=0)] > 0)
    token = torch.arange(len(place), device=place.device)
    return SourceSteps((place - 2).clamp(min=0), token * (batch.source.positions > 0), counted)


def source_loss(steps: SourceSteps, states: torch.Tensor, items: torch.Tensor, batch: Batch) -> torch.Tensor:
    """Softmax cross-entropy over the source items (n, d), the mean over the counted steps, from states (N_s, d)."""
    count = steps.counted.sum().clamp(min=1)
    return softmax_loss(states, items, batch.source.items, count, steps.counted)

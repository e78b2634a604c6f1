"""EASE (Steck, WWW 2019): a linear autoencoder over items in closed form; no item predicts itself.

With X the binary matrix of users and the items of their training events, B minimises |X - XB|² + l2 |B|² with a zero
diagonal: B = I - P diag(P)^-1, P = (X'X + l2 I)^-1. A user's scores are xB, where x has the items of the user's window.

Differences from the paper: an event in x has the weight decay^age instead of 1; X and x may have the events of both
domains, and only the columns of B of target items are kept.
"""

from dataclasses import dataclass
from typing import Literal

import torch
import torch.nn.functional as F

from semacdr.batching.batches import Batch
from semacdr.errors import UserError
from semacdr.models import base, votes
from semacdr.models.co_occurrence import CoOccurrence
from semacdr.runtime.settings import Count, Positive, Share, setting

INPUTS = ()
LOSS = None
CHUNK = 512  # columns of X'X that are counted at once
DENSE = 3  # float64 matrices of all items that are in memory at the same time


@dataclass(frozen=True)
class Settings:
    """Settings of EASE."""

    history: Literal["target", "mixed"] = setting("target", "events that are read: of the target, or of both domains")
    l2: Positive = setting(100.0, "weight of the squared norm of B")
    decay: Share = setting(0.6, "weight of an event relative to the next event's; 1: all weigh the same")
    max_items: Count = setting(
        20_000, "items that the dense matrix may have; memory grows with its square", tunable=False
    )


class Model(base.Model):
    """B from the items of the history to the target items."""

    reads_events = True

    weights: torch.Tensor

    def __init__(self, inputs: base.ModelInputs, settings: Settings) -> None:
        super().__init__()
        history, mixed = inputs.history, settings.history == "mixed"
        self.settings, self.target = settings, history.target_items
        self.items = range(len(history.source_items) + len(self.target)) if mixed else self.target
        check_memory(len(self.items), settings)
        users, items, target = CoOccurrence(history, mixed), self.items, self.target
        gram = torch.empty(len(items), len(items), dtype=torch.float64)
        for begin in range(items.start, items.stop, CHUNK):
            end = min(begin + CHUNK, items.stop)
            gram[:, begin - items.start : end - items.start] = users.columns(begin, end)[items.start : items.stop]
        weights = autoencoder(gram, settings.l2)[:, target.start - items.start : target.stop - items.start]
        self.register_buffer("weights", weights.float().contiguous())

    def scores(self, prepared: None, batch: Batch) -> torch.Tensor:
        """(B, target items): the decayed sum of the rows of B of the window's items."""
        events = votes.events_of(batch, self.settings.history == "mixed", self.target, self.settings.decay)
        begins = torch.searchsorted(events.row, torch.arange(events.rows, device=events.row.device))
        weight = events.weight.to(self.weights.dtype)
        item = events.item - self.items.start
        return F.embedding_bag(item, self.weights, begins, mode="sum", per_sample_weights=weight)


def autoencoder(gram: torch.Tensor, l2: float) -> torch.Tensor:
    """(items, items) f64: B of a Gram matrix X'X, which is overwritten."""
    gram.diagonal().add_(l2)
    inverse = torch.cholesky_inverse(torch.linalg.cholesky(gram))
    weights = inverse.div_(-inverse.diagonal().clone())
    weights.diagonal().zero_()
    return weights


def check_memory(items: int, settings: Settings) -> None:
    """Raise a UserError if there are more items than the settings allow."""
    if items > settings.max_items:
        gigabytes = DENSE * 8 * items**2 / 1e9
        less = "use `history: target`, " if settings.history == "mixed" else ""
        raise UserError(
            f"ease needs about {gigabytes:.0f} GB for {items:,} items, more than its setting max_items"
            f" ({settings.max_items:,}) allows; {less}raise max_items, raise preprocess.min_item_interactions, or use"
            " item_knn or seq_rules, whose memory grows with the events"
        )

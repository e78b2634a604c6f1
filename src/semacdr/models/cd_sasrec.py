"""CD-SASRec (Alharbi & Caragea 2021/2022): SASRec whose target items get an aggregate of the user's source items.

There is no public code, and the paper's text is not available; this follows published descriptions ("integrating
the source-domain aggregated vector into the target-domain item embedding"), and semacdr.models.sasrec for the rest.
Each step aggregates only the source events before its positive: the most literal reading, the user's whole source
history, contains the future (visibility `all` measures that leak). With `source_vectors: own` the source vectors
are learned in the same run instead of an earlier one, by SASRec's published loss whatever the other loss is: binary
cross-entropy with one negative a step, here uniform over all source items, including the user's own.
"""

from dataclasses import dataclass
from typing import Literal

import torch
import torch.nn.functional as F
from torch import nn

from semacdr.batching.batches import Batch
from semacdr.models import base
from semacdr.models.attention import attend_across
from semacdr.models.layers import Encoder, embed, initialise
from semacdr.models.settings import EncoderSettings
from semacdr.runtime.settings import setting

INPUTS = ()
LOSS = "bce"


@dataclass(frozen=True)
class Settings(EncoderSettings):
    """Settings of CD-SASRec: readings of what the descriptions leave open."""

    aggregate: Literal["mean", "attention"] = setting(
        "mean", "of the source items: mean, or attention with the step's target item as query (the authors' CD-ASR)"
    )
    fuse: Literal["add", "concat"] = setting("add", "how the aggregate joins the target item; concat maps to d again")
    source_vectors: Literal["joint", "own"] = setting(
        "joint",
        "joint: learned with the target; own: by a SASRec of the source sequence, and constant for the target",
    )


class Model(base.Model):
    """States are the encoder's outputs, item vectors the rows of the target item table."""

    def __init__(self, inputs: base.ModelInputs, settings: Settings) -> None:
        super().__init__()
        self.settings, history, dim = settings, inputs.history, settings.dim
        self.items, self.source_items = (
            nn.Embedding(len(items), dim) for items in (history.target_items, history.source_items)
        )
        self.query = nn.Linear(dim, dim) if settings.aggregate == "attention" else None
        self.join = nn.Linear(2 * dim, dim, bias=False) if settings.fuse == "concat" else None
        sizes = (dim, inputs.max_length, settings.blocks, settings.dropout, settings.norm)
        self.encoder = Encoder(*sizes)
        self.source_encoder = Encoder(*sizes) if settings.source_vectors == "own" else None
        initialise(self)

    def states(self, prepared: None, batch: Batch) -> torch.Tensor:
        """(N_t, d)."""
        items = embed(batch.target, self.items.weight)
        source = self._aggregate(items, batch)
        vectors = items + source if self.join is None else self.join(torch.cat([items, source], -1))
        return self.encoder(vectors, batch.target)

    def _aggregate(self, items: torch.Tensor, batch: Batch) -> torch.Tensor:
        """(N_t, d): of the source items that precede each step's positive; zeros where there is none."""
        source = embed(batch.source, self.source_items.weight)
        if self.settings.source_vectors == "own":
            source = source.detach()
        if self.settings.aggregate == "mean":
            return prefix_means(source, batch)
        assert self.query is not None
        joint = torch.cat([source, source], -1)
        return attend_across(self.query(items), joint, batch.source_visible, None, batch.cross, 0.0)

    def item_vectors(self, prepared: None) -> torch.Tensor:
        """(target items, d)."""
        return self.items.weight

    def auxiliary_loss(self, prepared: None, batch: Batch) -> torch.Tensor | float:
        """Where source vectors are their own: SASRec's loss over the source sequence, a uniform negative a step."""
        if self.source_encoder is None:
            return 0.0
        table, items, row = self.source_items.weight, batch.source.items, batch.source.row
        states = self.source_encoder(embed(batch.source, table), batch.source)[:-1]
        negatives = torch.randint(len(table), items[1:].shape, device=items.device)
        positive, negative = ((states * F.embedding(other, table)).sum(-1) for other in (items[1:], negatives))
        followed = row[1:] == row[:-1]  # a row's last event has no next one
        return ((F.softplus(-positive) + F.softplus(negative)) * followed).sum() / followed.sum().clamp(min=1)


def prefix_means(source: torch.Tensor, batch: Batch) -> torch.Tensor:
    """(N_t, d): the mean of the visible ones of the row's source vectors (N_s, d); zeros where none is.

    Sums of prefixes are differences of running sums over the whole batch, so these are kept in float64.
    """
    running = F.pad(source.double().cumsum(0), (0, 0, 1, 0))
    first = (torch.cumsum(batch.source.lengths, 0) - batch.source.lengths)[batch.target.row]
    sums = F.embedding(first + batch.source_visible, running) - F.embedding(first, running)
    return (sums / batch.source_visible.clamp(min=1)[:, None]).to(source.dtype)

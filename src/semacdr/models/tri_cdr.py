"""Tri-CDR (Ma et al., ACM TOIS 2024): triple sequences, triple cross-domain attention, triple contrastive learning.

The mixed, the source and the target sequence each have a SASRec encoder. A target step attends to the visible
states of all three, with its own state as query; the results are fused, and the cosine with target items is the
score.

Before that, each encoder is pre-trained on its sequence as a SASRec, in the same run, for a fixed number of epochs,
with SASRec's published loss whatever the main loss is: binary cross-entropy with one negative a step, here uniform
over all items of the sequence, including the user's own. The source sequence is the one of the training rows: of
users with a training step, up to their last positive. Without pre-training the triplet loss, at its published
weight, moves all states in the same direction before the encoders separate items. With softmax losses the score, 5
times a cosine, limits the positive's share (`scale`).

Differences from the official code: nothing is stopped or chosen on the test split. A step without visible events of
a sequence gets zeros (the official code: the mean over all positions, future ones included), and a user whose last
step sees no source event is left out of the losses on the source representation. The mixed sequence contains the
validation event at test, like the target sequence. The learning rate does not decay. Positions count from the first
event of the window. There is no padding, so it gets no attention. No linear map follows the encoders' attention.
Users with one event in a sequence are trained on if they have a target step. A table contains only items that its
sequence can have, so source and target share one.

`semantics` is SemaCDR's Enhanced Tri-CDR (arXiv 2604.09551): every item vector gets the item's inner-domain and
domain-agnostic view, also in pre-training, and SemaCDR's eq. 3 aligns the views.
"""

from dataclasses import dataclass
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import nn

from semacdr.batching.batches import Batch, Sequence
from semacdr.errors import UserError
from semacdr.models import base
from semacdr.models.layers import Encoder, embed, initialise
from semacdr.models.losses import step_loss
from semacdr.models.next_item_labels import is_followed, next_item_labels
from semacdr.models.settings import EnhancedSettings
from semacdr.models.tri_attention import TripleAttention, Visible
from semacdr.models.views import Enhancement, nt_xent
from semacdr.runtime.settings import Natural, NonNegative, Positive, setting

INPUTS = ()
SETTING_INPUTS = {"semantics": ("agnostic", "embeddings")}
LOSS = "bce"
SEQUENCES = ("mixed", "source", "target")


@dataclass(frozen=True)
class Settings(EnhancedSettings):
    """Settings of Tri-CDR, as published for Game to Toy, except `pretraining`: the published encoders come pre-trained
    from files that are not public.
    """

    scale: Positive = setting(5.0, "factor of the cosine that is the score")
    coarse_weight: NonNegative = setting(0.1, "weight of the contrast between sequences")
    mixed_source: NonNegative = setting(
        1.0, "weight of the mixed and source pair in that contrast; the three weights are divided by their sum"
    )
    mixed_target: NonNegative = setting(1.0, "weight of the mixed and target pair in that contrast")
    source_target: NonNegative = setting(1.0, "weight of the source and target pair in that contrast")
    temperature: Positive = setting(0.1, "temperature of that contrast")
    fine_weight: NonNegative = setting(10.0, "weight of the triplet loss")
    margin: NonNegative = setting(4.0, "margin of the triplet loss")
    pretraining: Natural = setting(20, "epochs in which each encoder is first trained on its sequence")


class Prepared(NamedTuple):
    """What all batches share, (items of the scenario, d) each."""

    own: torch.Tensor  # item vectors of the source and the target encoder
    mixed: torch.Tensor  # of the mixed encoder
    views: dict[str, torch.Tensor]  # identity, inner, agnostic, where semantics are on


def check(settings: Settings) -> None:
    """Raise a UserError where no pair of sequences has a weight."""
    pairs = {name: getattr(settings, name) for name in ("mixed_source", "mixed_target", "source_target")}
    if sum(pairs.values()) <= 0:
        raise UserError(f"tri_cdr: one of {', '.join(pairs)} must be above 0")


class Model(base.Model):
    """Triple sequences, their attention (TCA) and their contrastive learning."""

    def __init__(self, inputs: base.ModelInputs, settings: Settings) -> None:
        super().__init__()
        check(settings)
        history, dim = inputs.history, settings.dim
        self.settings, self.source_items, self.target_items = settings, history.source_items, history.target_items
        items = len(self.source_items) + len(self.target_items)
        self.own, self.mixed = nn.Embedding(items, dim), nn.Embedding(items, dim)
        self.semantic = Enhancement(inputs, settings) if settings.semantics else None
        self.pretraining_epochs = settings.pretraining
        self.distinct_items = settings.semantic_items if settings.semantics else 0
        encoder = dim, inputs.max_length, settings.blocks, settings.dropout, settings.norm
        self.encoders = nn.ModuleDict({name: Encoder(*encoder) for name in SEQUENCES})
        self.attention = TripleAttention(dim)
        self.fuse = nn.Sequential(nn.Linear(3 * dim, dim), nn.LeakyReLU(), nn.Linear(dim, dim))
        heads = SEQUENCES if settings.coarse_weight or settings.fine_weight else ()
        self.heads = nn.ModuleDict(
            {name: nn.Sequential(nn.Linear(dim, dim), nn.ReLU(), nn.Linear(dim, dim)) for name in heads}
        )
        initialise(self)

    def prepare(self) -> Prepared:
        """The item vectors: rows of the tables, plus semantic views if enhanced, the same for both tables."""
        own, mixed = self.own.weight, self.mixed.weight
        if self.semantic is None:
            return Prepared(own, mixed, {})
        views = self.semantic.views(own)
        semantic = views["inner"] + views["agnostic"]
        return Prepared(own + semantic, mixed + semantic, views)

    def states(self, prepared: Prepared, batch: Batch) -> torch.Tensor:
        """(N_t, d), of length `scale`."""
        return self._fused(self._attended(prepared, batch))

    def item_vectors(self, prepared: Prepared) -> torch.Tensor:
        """(target items, d), of length one."""
        return F.normalize(prepared.own[self.target_items.start : self.target_items.stop], dim=-1)

    def states_and_auxiliary_loss(self, prepared: Prepared, batch: Batch) -> tuple[torch.Tensor, torch.Tensor | float]:
        """The states and the losses over the same attention results; with eq. 3 if enhanced."""
        attended = self._attended(prepared, batch)
        loss = self._contrast(attended, batch) if self.heads else 0.0
        if self.semantic is not None:
            loss = loss + self.semantic.loss(prepared.views, batch)
        return self._fused(attended), loss

    def scores(self, prepared: Prepared, batch: Batch) -> torch.Tensor:
        """(B, target items): only each row's last step attends, which avoids nearly all of the attention."""
        return self._fused(self._attended(prepared, batch, batch.last)) @ self.item_vectors(prepared).T

    def _attended(self, prepared: Prepared, batch: Batch, steps: torch.Tensor | None = None) -> dict[str, torch.Tensor]:
        """By sequence, the attention result of each target step, or only of `steps` (S,); (N_t or S, d) each."""
        facts = {name: self._encoded(vectors, getattr(batch, name), name) for name, vectors in self._tables(prepared)}
        of_step = [
            facts["target"],
            batch.target.row,
            batch.mixed_last,
            batch.source_visible,
            batch.target.positions + 1,
        ]
        if steps is not None:
            of_step = [part.index_select(0, steps) for part in of_step]
        query, row, mixed, source, target = of_step
        visible = {
            "mixed": Visible.until(mixed, batch.mixed, row),
            "source": Visible.first(source, batch.source, row),
            "target": Visible.first(target, batch.target, row),
        }
        context = visible["mixed"].mean(facts["mixed"])
        return {name: self.attention(query, context, facts[name], visible[name]) for name in SEQUENCES}

    def _tables(self, prepared: Prepared) -> list[tuple[str, torch.Tensor]]:
        """The vectors of the items that each sequence can hold."""
        source, target = (prepared.own[d.start : d.stop] for d in (self.source_items, self.target_items))
        return list(zip(SEQUENCES, (prepared.mixed, source, target), strict=True))

    def _encoded(self, vectors: torch.Tensor, sequence: Sequence, name: str) -> torch.Tensor:
        return self.encoders[name](embed(sequence, vectors), sequence)

    def pretraining_loss(self, batch: Batch) -> torch.Tensor:
        """SASRec's loss (section III-E) of the next item in each sequence."""
        losses = []
        labels = {"mixed": next_item_labels(batch, self.target_items), "target": batch.positives.long()}
        for name, vectors in self._tables(self.prepare()):
            sequence = getattr(batch, name)
            states, positives = self._encoded(vectors, sequence, name), labels.get(name)
            if positives is None:  # the row ends with its last source event
                followed = is_followed(sequence).nonzero()[:, 0]
                states, positives = states.index_select(0, followed), sequence.items.index_select(0, followed + 1)
            if len(positives):  # a small batch may have no source event with a successor
                negatives = torch.randint(len(vectors), (len(positives), 1), device=positives.device)
                losses.append(step_loss("bce", states, vectors, positives, negatives))
        total = losses[0]
        for loss in losses[1:]:
            total = total + loss
        return total

    def _fused(self, attended: dict[str, torch.Tensor]) -> torch.Tensor:
        """(N_t, d): a step's state from its attention results."""
        fused = self.fuse(torch.cat([attended[name] for name in SEQUENCES], -1))
        return self.settings.scale * F.normalize(fused, dim=-1)

    def _contrast(self, attended: dict[str, torch.Tensor], batch: Batch) -> torch.Tensor:
        """The coarse and the fine loss over the rows' last steps."""
        settings = self.settings
        mixed, source, target = (self.heads[name](attended[name].index_select(0, batch.last)) for name in SEQUENCES)
        visible = torch.nonzero(batch.source_visible.index_select(0, batch.last))[:, 0]
        rates = settings.mixed_source, settings.mixed_target, settings.source_target
        loss = rates[1] * nt_xent(mixed, target, settings.temperature, cosine=True)
        fine: torch.Tensor | float = 0.0
        if len(visible):
            mixed, source, target = (part.index_select(0, visible) for part in (mixed, source, target))
            loss = loss + rates[0] * nt_xent(mixed, source, settings.temperature, cosine=True)
            loss = loss + rates[2] * nt_xent(source, target, settings.temperature, cosine=True)
            fine = F.triplet_margin_loss(source, mixed, target, margin=settings.margin)
        return settings.coarse_weight * loss / sum(rates) + settings.fine_weight * fine

"""SASRec (Kang & McAuley, ICDM 2018): causal self-attention over the target sequence.

As published: learned positions, blocks that normalise the query, one item table for input and score, input scaled
by sqrt(d). Differences from the original and its ports: positions count from the first event of the window, and
there is no padding, so it gets no attention. Further differences from the ports: no linear map follows attention,
and blocks normalise the query, where some ports normalise last (`norm`).

Beyond the paper, to tell what text, the source domain and an architecture are worth:

history, loss_over   `mixed` reads the events of both domains as one sequence, with one table. The loss is over the
                     target steps, the same as in every system, or (both) over all events of the sequence, whose next
                     item is ranked among the items of both domains. Source events after the last training positive
                     are never learned. Only loss ce ranks the target steps among both; another loss does so among
                     target items.
text                 text vectors in the item vectors, in the forms of semacdr.models.item_text.
shared_categories    SemaCDR's domain-agnostic view (semacdr.models.views) is added to the item vectors.
"""

from dataclasses import dataclass
from typing import Literal

import torch
import torch.nn.functional as F
from torch import nn

from semacdr.batching.batches import Batch
from semacdr.errors import UserError
from semacdr.models import base
from semacdr.models.item_text import FORMS, begin_with_text
from semacdr.models.layers import Encoder, at_places, embed, initialise
from semacdr.models.losses import softmax_loss
from semacdr.models.next_item_labels import next_item_labels
from semacdr.models.settings import EncoderSettings
from semacdr.models.views import SemanticViews
from semacdr.runtime.settings import Count, setting

INPUTS = ()
SETTING_INPUTS = {"text": ("embeddings",), "shared_categories": ("agnostic",)}
LOSS = "bce"


@dataclass(frozen=True)
class Settings(EncoderSettings):
    """Settings of SASRec: the common ones, and those beyond the paper."""

    history: Literal["target", "mixed"] = setting("target", "events that are read: of the target, or of both domains")
    loss_over: Literal["target", "both"] = setting(
        "target", "positives: target items, or (both, only with mixed history) the items of both domains"
    )
    text: Literal["none", "init", "project", "whiten", "moe", "null_space"] = setting(
        "none",
        "text in item vectors: none; initial values from principal components (init); added to the table by a linear "
        "map (project), by one of whitened text (whiten), or by a mixture of 8 (moe, as UniSRec); frozen whitened text "
        "with the table in its last directions (null_space, as AlphaFuse)",
    )
    null_dim: Count | None = setting(
        None, "for text null_space: directions that the table is added to, at most dim; null: half of dim"
    )
    shared_categories: bool = setting(False, "add SemaCDR's domain-agnostic view to item vectors")


def check(settings: Settings) -> None:
    """Raise a UserError for settings that do not fit together."""
    if settings.loss_over == "both" and settings.history != "mixed":
        raise UserError("sasrec: loss_over both needs history mixed: the target's history has no source events")
    if settings.null_dim is not None and settings.null_dim > settings.dim:
        raise UserError(f"sasrec: null_dim is {settings.null_dim}, but there are only {settings.dim} directions (dim)")


class Model(base.Model):
    """States are the encoder's outputs; item vectors are the rows of the item table, perhaps with text."""

    def __init__(self, inputs: base.ModelInputs, settings: Settings) -> None:
        super().__init__()
        check(settings)
        source, target = inputs.history.source_items, inputs.history.target_items
        self.settings, self.mixed = settings, settings.history == "mixed"
        self.source, self.target = source, target
        self.known = range(len(source) + len(target)) if self.mixed else target  # the items with a vector
        dim = settings.dim
        width = (settings.null_dim or max(1, dim // 2)) if settings.text == "null_space" else dim
        self.items = nn.Embedding(len(self.known), width)
        self.encoder = Encoder(dim, inputs.max_length, settings.blocks, settings.dropout, settings.norm)
        text = self._text(inputs)
        self.text = FORMS[settings.text](text, dim) if text is not None and settings.text in FORMS else None
        self.categories = SemanticViews(inputs, dim, False, True) if settings.shared_categories else None
        initialise(self)
        if text is not None and settings.text == "init":
            begin_with_text(self.items.weight, text)

    def _text(self, inputs: base.ModelInputs) -> torch.Tensor | None:
        """(known items, width), or None where the settings use no text."""
        if self.settings.text == "none":
            return None
        if inputs.text is None:
            raise UserError("sasrec: text needs text vectors")
        return inputs.text[self.known.start : self.known.stop]

    def prepare(self) -> torch.Tensor:
        """(known items, d): the vectors of the target items, or with mixed history of all items of the scenario."""
        vectors = self.items.weight if self.text is None else self.text(self.items.weight)
        if self.categories is not None:
            agnostic = self.categories()[1]
            vectors = vectors + agnostic[self.known.start : self.known.stop]
        return vectors

    def states(self, prepared: torch.Tensor, batch: Batch) -> torch.Tensor:
        """(N_t, d); zeros with mixed history where no event precedes the positive."""
        if not self.mixed:
            return self.encoder(embed(batch.target, prepared), batch.target)
        return self._mixed_states(prepared, batch)[0]

    def _mixed_states(self, prepared: torch.Tensor, batch: Batch) -> tuple[torch.Tensor, torch.Tensor]:
        """States before the positives (N_t, d), and after each event of the mixed sequence (N_m, d)."""
        encoded = self.encoder(F.embedding(batch.mixed.items, prepared), batch.mixed)
        return at_places(encoded, batch.mixed_last), encoded

    def item_vectors(self, prepared: torch.Tensor) -> torch.Tensor:
        """(target items, d)."""
        return self._of(self.target, prepared)

    def loss_vectors(self, prepared: torch.Tensor) -> torch.Tensor:
        """(items, d): the target items, then, with `loss_over: both`, the source items."""
        if self.settings.loss_over == "target":
            return self.item_vectors(prepared)
        return torch.cat([self._of(domain, prepared) for domain in (self.target, self.source)])

    def _of(self, domain: range, prepared: torch.Tensor) -> torch.Tensor:
        first = self.known.start
        return prepared[domain.start - first : domain.stop - first]

    def item_spaces(self, prepared: torch.Tensor) -> dict[str, torch.Tensor]:
        """The item vectors, with mixed history."""
        return {"items": prepared} if self.mixed else {}

    def auxiliary_loss(self, prepared: torch.Tensor, batch: Batch) -> torch.Tensor | float:
        """With `loss_over: both`, the loss of the events that are no target step's positive."""
        return self.states_and_auxiliary_loss(prepared, batch)[1]

    def states_and_auxiliary_loss(
        self, prepared: torch.Tensor, batch: Batch
    ) -> tuple[torch.Tensor, torch.Tensor | float]:
        """Both; the sequence is encoded once."""
        if self.settings.loss_over == "target":
            return self.states(prepared, batch), 0.0
        states, encoded = self._mixed_states(prepared, batch)
        return states, self._other_loss(prepared, batch, encoded)

    def _other_loss(self, prepared: torch.Tensor, batch: Batch, encoded: torch.Tensor) -> torch.Tensor:
        """Softmax cross-entropy over both domains at the mixed events (N_m, d) that no target step reads.

        These precede a source event or a user's first target event. The sum is divided by the number of target steps,
        so that an event has the same weight as a target step.
        """
        unread = torch.ones(len(encoded) + 1, dtype=torch.bool, device=encoded.device)
        unread = unread.index_fill(0, batch.mixed_last.long(), False)[1:]
        places = unread.nonzero()[:, 0]
        item = next_item_labels(batch, self.target)[places]
        is_target = (item >= self.target.start) & (item < self.target.stop)
        wanted = torch.where(is_target, item - self.target.start, item - self.source.start + len(self.target))
        vectors = self.loss_vectors(prepared)
        return softmax_loss(encoded[places], vectors, wanted, len(batch.positives))

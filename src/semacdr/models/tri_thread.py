"""LLM4CDSR's three threads without its user profile (Liu et al., SIGIR 2025, arXiv 2504.18383).

The mixed sequence reads frozen text vectors through an adapter that both domains share; each domain's own sequence
reads a table of item vectors. Each has a SASRec encoder. A score is the sum of the mixed thread's and the target
thread's inner products. The source thread is learned by ranking the next source event in the same way, which also
trains the adapter. A contrastive loss aligns an item's adapted text with its own vector.

From the paper's abstract and secondary sources, since its code cannot be had: the adapter is a perceptron with one
hidden layer, the regulariser InfoNCE with cosine similarity within a domain. Left out: the user profile that a language
model writes; the tables name the system without it.
"""

from dataclasses import dataclass
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import nn

from semacdr.batching.batches import Batch
from semacdr.errors import UserError
from semacdr.models import base
from semacdr.models.layers import Encoder, at_places, embed, initialise
from semacdr.models.settings import EncoderSettings
from semacdr.models.source_steps import source_loss, source_steps
from semacdr.models.views import align
from semacdr.runtime.settings import Count, NonNegative, Positive, setting

INPUTS = ()
SETTING_INPUTS = {"text": ("embeddings",)}
LOSS = "bce"


@dataclass(frozen=True)
class Settings(EncoderSettings):
    """Settings of the three threads."""

    text: bool = setting(True, "the mixed thread reads adapted text vectors; false: a second table of item vectors")
    source_weight: NonNegative = setting(1.0, "weight of the loss over the source domain's events")
    contrastive_weight: NonNegative = setting(0.1, "weight of the loss that aligns adapted text and item vectors")
    temperature: Positive = setting(0.5, "temperature of the contrastive loss")
    contrastive_items: Count = setting(1024, "items of a domain and batch in the contrastive loss, at most")


class States(NamedTuple):
    """The target steps' states (N_t, 2d), and the states of the mixed (N_m, d) and the source sequence (N_s, d)."""

    target: torch.Tensor
    mixed: torch.Tensor
    source: torch.Tensor | None


class Model(base.Model):
    """States and item vectors have the halves of the mixed thread and of the domain's own thread."""

    text: torch.Tensor | None

    def __init__(self, inputs: base.ModelInputs, settings: Settings) -> None:
        super().__init__()
        if settings.text and inputs.text is None:
            raise UserError("tri_thread: text needs text vectors")
        self.settings, dim, text = settings, settings.dim, inputs.text if settings.text else None
        self.source, self.target = inputs.history.source_items, inputs.history.target_items
        self.distinct_items = settings.contrastive_items if settings.contrastive_weight else 0
        self.items = nn.Embedding(len(self.source) + len(self.target), dim)
        self.register_buffer("text", text, persistent=False)
        if text is None:
            self.mixed_items = nn.Embedding(len(self.items.weight), dim)
        else:
            self.adapter = nn.Sequential(nn.Linear(text.shape[1], 2 * dim), nn.GELU(), nn.Linear(2 * dim, dim))
        names = ("mixed", "target", "source") if settings.source_weight else ("mixed", "target")
        self.encoders = nn.ModuleDict(
            {name: Encoder(dim, inputs.max_length, settings.blocks, settings.dropout, settings.norm) for name in names}
        )
        initialise(self)

    def prepare(self) -> torch.Tensor:
        """(items of the scenario, 2d): adapted text, and the item's own vector."""
        of_mixed = self.mixed_items.weight if self.text is None else self.adapter(self.text)
        return torch.cat([of_mixed, self.items.weight], 1)

    def _of(self, domain: range, prepared: torch.Tensor) -> torch.Tensor:
        return prepared[domain.start : domain.stop]

    def _states(self, prepared: torch.Tensor, batch: Batch) -> States:
        text, own = prepared.chunk(2, 1)
        mixed = self.encoders["mixed"](embed(batch.mixed, text), batch.mixed)
        target = self.encoders["target"](embed(batch.target, own, self.target.start), batch.target)
        before = at_places(mixed, batch.mixed_last)
        source = None
        if "source" in self.encoders and self.training:
            source = self.encoders["source"](embed(batch.source, own, self.source.start), batch.source)
        return States(torch.cat([before, target], 1), mixed, source)

    def states(self, prepared: torch.Tensor, batch: Batch) -> torch.Tensor:
        """(N_t, 2d)."""
        return self._states(prepared, batch).target

    def item_vectors(self, prepared: torch.Tensor) -> torch.Tensor:
        """(target items, 2d)."""
        return self._of(self.target, prepared)

    def item_spaces(self, prepared: torch.Tensor) -> dict[str, torch.Tensor]:
        """Adapted text, and the item table."""
        text, own = prepared.chunk(2, 1)
        return {"adapted_text": text, "items": own}

    def auxiliary_loss(self, prepared: torch.Tensor, batch: Batch) -> torch.Tensor | float:
        """The contrastive loss plus the loss over source events, each with its weight."""
        return self.states_and_auxiliary_loss(prepared, batch)[1]

    def states_and_auxiliary_loss(
        self, prepared: torch.Tensor, batch: Batch
    ) -> tuple[torch.Tensor, torch.Tensor | float]:
        """Both; the sequences are encoded once."""
        states = self._states(prepared, batch)
        return states.target, self._contrast(prepared, batch) + self._source_loss(prepared, batch, states)

    def _contrast(self, prepared: torch.Tensor, batch: Batch) -> torch.Tensor | float:
        if not self.settings.contrastive_weight:
            return 0.0
        text, own = prepared.chunk(2, 1)
        domains = batch.source_items + self.source.start, batch.target_items + self.target.start
        loss = align({"text": text, "own": own}, [("own", "text")], domains, self.settings.temperature)
        return self.settings.contrastive_weight * loss

    def _source_loss(self, prepared: torch.Tensor, batch: Batch, states: States) -> torch.Tensor | float:
        """Softmax cross-entropy over the source items, from both threads' states before each source event."""
        if states.source is None or not len(batch.source_place):
            return 0.0
        steps = source_steps(batch)
        own = at_places(states.source, steps.source_before)
        both = torch.cat([F.embedding(steps.mixed_before, states.mixed), own], 1)
        return self.settings.source_weight * source_loss(steps, both, self._of(self.source, prepared), batch)

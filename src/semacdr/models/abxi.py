"""ABXI (Bian et al., WWW 2025, arXiv 2501.15118): what two domains share, adapted to each by low-rank maps.

Three sequences, the mixed one and each domain's own, go through one causal attention and one feed-forward part that
they share, each with a low-rank adapter of its own (dLoRA). A projector of the mixed state, shared by both domains and
adapted to each (iLoRA), carries what is invariant; each domain's own state has a projector of its own. A step's output
is the sum of both, normalised. In the paper a domain's own sequence is aligned with the mixed one by the domain of the
next event; that is the domain's sequence itself, whose steps look up the mixed state before their positive.

Differences from the public code: positions count from the first event of the window, not back from the last one, so
that later events change no earlier state; a domain's positions are those of its own sequence; a direction is a training
of its own, which chooses its epoch by the target domain, though its loss covers both domains. The published loss is
InfoNCE with 128 negatives of each domain for each step; here the target's loss is that of the table, as published
softmax over negatives that all steps share, and the source's is softmax over all source items. Item vectors have the
table's width, 64 (published: 256), and all matrices start by Xavier's rule, where the code starts an adapter's second
map at zero. The published weight decay, 2 to 5, is that of AdamW (`train: {decoupled_weight_decay: true}`).
"""

from dataclasses import dataclass
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import nn

from semacdr.batching.batches import Batch, Sequence
from semacdr.models import base
from semacdr.models.attention import attend_self
from semacdr.models.dropout import dropout
from semacdr.models.layers import at_places, embed, initialise
from semacdr.models.source_steps import source_loss, source_steps
from semacdr.runtime.settings import Count, NonNegative, Positive, ProperShare, setting

INPUTS = ()
LOSS = "sampled_softmax"
HEADS = 2


@dataclass(frozen=True)
class Settings:
    """Settings of ABXI; ranks as published for food and kitchen."""

    dim: Count = setting(64, "width of item vectors and states, a multiple of 2")
    dropout: ProperShare = setting(0.5, "dropout rate")
    inner: Count = setting(170, "inner width of the feed-forward parts (published: 680)")
    domain_rank: Count = setting(16, "rank of the adapters of the shared feed-forward part (rd)")
    invariant_rank: Count = setting(64, "rank of the adapters of the invariant projector (ri)")
    temperature: Positive = setting(0.75, "divisor of scores")
    source_weight: NonNegative = setting(1.0, "weight of the loss over the source domain's events")


class Gated(nn.Module):
    """The feed-forward part SwiGLU: (silu(x W1) * x W2) W3."""

    def __init__(self, dim: int, inner: int) -> None:
        super().__init__()
        self.into, self.out = nn.Linear(dim, 2 * inner, bias=False), nn.Linear(inner, dim, bias=False)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(N, d) from (N, d)."""
        gate, value = self.into(x).chunk(2, -1)
        return self.out(F.silu(gate) * value)


def adapter(dim: int, rank: int) -> nn.Sequential:
    """A linear map (N, d) to (N, d) of low rank."""
    return nn.Sequential(nn.Linear(dim, rank, bias=False), nn.Linear(rank, dim, bias=False))


class States(NamedTuple):
    """The states after each token of the three sequences, (N, d) each."""

    mixed: torch.Tensor
    target: torch.Tensor
    source: torch.Tensor | None


class Model(base.Model):
    """States are the sums of invariant and domain-specific outputs, item vectors the rows of the item table."""

    def __init__(self, inputs: base.ModelInputs, settings: Settings) -> None:
        super().__init__()
        self.settings, dim = settings, settings.dim
        self.source, self.target = inputs.history.source_items, inputs.history.target_items
        self.items = nn.Embedding(len(self.source) + len(self.target), dim)
        self.positions = nn.Embedding(inputs.max_length, dim)
        self.joint, self.attention_out = nn.Linear(dim, 3 * dim), nn.Linear(dim, dim)
        self.forward_part, self.invariant = Gated(dim, settings.inner), Gated(dim, settings.inner)
        domains = ("target", "source") if settings.source_weight else ("target",)
        self.own = nn.ModuleDict({name: Gated(dim, settings.inner) for name in domains})
        self.adapters = nn.ModuleDict({name: adapter(dim, settings.domain_rank) for name in ("mixed", *domains)})
        self.invariant_adapters = nn.ModuleDict({name: adapter(dim, settings.invariant_rank) for name in domains})
        self.attention_norm, self.forward_norm = nn.LayerNorm(dim), nn.LayerNorm(dim)
        self.norms = nn.ModuleDict(
            {f"{name}_{part}": nn.LayerNorm(dim) for name in domains for part in ("mixed", "own")}
        )
        initialise(self)

    def _drop(self, x: torch.Tensor) -> torch.Tensor:
        return dropout(x, self.settings.dropout if self.training else 0.0)

    def _encode(self, name: str, sequence: Sequence, first: int) -> torch.Tensor:
        """(N, d): the shared attention and feed-forward part, with the adapter of the sequence."""
        x = self._drop(embed(sequence, self.items.weight, first) + self.positions(sequence.positions))
        rate = self.settings.dropout if self.training else 0.0
        heads = self.joint(x).unflatten(-1, (3, HEADS, -1)).unbind(-2)
        attended = torch.cat([attend_self(head.flatten(-2).contiguous(), sequence.layout, rate) for head in heads], -1)
        x = self.attention_norm(x + self._drop(self.attention_out(attended)))
        return self.forward_norm(x + self._drop(self.forward_part(x)) + self._drop(self.adapters[name](x)))

    def _output(self, name: str, mixed: torch.Tensor, own: torch.Tensor) -> torch.Tensor:
        """(N, d): the output of steps of a domain, from the mixed and the domain's own state before the positive."""
        invariant = self._drop(self.invariant(mixed)) + self._drop(self.invariant_adapters[name](mixed))
        of_mixed = self.norms[f"{name}_mixed"](mixed + invariant)
        return of_mixed + self.norms[f"{name}_own"](own + self._drop(self.own[name](own)))

    def _all_states(self, batch: Batch) -> States:
        learns_source = self.settings.source_weight and self.training
        return States(
            self._encode("mixed", batch.mixed, 0),
            self._encode("target", batch.target, self.target.start),
            self._encode("source", batch.source, self.source.start) if learns_source else None,
        )

    def _target_output(self, states: States, batch: Batch) -> torch.Tensor:
        before = at_places(states.mixed, batch.mixed_last)
        return self._output("target", before, states.target) / self.settings.temperature

    def states(self, prepared: None, batch: Batch) -> torch.Tensor:
        """(N_t, d)."""
        return self._target_output(self._all_states(batch), batch)

    def item_vectors(self, prepared: None) -> torch.Tensor:
        """(target items, d)."""
        return self.items.weight[self.target.start : self.target.stop]

    def item_spaces(self, prepared: None) -> dict[str, torch.Tensor]:
        """The item table."""
        return {"items": self.items.weight}

    def auxiliary_loss(self, prepared: None, batch: Batch) -> torch.Tensor | float:
        """The weighted loss over the source domain's events."""
        return self.states_and_auxiliary_loss(prepared, batch)[1]

    def states_and_auxiliary_loss(self, prepared: None, batch: Batch) -> tuple[torch.Tensor, torch.Tensor | float]:
        """Both; the sequences are encoded once."""
        states = self._all_states(batch)
        output = self._target_output(states, batch)
        if states.source is None or not len(batch.source_place):
            return output, 0.0
        steps = source_steps(batch)
        mixed, own = F.embedding(steps.mixed_before, states.mixed), at_places(states.source, steps.source_before)
        of_source = self._output("source", mixed, own) / self.settings.temperature
        items = self.items.weight[self.source.start : self.source.stop]
        return output, self.settings.source_weight * source_loss(steps, of_source, items, batch)

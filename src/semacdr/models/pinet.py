"""π-Net (Ma et al., SIGIR 2019): the parallel information-sharing network, two recurrent encoders that exchange
states.

It was published for accounts that several users share, and predicts the last event of a session in each domain.
Here, as for all models, each step of a user's sequence is a prediction: the network is causal, so this is the
published model on every prefix. The other domain's state for a prediction is the one just before the positive. Both
domains are learned with softmax cross-entropy over their catalogue. The target's is the loss over steps, which
another loss may replace; the source's, at the steps of the source sequence, is the auxiliary loss: source events of
users with a training step, up to their last positive (in the history's order: a source event may be predicted from
a target event of the same day).

Differences from the official code: the candidate of the filter cell has a separate map of the members, as in the
paper's equations (the code adds the gate's map a second time, see `shared_member_map`). A GRU's reset gate acts on
the output of the recurrent map, as in PyTorch, not on its input, as in TensorFlow. There is no padding, and item 0
is an item. Gradients are not clipped at ±5, which a mean over steps never reaches. The state inside the filter and
outputs on the way to the next unit get no dropout; what is scored gets dropout once, instead of the states before
it. Adam's betas are those of all models (0.9, 0.98). The recurrence runs over places, all rows at once, in a
compiled loop: PyTorch's layers have neither dropout between steps nor the filter.
"""

from dataclasses import dataclass
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import nn

from semacdr.batching.batches import Batch
from semacdr.models import base
from semacdr.models.dropout import dropout
from semacdr.models.layers import embed, initialise, weight_of, with_one
from semacdr.models.losses import softmax_loss
from semacdr.models.recurrent import GRU, Timeline, compiled, latest
from semacdr.runtime.settings import Count, NonNegative, ProperShare, setting

INPUTS = ()
LOSS = "ce"


@dataclass(frozen=True)
class Settings:
    """Settings of pi-Net: the common ones that apply, and those of its code."""

    dim: Count = setting(64, "width of item vectors and states")
    members: Count = setting(4, "K: latent users of an account")
    dropout: ProperShare = setting(0.5, "dropout of inputs to encoders, filter and transfer, and of what is scored")
    state_dropout: ProperShare = setting(0.2, "dropout between recurrent steps, as published")
    source_weight: NonNegative = setting(1.0, "weight of the source domain's loss; 0: only the target is learned")
    shared_member_map: bool = setting(
        False, "use the gate's map for the candidate's members too, as the official code does"
    )


@compiled
def filter_steps(rows: list[int], weight: torch.Tensor, members: torch.Tensor, inputs: torch.Tensor) -> torch.Tensor:
    """States (N, d) from inputs (N, 2d) and members (K, 2d) in the order of time, `rows` of them at each place."""
    dim = weight.shape[1]
    state, states = inputs.new_zeros(rows[0] if rows else 0, dim), [inputs.new_zeros(0, dim)]
    for x in inputs.split(rows):
        state = state[: len(x)]
        gate, candidate = ((x + F.linear(state, weight))[:, None] + members).chunk(2, -1)  # (rows, K, d)
        state = torch.lerp(candidate.tanh(), state[:, None], gate.sigmoid()).mean(1)
        states.append(state)
    return torch.cat(states)


class Filter(nn.Module):
    """The shared-account filter unit: each latent member filters a domain's states."""

    def __init__(self, dim: int, members: int, shared_member_map: bool) -> None:
        super().__init__()
        self.members = nn.Parameter(torch.empty(members, dim))
        self.gate, self.candidate = nn.Linear(2 * dim, dim), nn.Linear(dim, dim)
        self.state = nn.Linear(dim, 2 * dim, bias=False)
        self.gate_members = nn.Linear(dim, dim, bias=False)
        self.candidate_members = None if shared_member_map else nn.Linear(dim, dim, bias=False)

    def reset(self) -> None:
        """Set the biases to 1, as published."""
        nn.init.ones_(self.gate.bias)
        nn.init.ones_(self.candidate.bias)

    def forward(self, own: torch.Tensor, other: torch.Tensor, timeline: Timeline) -> torch.Tensor:
        """States (N, d) along a domain's timeline, from its encoder's states and the other's at the same time."""
        inputs = torch.cat([self.gate(torch.cat([own, other], -1)), self.candidate(own)], -1)
        maps = (self.gate_members, self.candidate_members or self.gate_members)
        members = torch.cat([mapped(self.members) for mapped in maps], -1)  # (K, 2d)
        return timeline.run(filter_steps, (self.state.weight, members), inputs)


class Prediction(nn.Module):
    """The prediction of one domain: filter and transfer along the other domain, and a head over its items."""

    def __init__(self, settings: Settings, items: int) -> None:
        super().__init__()
        dim = settings.dim
        self.filter = Filter(dim, settings.members, settings.shared_member_map)
        self.transfer = GRU(dim, settings.dropout, settings.state_dropout)
        self.head = nn.Linear(2 * dim, items)  # not tied to the item table

    def weights(self) -> torch.Tensor:
        """(items, 2d + 1): the head's weights, and its bias in the last column."""
        return torch.cat([self.head.weight, self.head.bias[:, None]], 1)

    def forward(self, own: torch.Tensor, other: torch.Tensor, timeline: Timeline) -> torch.Tensor:
        """The transferred states (N, d) along the other domain's timeline, from its states and this domain's."""
        return self.transfer(self.filter(own, other, timeline), timeline)


class EncodedDomains(NamedTuple):
    """The timelines of a batch and the encoders' states along them, by domain."""

    timelines: dict[str, Timeline]
    states: dict[str, torch.Tensor]


class Model(base.Model):
    """A state joins the transferred source state and the encoder's; a one after it multiplies the head's bias."""

    def __init__(self, inputs: base.ModelInputs, settings: Settings) -> None:
        super().__init__()
        self.settings, history, dim = settings, inputs.history, settings.dim
        items = {"target": len(history.target_items), "source": len(history.source_items)}
        learned = items if settings.source_weight else {"target": items["target"]}
        self.items = nn.ModuleDict({name: nn.Embedding(count, dim) for name, count in items.items()})
        self.encoders = nn.ModuleDict({name: GRU(dim, settings.dropout, settings.state_dropout) for name in items})
        self.predictions = nn.ModuleDict({name: Prediction(settings, count) for name, count in learned.items()})
        initialise(self)
        for module in self.modules():
            if isinstance(module, GRU | Filter):
                module.reset()

    def _dropped(self, x: torch.Tensor) -> torch.Tensor:
        return dropout(x, self.settings.dropout if self.training else 0.0)

    def _encode(self, batch: Batch) -> EncodedDomains:
        timelines = {"target": Timeline(batch.target.layout), "source": Timeline(batch.source.layout)}
        items = {name: embed(getattr(batch, name), weight_of(self.items[name])) for name in timelines}
        return EncodedDomains(
            timelines, {name: self.encoders[name](items[name], timelines[name]) for name in timelines}
        )

    def states(self, prepared: None, batch: Batch) -> torch.Tensor:
        """(N_t, 2d + 1)."""
        return self._target_states(self._encode(batch), batch)

    def auxiliary_loss(self, prepared: None, batch: Batch) -> torch.Tensor | float:
        """The cross-entropy of the source domain's next items, times its weight."""
        return self._source_loss(self._encode(batch), batch)

    def states_and_auxiliary_loss(self, prepared: None, batch: Batch) -> tuple[torch.Tensor, torch.Tensor | float]:
        """Both; the encoders run once."""
        encoded = self._encode(batch)
        return self._target_states(encoded, batch), self._source_loss(encoded, batch)

    def _target_states(self, encoded: EncodedDomains, batch: Batch) -> torch.Tensor:
        own, other = self._dropped(encoded.states["source"]), self._dropped(encoded.states["target"])
        other = latest(other, batch.target, batch.source.row, batch.target_before)
        transferred = self.predictions["target"](own, other, encoded.timelines["source"])
        transferred = latest(transferred, batch.source, batch.target.row, batch.source_visible)
        return with_one(self._dropped(torch.cat([transferred, encoded.states["target"]], -1)))

    def _source_loss(self, encoded: EncodedDomains, batch: Batch) -> torch.Tensor | float:
        source, prediction = batch.source, self._prediction("source") if self.settings.source_weight else None
        if prediction is None or len(source.items) == sum(rows for rows, _, _ in source.layout.shapes):
            return 0.0  # no row has a second source event to predict
        own, other = self._dropped(encoded.states["target"]), self._dropped(encoded.states["source"])
        other = latest(other, source, batch.target.row, source_before(batch))
        transferred = prediction(own, other, encoded.timelines["target"])
        follows = source.row[1:] == source.row[:-1]
        seen = torch.where(follows, batch.target_before[1:], 0)  # target events before the next source event
        transferred = latest(transferred, batch.target, source.row[:-1], seen)
        states = with_one(self._dropped(torch.cat([transferred, encoded.states["source"][:-1]], -1)))
        loss = softmax_loss(states, prediction.weights(), source.items[1:], follows.sum(), follows)
        return self.settings.source_weight * loss

    def item_vectors(self, prepared: None) -> torch.Tensor:
        """(target items, 2d + 1)."""
        return self._prediction("target").weights()

    def _prediction(self, name: str) -> Prediction:
        prediction = self.predictions[name]
        assert isinstance(prediction, Prediction)
        return prediction


def source_before(batch: Batch) -> torch.Tensor:
    """(N_t,): how many of the row's source tokens precede each target token.

    The target token i precedes the source tokens that more than i target tokens precede.
    """
    target, source = batch.target, batch.source
    width = len(target.items) + 1
    ordered = source.row.long() * width + batch.target_before
    place = torch.searchsorted(ordered, target.row.long() * width + target.positions, right=True)
    return place - (source.lengths.cumsum(0) - source.lengths)[target.row]

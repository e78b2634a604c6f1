"""C2DSR (Cao et al., CIKM 2022): graphs and attention within each domain and over both, aligned by infomax.

The state of a step is the state of the mixed sequence plus that of the domain's sequence. The next items of both
domains are predicted by softmax over the domain's catalogue, from the mixed state only (shared) and from the sum
(specific). Infomax separates two pairs: a user's sequence in one domain with the other domain's part of the mixed
sequence, and the same with a mixed sequence in which the items of the first domain were replaced.

Another loss replaces only the specific part of the target steps; the rest stays softmax, as published. The four
next-item losses are sums with one common divisor, as in the public code; here it is the number of target steps, so
every labelled step has the same weight. In the public code it is ten places per row, labelled or not (4.0 of them
target events on kitchen_food), so that the same `weight` gives infomax 2.5 times as much weight.

Further differences from the public code: all labelled steps are learned, not only the last ten. The mixed state is
the one just before the event to predict, in training as in ranking (`mixed_state`). A transition is one edge
however often it occurs (`transitions`). Tables and all other matrices start by Xavier's rule: standard normal
tables hardly move in some hundred steps of Adam (docs/parity.md). The biases of the graphs start at zero. The first
item of a domain can be the last label. Replacement items are redrawn in each batch. Users without a labelled source
event are kept, outside infomax. Long histories are cut instead of skipped, each domain's and the mixed one to
separate windows. Source events are learned up to the last training positive, for users who have one, in the
history's order (a source event may follow a target event of its day). No linear map follows attention. A user
without events in a domain has a blank there. There is no padding, so it gets no attention and no class in the
softmax. As in the public code, the graphs contain all transitions of training, including a step's own: in training
an item's vector contains a share of the item to predict, in testing it rarely does. The weights and LeakyReLU that
the public graph layers declare but never use are left out: propagation is linear.

`semantics` is SemaCDR's Enhanced C2DSR (arXiv 2604.09551): an item's vector in every table gets the item's
inner-domain and domain-agnostic view, before graph and sequence, and SemaCDR's eq. 3 aligns the views. An untied
softmax keeps its own weights.
"""

from dataclasses import dataclass
from typing import Literal, NamedTuple

import torch
import torch.nn.functional as F
from torch import nn

from semacdr.batching.batches import Batch, Sequence
from semacdr.errors import UserError
from semacdr.models import base
from semacdr.models.infomax import Infomax, corrupt
from semacdr.models.layers import Encoder, embed, initialise, weight_of, with_one
from semacdr.models.losses import softmax_loss
from semacdr.models.next_item_labels import followed_by, is_followed, next_item_labels
from semacdr.models.settings import EnhancedSettings
from semacdr.models.transition_matrix import Propagation
from semacdr.models.views import Enhancement
from semacdr.runtime.settings import Natural, NonNegative, Share, setting

INPUTS = ()
SETTING_INPUTS = {"semantics": ("agnostic", "embeddings")}
LOSS = "ce"


@dataclass(frozen=True)
class Settings(EnhancedSettings):
    """Settings of C2DSR."""

    depth: Natural = setting(1, "layers of propagation")
    transitions: Literal["binary", "counted"] = setting(
        "binary", "edge weights of the graphs; the public code has counted ones, unintentionally"
    )
    mixed_state: Literal["before", "published"] = setting(
        "before",
        "mixed state that predicts an event: the last one before it, or (published) in training the one at its "
        "domain's previous event and in ranking the last one of either domain",
    )
    output: Literal["untied", "tied"] = setting("untied", "weights of the softmax: free, or the domain's item table")
    weight: Share = setting(0.7, "lambda: weight of the next-item losses; infomax has 1 - lambda")
    semantic_weight: NonNegative = setting(0.15, "weight of SemaCDR's eq. 3, next to the published loss")


def check(settings: Settings) -> None:
    """Raise a UserError where the next-item losses have no weight."""
    if settings.weight == 0:
        raise UserError("c2dsr: weight must be above 0, it is the weight of the next-item losses")


class Prepared(NamedTuple):
    """What all batches share."""

    inputs: dict[str, torch.Tensor]  # by view, the input vectors (items, d) of sequences
    outputs: dict[str, torch.Tensor]  # by domain the weights (items, d) of the softmax
    views: dict[str, torch.Tensor]  # identity, inner, agnostic (items of the scenario, d), where semantics are on


class Encoded(NamedTuple):
    """The states of a batch's sequences."""

    mixed: torch.Tensor  # (1 + N_m, d): zeros first, for events outside the mixed window
    target: torch.Tensor  # (N_t, d)
    source: torch.Tensor | None = None  # (N_s, d), in training


class Model(base.Model):
    """Three views of the items, source, target and mixed, each with its table, graph and encoder."""

    reads_events = True

    def __init__(self, inputs: base.ModelInputs, settings: Settings) -> None:
        super().__init__()
        check(settings)
        history, dim = inputs.history, settings.dim
        self.settings, self.domains = settings, {"source": history.source_items, "target": history.target_items}
        self.semantic = Enhancement(inputs, settings) if settings.semantics else None
        self.distinct_items = settings.semantic_items if settings.semantics else 0
        self.ranges = self.domains | {"mixed": range(sum(map(len, self.domains.values())))}
        self.tables, self.propagations, self.encoders = nn.ModuleDict(), nn.ModuleDict(), nn.ModuleDict()
        for name, items in self.ranges.items():
            self.tables[name] = nn.Embedding(len(items), dim)
            self.propagations[name] = Propagation(history, items, settings.transitions, settings.depth, dim)
            self.encoders[name] = Encoder(dim, inputs.max_length, settings.blocks, settings.dropout, settings.norm)
        untied = self.domains if settings.output == "untied" else {}
        self.heads = nn.ModuleDict({name: nn.Embedding(len(items), dim) for name, items in untied.items()})
        self.biases = nn.ParameterDict({name: torch.zeros(len(items)) for name, items in self.domains.items()})
        self.infomax = Infomax(dim) if settings.weight < 1 else None
        initialise(self)

    def embeddings(self, views: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
        """By view, the vectors (items, d) of its items, the input of graph and sequence."""
        items = {name: weight_of(table) for name, table in self.tables.items()}
        if not views:
            return items
        semantic = views["inner"] + views["agnostic"]
        return {name: x + semantic[self.ranges[name].start : self.ranges[name].stop] for name, x in items.items()}

    def _views(self) -> dict[str, torch.Tensor]:
        """The views of all items if semantics are on; an item's identity is its row in its domain's table."""
        if self.semantic is None:
            return {}
        own = sorted(self.domains, key=lambda name: self.domains[name].start)
        return self.semantic.views(torch.cat([weight_of(self.tables[name]) for name in own]))

    def prepare(self) -> Prepared:
        """An item enters a sequence as its vector plus its vector after propagation."""
        rate, views = self.settings.dropout if self.training else 0.0, self._views()
        items = self.embeddings(views)
        inputs = {name: x + self.propagations[name](x, rate) for name, x in items.items()}
        heads = {name: weight_of(head) for name, head in self.heads.items()}
        return Prepared(inputs, heads or {name: items[name] for name in self.domains}, views)

    def states(self, prepared: Prepared, batch: Batch) -> torch.Tensor:
        """(N_t, d + 1): H^o + H^x, and a one for the head's bias."""
        return self._states(self._encode(prepared, batch), batch)

    def item_vectors(self, prepared: Prepared) -> torch.Tensor:
        """(target items, d + 1)."""
        return self._weights(prepared, "target")

    def auxiliary_loss(self, prepared: Prepared, batch: Batch) -> torch.Tensor:
        """The published loss and, if enhanced, eq. 3, divided by lambda; without the part of the target steps."""
        return self.states_and_auxiliary_loss(prepared, batch)[1]

    def states_and_auxiliary_loss(self, prepared: Prepared, batch: Batch) -> tuple[torch.Tensor, torch.Tensor]:
        """Both; the sequences are encoded once."""
        encoded = self._encode(prepared, batch, "source")
        loss = self._shared_loss(prepared, encoded, batch) + self._source_loss(prepared, encoded, batch)
        if self.infomax:
            loss = loss + (1 / self.settings.weight - 1) * self._infomax(prepared, encoded, batch)
        if self.semantic is not None:
            loss = loss + self.semantic.loss(prepared.views, batch) / self.settings.weight
        return self._states(encoded, batch), loss

    def _encode(self, prepared: Prepared, batch: Batch, *more: str) -> Encoded:
        sequences = {name: getattr(batch, name) for name in ("target", *more)}
        states = {
            name: self.encoders[name](embed(sequence, prepared.inputs[name]), sequence)
            for name, sequence in sequences.items()
        }
        return Encoded(self._encode_mixed(prepared, batch.mixed.items, batch.mixed), **states)

    def _encode_mixed(self, prepared: Prepared, items: torch.Tensor, mixed: Sequence) -> torch.Tensor:
        states = self.encoders["mixed"](F.embedding(items, prepared.inputs["mixed"]), mixed)
        return torch.cat([states.new_zeros(1, states.shape[1]), states])

    def _states(self, encoded: Encoded, batch: Batch) -> torch.Tensor:
        own = self.training and self.settings.mixed_state == "published"
        states = encoded.target + F.embedding(batch.target_place if own else batch.mixed_last, encoded.mixed)
        return with_one(states)

    def _weights(self, prepared: Prepared, name: str) -> torch.Tensor:
        """(items, d + 1): weights and biases of a domain's softmax."""
        return torch.cat([prepared.outputs[name], self.biases[name][:, None]], 1)

    def _shared_loss(self, prepared: Prepared, encoded: Encoded, batch: Batch) -> torch.Tensor | float:
        """The loss of the events after mixed ones, each in its domain's softmax, divided by the target steps."""
        following = next_item_labels(batch, self.domains["target"])
        loss: torch.Tensor | float = 0.0
        for name, items in self.domains.items():
            steps = followed_by(following, items)
            states = F.embedding(steps + 1, encoded.mixed)
            wanted = following[steps] - items.start
            loss = loss + softmax_loss(with_one(states), self._weights(prepared, name), wanted, len(batch.positives))
        return loss

    def _source_loss(self, prepared: Prepared, encoded: Encoded, batch: Batch) -> torch.Tensor:
        """The loss of the source events after source events, from H^o + H^y, divided by the target steps."""
        steps = is_followed(batch.source).nonzero()[:, 0]
        if self.settings.mixed_state == "published":
            place = batch.source_place[steps]
        else:
            following = (batch.source_place[steps + 1] - 1).clamp(min=0)  # also 0 outside the mixed window
            place = following * (batch.mixed.positions[following] > 0)
        assert encoded.source is not None
        states = F.embedding(steps, encoded.source) + F.embedding(place, encoded.mixed)
        weights, wanted = self._weights(prepared, "source"), batch.source.items[steps + 1]
        return softmax_loss(with_one(states), weights, wanted, len(batch.positives))

    def _infomax(self, prepared: Prepared, encoded: Encoded, batch: Batch) -> torch.Tensor:
        assert self.infomax is not None and encoded.source is not None
        corrupted = {
            name: self._encode_mixed(prepared, corrupt(batch.mixed.items, items), batch.mixed)
            for name, items in self.domains.items()
        }
        return self.infomax(encoded.target, encoded.source, encoded.mixed, corrupted, batch)

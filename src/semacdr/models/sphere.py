"""SPHERE (Mayo, Unger & Bauman, arXiv 2606.01783, 2026) around a backbone: personas and source communities as a tower.

Certain from the abstract: source and target share no user and no item; an LLM makes a vocabulary and personas; similar
source users form a Community Source Persona (CSP); two towers, semantic and collaborative, and a dynamic fusion gate
augment NCF, SVD++ and LightGCN. Our reading of the rest: the semantic tower is an MLP of [persona; CSP] for a user and
of [text vector; vocabulary] for an item; the gate is g = sigmoid(W [b; s; log(1 + events)] + c) per dimension; the
vector is g b + (1 - g) s, where b is the backbone's and s the semantic one; then comes the backbone's scorer. Both are
trained together by the backbone's loss and sampler; the encoder is frozen. Open readings are settings.

A persona of all training events contains the item that a training step predicts. So a step reads a persona and a
community that are made without a part of the user's events that has its positive (setting `parts` of stage personas);
ranking reads the whole ones. `source_weight` is beyond the paper: it trains the towers to find source users' items too.
"""

from dataclasses import dataclass, fields
from typing import Any, Literal, NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

from semacdr.batching.batches import Batch
from semacdr.data.persona_parts import parts_of
from semacdr.errors import UserError
from semacdr.models import base, lightgcn, neumf, svdpp
from semacdr.models.backbone import Backbone
from semacdr.models.layers import initialise
from semacdr.models.persona_features import Use, item_features, part_features, source_features
from semacdr.models.towers import Gate, Tower
from semacdr.runtime.settings import Count, Natural, NonNegative, Positive, ProperShare, setting

INPUTS = ("agnostic", "embeddings", "personas")
LOSS = "bpr"
BACKBONES = {"lightgcn": lightgcn, "neumf": neumf, "svdpp": svdpp}
SOURCE_EVENTS = 512  # source events of a step, if source events train the towers


@dataclass(frozen=True)
class Settings:
    """Settings of SPHERE; the first ones are the backbone's own."""

    backbone: Literal["lightgcn", "neumf", "svdpp"] = setting("lightgcn", "the system that is augmented")
    dim: Count = setting(64, "width of the backbone's user and item vectors")
    layers: Natural = setting(3, "layers of LightGCN's graph, or of NeuMF's perceptron")
    l2: NonNegative = setting(0.0001, "weight of the backbone's squared embeddings of a step")
    dropout: ProperShare = setting(0.0, "dropout of the backbone's vectors")
    hidden: Count = setting(128, "hidden units of the semantic towers")
    tower_dropout: ProperShare = setting(0.5, "dropout in the semantic towers")
    persona: Literal["persona", "items", "none"] = setting(
        "persona", "what the user tower reads of the user: the persona, the mean text vector of the items, or nothing"
    )
    vocabulary: bool = setting(True, "personas and items have weights over the vocabulary, beside their text vectors")
    item_tower: bool = setting(True, "items have a semantic tower")
    community: Literal["nearest", "random", "none"] = setting(
        "nearest", "source users of the CSP; random ones show whether similarity matters; none: no CSP"
    )
    community_content: Literal["both", "personas", "items", "traits"] = setting(
        "both", "what the CSP holds: personas, liked items, both, or traits that go together in the source domain"
    )
    neighbours: Count = setting(20, "members of a community, at most those that stage communities stored")
    temperature: Positive = setting(0.1, "temperature of the softmax over their similarities")
    gate: Literal["scores", "vector", "scalar", "half", "concat"] = setting(
        "scores",
        "fusion of both towers: of their scores, with one weight per user; or of their vectors, with a weight per "
        "dimension, one weight, one half each, or a linear map of both",
    )
    source_weight: NonNegative = setting(
        0.0, "weight of the loss that trains the towers on source events; 0: not at all"
    )


def check(settings: Settings) -> None:
    """Raise a UserError where both towers are needed and one is off."""
    both = settings.item_tower and (settings.persona != "none" or settings.community != "none")
    if settings.gate == "scores" and not both:
        raise UserError("sphere: gate scores multiplies both semantic towers; keep both, or choose another gate")
    if settings.source_weight and not (settings.persona == "persona" and settings.item_tower):
        raise UserError("sphere: source_weight trains both semantic towers; it needs persona: persona and item_tower")


class Prepared(NamedTuple):
    """What all batches share."""

    backbone: Any
    items: torch.Tensor  # (target items, D) fused; with gate scores the collaborative ones
    semantic: torch.Tensor | None  # (target items, D) of the item tower


class Model(base.Model):
    """The backbone with other user and item vectors; its scorer is the same."""

    first_steps = True
    serves_unseen_users = False
    reads_events = True

    place: torch.Tensor
    features: torch.Tensor  # (1 + parts, 1 + P, F)
    item_features: torch.Tensor
    events: torch.Tensor  # (1 + parts, 1 + P, 1) log(1 + events) of the personas
    pairs: torch.Tensor
    part: torch.Tensor
    item_events: torch.Tensor

    def __init__(self, inputs: base.ModelInputs, settings: Settings) -> None:
        super().__init__()
        check(settings)
        self.settings = settings
        module = BACKBONES[settings.backbone]
        own = {field.name: getattr(settings, field.name) for field in fields(module.Settings)}
        self.backbone: Backbone = module.Model(inputs, module.Settings(**own))
        self.width = 2 * settings.dim if settings.backbone == "neumf" else settings.dim
        use = Use(
            settings.persona, settings.vocabulary, settings.community, settings.community_content,
            settings.neighbours, settings.temperature,
        )  # fmt: skip
        self._add_features(inputs, use)
        self.semantic = nn.ModuleDict()
        for name, used, size in (
            ("user", self.features.shape[2] > 0, self.features.shape[2]),
            ("item", settings.item_tower, self.item_features.shape[1]),
        ):
            if used:
                self.semantic[f"{name}_tower"] = Tower(size, settings.hidden, self.width, settings.tower_dropout)
                if settings.gate != "scores":
                    self.semantic[f"{name}_gate"] = Gate(self.width, settings.gate)
        if settings.gate == "scores":
            self.semantic["user_gate"] = Gate(self.width, "scalar")
        initialise(self.semantic)
        self._add_source(inputs, use)

    def _add_features(self, inputs: base.ModelInputs, use: Use) -> None:
        history, personas = inputs.history, inputs.personas
        assert personas is not None
        place = torch.zeros(history.users, dtype=torch.long)
        place[personas.target.users] = torch.arange(1, len(personas.target.users) + 1)
        training = history.item[history.training() & history.is_target] - history.target_items.start
        counts = torch.bincount(torch.from_numpy(training), minlength=len(history.target_items))
        features, events = part_features(inputs, use)
        tables = {
            "place": place,
            "features": features,
            "events": events.log1p()[..., None],
            "item_events": counts.float().log1p()[:, None],
            "item_features": item_features(inputs, use.vocabulary)[history.target_items.start :][: len(counts)],
        }
        for name, table in tables.items():
            self.register_buffer(name, table, persistent=False)
        part = parts_of(history, len(personas.parts))
        keys = (history.user() * len(counts) + history.item - history.target_items.start)[part > 0]
        keys, first = np.unique(keys, return_index=True)
        self.register_buffer("pairs", torch.from_numpy(keys), persistent=False)  # user and item of training events
        self.register_buffer("part", torch.from_numpy(part[part > 0][first]), persistent=False)

    def _add_source(self, inputs: base.ModelInputs, use: Use) -> None:
        """What trains the towers on source events, if they do."""
        history, personas = inputs.history, inputs.personas
        assert personas is not None
        events = history.training() & ~history.is_target
        self.trains_on_source = bool(self.settings.source_weight and events.any())
        if not self.trains_on_source:
            return
        users = torch.searchsorted(personas.source.users, torch.from_numpy(history.user()[events]))
        source = history.source_items
        self.source = {
            "users": users,
            "items": torch.from_numpy(history.item[events] - source.start),
            "user_features": source_features(inputs, use),
            "item_features": item_features(inputs, use.vocabulary)[source.start : source.stop],
        }

    @property
    def matches_by_inner_product(self) -> bool:
        """Whether the backbone scores by inner products."""
        return self.backbone.matches_by_inner_product

    def prepare(self) -> Prepared:
        """The backbone's prepared values and all item vectors."""
        prepared = self.backbone.prepare()
        items, semantic = self.backbone.items(prepared), None
        if "item_tower" in self.semantic:
            semantic = self.semantic["item_tower"](self.item_features)
            items = self._fused("item", items, semantic, self.item_events)
        return Prepared(prepared, items, semantic)

    def _fused(self, side: str, own: torch.Tensor, semantic: torch.Tensor, events: torch.Tensor) -> torch.Tensor:
        return own if self.settings.gate == "scores" else self.semantic[f"{side}_gate"](own, semantic, events)

    def _users(self, prepared: Prepared, batch: Batch) -> tuple[torch.Tensor, torch.Tensor | None, torch.Tensor]:
        """(N_t, D) the collaborative vectors, (N_t, D) the semantic ones or none, and (N_t, 1) log(1 + events)."""
        own, row = self.backbone.users(prepared.backbone, batch), batch.target.row
        rows = torch.stack([self._part(batch), self.place.index_select(0, batch.users).index_select(0, row)])
        rows, step = torch.unique(rows, dim=1, return_inverse=True)  # users are few next to steps
        events = self.events[rows[0], rows[1]][step]
        if "user_tower" not in self.semantic:
            return own, None, events
        return own, F.embedding(step, self.semantic["user_tower"](self.features[rows[0], rows[1]])), events

    def _part(self, batch: Batch) -> torch.Tensor:
        """(N_t,): the part that the persona of each step leaves out: that of its positive in training, else none."""
        if not self.training or not len(self.pairs):
            return torch.zeros_like(batch.positives, dtype=torch.long)
        users = batch.users.index_select(0, batch.target.row).long()
        return self.part[torch.searchsorted(self.pairs, users * len(self.item_events) + batch.positives)]

    def states(self, prepared: Prepared, batch: Batch) -> torch.Tensor:
        """(N_t, d); with gate scores the semantic vectors follow the backbone's states."""
        own, semantic, events = self._users(prepared, batch)
        if semantic is None:
            return self._joined(self.backbone.user_side(own), None)
        states = self.backbone.user_side(self._fused("user", own, semantic, events))
        if self.settings.gate == "scores":
            semantic = semantic * self._gate("user").odds(own, semantic, events)
        return self._joined(states, semantic)

    def item_vectors(self, prepared: Prepared) -> torch.Tensor:
        """(target items, d)."""
        return self._joined(self.backbone.item_side(prepared.items), prepared.semantic)

    def _joined(self, vectors: torch.Tensor, semantic: torch.Tensor | None) -> torch.Tensor:
        """With gate scores the semantic vectors (zeros if there are none) beside those that the backbone matches."""
        if self.settings.gate != "scores":
            return vectors
        none = vectors.new_zeros(len(vectors), self.width)
        return torch.cat([vectors, none if semantic is None else semantic], 1)

    def match(self, states: torch.Tensor, vectors: torch.Tensor) -> torch.Tensor:
        """(N, k): the backbone's scores, with gate scores plus the inner products of both semantic towers."""
        if self.settings.gate != "scores":
            return self.backbone.match(states, vectors)
        sizes = [states.shape[-1] - self.width, self.width]
        (own, semantic), (items, others) = states.split(sizes, -1), vectors.split(sizes, -1)
        return self.backbone.match(own, items) + base.Model.match(self, semantic, others)

    def auxiliary_loss(self, prepared: Prepared, batch: Batch) -> torch.Tensor | float:
        """The backbone's penalty, and the loss over source events."""
        penalty = self.backbone.auxiliary_loss(prepared.backbone, batch)
        return penalty + self.settings.source_weight * self._source_loss() if self.trains_on_source else penalty

    def _source_loss(self) -> torch.Tensor:
        """Softmax cross-entropy of the semantic towers on some source events, each among the items of all of them."""
        source = self.source
        drawn = torch.randint(len(source["users"]), (SOURCE_EVENTS,))
        device = self.place.device
        items, positives = torch.unique(source["items"][drawn], return_inverse=True)
        users = self.semantic["user_tower"](source["user_features"][source["users"][drawn]].to(device))
        vectors = self.semantic["item_tower"](source["item_features"][items].to(device))
        return F.cross_entropy(users @ vectors.T, positives.to(device))

    def gate_weights(self, prepared: Prepared, batch: Batch) -> torch.Tensor:
        """(B,): the mean weight of the collaborative side at each row's last step; NaN without such a gate."""
        own, semantic, events = (x if x is None else x[batch.last.long()] for x in self._users(prepared, batch))
        return self._weights("user", own, semantic, events)

    def item_gate_weights(self, prepared: Prepared) -> torch.Tensor:
        """(target items,): the same of items."""
        return self._weights("item", self.backbone.items(prepared.backbone), prepared.semantic, self.item_events)

    def _weights(
        self, side: str, own: torch.Tensor | None, semantic: torch.Tensor | None, events: torch.Tensor | None
    ) -> torch.Tensor:
        assert own is not None and events is not None
        gate = f"{side}_gate"
        if semantic is None or gate not in self.semantic or self.settings.gate == "concat":
            return own.new_full((len(own),), torch.nan)
        return self._gate(side).weight(own, semantic, events).mean(1)

    def _gate(self, side: str) -> Gate:
        gate = self.semantic[f"{side}_gate"]
        assert isinstance(gate, Gate)
        return gate

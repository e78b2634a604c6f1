"""SemaCDR (arXiv 2604.09551): item semantics, graphs and three sequences rank the items of the target domain.

The paper's text lacks the equations; each method names the equation that it implements, as the paper's prose suggests
it. The paper's ablations and the remaining open points are settings. Readings that validation rejected were removed:
commit b1b95ae has them, with the runs of docs/results/open_points.md.
"""

import functools
from dataclasses import dataclass
from typing import Literal, NamedTuple

import torch
import torch.nn.functional as F
from torch import nn

from semacdr.batching.batches import Batch, Sequence
from semacdr.errors import UserError
from semacdr.models import base
from semacdr.models.attention import attend_across
from semacdr.models.layers import Encoder, GraphConvolution, at_places, embed, initialise, propagate
from semacdr.models.score_terms import ScoreTerms
from semacdr.models.settings import EncoderSettings
from semacdr.models.source_steps import source_loss, source_steps
from semacdr.models.views import SemanticViews, align
from semacdr.runtime.settings import Count, NonNegative, Positive, setting

INPUTS = ("graphs",)
SETTING_INPUTS = {"inner": ("embeddings",), "agnostic": ("agnostic",), "profile_weight": ("agnostic",)}
LOSS = "bpr"


@dataclass(frozen=True)
class Settings(EncoderSettings):
    """Settings of SemaCDR: those of the paper (appendix C), its ablations, and the points it leaves open."""

    inner: bool = setting(True, "inner-domain semantics; false is an ablation")
    agnostic: bool = setting(True, "domain-agnostic semantics; false is an ablation")
    categories: Count | None = setting(
        None, "K of section 2.3.2: the number of categories used, first by name; null: all"
    )
    domain_nodes: Literal["domain", "all"] = setting(
        "domain", "views in the source and the target graph: domain (without the agnostic view), or all"
    )
    graph: Literal["co_interaction", "counted", "sequence", "none"] = setting(
        "co_interaction", "edges: co-interaction, counted by users, sequence (SimpGraph), or none"
    )
    convolution: Literal["gcn", "light"] = setting(
        "gcn", "graph layer: gcn (appendix C), or light, without weights and activation"
    )
    self_information: Literal["layer_mean", "residual"] = setting(
        "layer_mean", "a node after propagation: mean (layer_mean) or sum (residual) of node and neighbours"
    )
    cross_domain: bool = setting(True, "source sequence; false is the ablation without cross-domain behaviour")
    user_vector: Literal["id", "none"] = setting("id", "e_u of eq. 11: the user's embedding, or none")
    fusion: Literal["adaptive", "average"] = setting(
        "adaptive", "weights of eq. 11: learned (adaptive), or equal, an ablation (average)"
    )
    contrastive_weight: NonNegative = setting(0.1, "lambda of eq. 14")
    temperature: Positive = setting(0.5, "tau of eq. 3, which the paper's text lacks")
    contrastive_items: Count = setting(1024, "items of a domain and batch in eq. 3, at most")
    source_weight: NonNegative = setting(
        0.0, "beyond the paper: weight of the loss that ranks the next source item after each mixed event"
    )
    rules_weight: NonNegative = setting(
        0.0, "beyond the paper: weight of the logarithm of sequential rules' votes, which is added to scores in ranking"
    )
    profile_weight: NonNegative = setting(
        0.0, "beyond the paper: weight of the user's profile of shared categories, which is added to scores in ranking"
    )


def check(settings: Settings) -> None:
    """Raise a UserError for settings that do not fit together."""
    if settings.profile_weight and not settings.agnostic:
        raise UserError("semacdr: profile_weight needs the shared categories (agnostic: true)")


def pairs(settings: Settings) -> list[tuple[str, str]]:
    """The pairs of views that eq. 3 aligns, each with its anchor first."""
    if not settings.agnostic:
        return []
    return [("identity", "agnostic"), *([("inner", "agnostic")] if settings.inner else [])]


class Views(NamedTuple):
    """The three views of all items of the scenario, (items, d) each; None for a view that is switched off."""

    identity: torch.Tensor
    inner: torch.Tensor | None
    agnostic: torch.Tensor | None


class Prepared(NamedTuple):
    """The values that all batches share: the views, and the graph-enhanced nodes (eqs. 4 to 6)."""

    views: Views
    source: torch.Tensor | None  # (source items, d); None without a source sequence
    target: torch.Tensor  # (target items, d)
    mixed: torch.Tensor  # (items of the scenario and users, d)


def add(parts: list[torch.Tensor]) -> torch.Tensor:
    """The sum of tensors of the same shape."""
    return functools.reduce(torch.add, parts)


class Fusion(nn.Module):
    """Eq. 11: the sum of `signals` vectors (N, d) with learned weights; without learned weights their mean."""

    def __init__(self, signals: int, learned: bool) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.full((signals,), 1 / signals)) if learned else None

    def forward(self, signals: list[torch.Tensor]) -> torch.Tensor:
        """(N, d)."""
        if self.weight is None:
            return add(signals) / len(signals)
        return add([weight * signal for weight, signal in zip(self.weight, signals, strict=True)])


class Model(base.Model):
    """The model of the paper's figure 2."""

    def __init__(self, inputs: base.ModelInputs, settings: Settings) -> None:
        super().__init__()
        if inputs.graphs is None:
            raise UserError("semacdr needs graphs")
        check(settings)
        self.settings, history, dim = settings, inputs.history, settings.dim
        self.serves_unseen_users = settings.user_vector == "none"
        self.pairs = pairs(settings) if settings.contrastive_weight else []
        self.distinct_items = settings.contrastive_items if self.pairs else 0
        self.source_items, self.target_items = history.source_items, history.target_items
        self.items = len(self.source_items) + len(self.target_items)
        self.users, self.identity = history.users, nn.Embedding(self.items, dim)
        has_users = settings.graph in ("co_interaction", "counted") or settings.user_vector != "none"
        self.user_identity = nn.Embedding(history.users, dim) if has_users else None
        self.semantic = SemanticViews(inputs, dim, settings.inner, settings.agnostic, settings.categories)
        graphs = {name: graph for name, graph in inputs.graphs.items() if name != "source" or settings.cross_domain}
        convolved = graphs if settings.convolution == "gcn" else {}
        self.convolutions = nn.ModuleDict({name: GraphConvolution(dim) for name in convolved})
        for name, adjacency in graphs.items():
            self.register_buffer(f"{name}_graph", adjacency, persistent=False)
        self._make_encoders(inputs.max_length)
        self.fusion = Fusion(2 + (settings.user_vector != "none"), settings.fusion == "adaptive")
        self.terms = ScoreTerms(inputs, settings.rules_weight, settings.profile_weight)
        self.reads_events = not self.scores_are_inner_products
        initialise(self)

    def _make_encoders(self, max_length: int) -> None:
        settings, dim = self.settings, self.settings.dim
        names = ("source", "target", "mixed") if settings.cross_domain else ("target", "mixed")
        self.encoders = nn.ModuleDict()
        for name in names:
            self.encoders[name] = Encoder(dim, max_length, settings.blocks, settings.dropout, settings.norm)
        if settings.cross_domain:
            self.cross = nn.ModuleDict({"query": nn.Linear(dim, dim), "key_value": nn.Linear(dim, 2 * dim)})
            self.null = nn.Parameter(torch.zeros(2 * dim))
            self.cross_norm = nn.LayerNorm(dim)

    def prepare(self) -> Prepared:
        """Eqs. 4 to 6: all nodes after one propagation over the source, the target and the mixed graph.

        An item's node is the sum of its views (section 2.3.4).
        """
        views = Views(self.identity.weight, *self.semantic())
        items = by_domain = add([view for view in views if view is not None])
        if self.settings.domain_nodes == "domain":
            by_domain = add([view for view in views[:2] if view is not None])
        users = items.new_zeros(self.users, items.shape[1]) if self.user_identity is None else self.user_identity.weight
        source, target = (by_domain[domain.start : domain.stop] for domain in (self.source_items, self.target_items))
        return Prepared(
            views=views,
            source=self._enrich("source", source) if self.settings.cross_domain else None,
            target=self._enrich("target", target),
            mixed=self._enrich("mixed", torch.cat([items, users])),
        )

    def _enrich(self, name: str, nodes: torch.Tensor) -> torch.Tensor:
        """The nodes (n, d) after propagation over a graph; unchanged without graphs."""
        if self.settings.graph == "none":
            return nodes
        neighbours = propagate(getattr(self, f"{name}_graph"), nodes)
        if name in self.convolutions:
            convolution = self.convolutions[name]
            assert isinstance(convolution, GraphConvolution)
            neighbours = convolution.transform(neighbours)
        return (nodes + neighbours) / (2 if self.settings.self_information == "layer_mean" else 1)

    def states(self, prepared: Prepared, batch: Batch) -> torch.Tensor:
        """Eq. 11: z (N_t, d), the weighted sum of fused target state, mixed state and user vector."""
        return self._states(prepared, batch)[0]

    def _states(self, prepared: Prepared, batch: Batch) -> tuple[torch.Tensor, torch.Tensor]:
        """z, and the states of the mixed sequence (N_m, d)."""
        target = self._fuse_source(prepared, batch, self._encode("target", prepared.target, batch.target))
        encoded = self._encode("mixed", prepared.mixed[: self.items], batch.mixed)
        signals = [target, at_places(encoded, batch.mixed_last)]
        if self.settings.user_vector == "id":
            assert self.user_identity is not None
            users = batch.users.index_select(0, batch.target.row)
            signals.append(F.embedding(users, self.user_identity.weight))
        return self.fusion(signals), encoded

    def _encode(self, name: str, items: torch.Tensor, sequence: Sequence) -> torch.Tensor:
        """Eqs. 7 to 9."""
        return self.encoders[name](embed(sequence, items), sequence)

    def _fuse_source(self, prepared: Prepared, batch: Batch, target: torch.Tensor) -> torch.Tensor:
        """Eq. 10: each target step attends to the source events before its positive and to a learned null key."""
        if prepared.source is None:
            return target
        source = self._encode("source", prepared.source, batch.source)
        rate = self.settings.dropout if self.training else 0.0
        query, joint = self.cross["query"](target), self.cross["key_value"](source)
        attended = attend_across(query, joint, batch.source_visible, self.null, batch.cross, rate)
        return self.cross_norm(target + attended)

    @property
    def scores_are_inner_products(self) -> bool:
        """Not with terms, which are added to inner products."""
        return not (self.settings.rules_weight or self.settings.profile_weight)

    def scores(self, prepared: Prepared, batch: Batch) -> torch.Tensor:
        """(B, target items): eq. 12, plus the terms beyond the paper."""
        return super().scores(prepared, batch) + self.terms(batch)

    def learned_scores(self, prepared: Prepared, batch: Batch) -> torch.Tensor:
        """(B, target items): eq. 12 alone. With the terms, early epochs would rank well and end training too soon."""
        return super().scores(prepared, batch)

    def item_vectors(self, prepared: Prepared) -> torch.Tensor:
        """(target items, d): eq. 12 as an inner product with the graph-enhanced target items."""
        return prepared.target

    def item_spaces(self, prepared: Prepared) -> dict[str, torch.Tensor]:
        """The items after their own domain's graph (eqs. 4 and 5), and after the mixed graph (eq. 6)."""
        spaces = {"mixed_graph": prepared.mixed[: self.items]}
        if prepared.source is None:
            return spaces
        ordered = (prepared.source, prepared.target)[:: 1 if self.source_items.start == 0 else -1]
        return {"domain_graphs": torch.cat(ordered)} | spaces

    def auxiliary_loss(self, prepared: Prepared, batch: Batch) -> torch.Tensor | float:
        """Eq. 14: lambda times eq. 3, summed over pairs of views and both domains; plus the source loss."""
        return self.states_and_auxiliary_loss(prepared, batch)[1]

    def states_and_auxiliary_loss(self, prepared: Prepared, batch: Batch) -> tuple[torch.Tensor, torch.Tensor | float]:
        """Both; the mixed sequence is encoded once."""
        states, mixed = self._states(prepared, batch)
        return states, self._contrast(prepared, batch) + self._source_loss(prepared, batch, mixed)

    def _contrast(self, prepared: Prepared, batch: Batch) -> torch.Tensor | float:
        domains = batch.source_items + self.source_items.start, batch.target_items + self.target_items.start
        loss = align(prepared.views._asdict(), self.pairs, domains, self.settings.temperature)
        return self.settings.contrastive_weight * loss

    def _source_loss(self, prepared: Prepared, batch: Batch, mixed: torch.Tensor) -> torch.Tensor | float:
        """Softmax cross-entropy over the source items, the mean over source events that follow a mixed one (N_m, d).

        Most of a user's data is the source history, which eq. 13 never predicts.
        """
        domain = self.source_items
        if not self.settings.source_weight or not len(batch.source_place):
            return 0.0
        steps = source_steps(batch)
        vectors = prepared.mixed[domain.start : domain.stop] if prepared.source is None else prepared.source
        states = F.embedding(steps.mixed_before, mixed)
        return self.settings.source_weight * source_loss(steps, states, vectors, batch)

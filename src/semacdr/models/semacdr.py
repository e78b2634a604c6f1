"""SemaCDR (arXiv 2604.09551): item semantics, graphs and three sequences, joined to rank the target domain.

The equations are lost in the text that is at hand; each method names the one it implements, in the reading that the
paper's prose supports best. Open points are settings, the paper's ablations too.
"""

from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import nn

from semacdr.batching.batches import Batch, Sequence
from semacdr.errors import UserError
from semacdr.models import base
from semacdr.models.attention import attend_across
from semacdr.models.dropout import dropout
from semacdr.models.fusion import FUSIONS, Fusion
from semacdr.models.layers import Encoder, GraphConvolution, embed, initialise, propagate
from semacdr.models.losses import softmax_loss
from semacdr.models.views import COMBINATIONS, Combination, SemanticViews, align

INPUTS = ("agnostic", "embeddings", "graphs")
LOSS = "bpr"


@dataclass(frozen=True)
class Settings(base.EncoderSettings):
    """The paper's settings (appendix C) and the readings of what it leaves open."""

    inner: bool = True  # False: ablation without inner-domain semantics
    agnostic: bool = True  # False: ablation without domain-agnostic semantics
    categories: int | None = None  # K of section 2.3.2: the first so many categories by name; None: all
    views: str = "sum"  # how the views of an item become its node: sum, concat, gate
    domain_nodes: str = "domain"  # views in the source and the target graph: domain (without the agnostic one), or all
    graph: str = "co_interaction"  # its edges: co_interaction, counted (by users), sequence (SimpGraph), none
    convolution: str = "gcn"  # gcn (appendix C), or light: A X without weights and activation
    self_information: str = "layer_mean"  # of a node after propagation: self_loop, layer_mean, residual (their sum)
    graph_dropout: float = 0.0  # of the nodes before propagation
    shared_encoder: bool = False  # one sequence encoder for source, target and mixed
    cross_domain: bool = True  # False: ablation without cross-domain behaviour (no source sequence)
    null_key: bool = True  # of eq. 10, learned: what a step attends to that may also attend to nothing
    user_vector: str = "id"  # e_u of eq. 11: id (the raw embedding); graph (the enriched node of eq. 6, which in
    # training knows the positives of the very steps that it is to predict); graph_without_positive; none
    fusion: str = "adaptive"  # weights of eq. 11: semacdr.models.fusion
    item_vector: str = "graph"  # h_v of eq. 12: graph (the enriched target item), or node (before propagation)
    contrastive_weight: float = 0.1  # lambda of eq. 14
    contrastive_pairs: str = "agnostic"  # (id, agnostic) and (inner, agnostic); all: (id, inner) too
    temperature: float = 0.5  # tau of eq. 3, lost in the text
    symmetric: bool = False  # eq. 3 in both directions
    mask_same: bool = False  # items with the same subcategories are no negatives of each other in eq. 3
    contrastive_items: int = 1024  # at most so many items of a domain and batch in eq. 3
    source_weight: float = 0.0  # beyond the paper: of the loss that ranks the next source item after each mixed event


CHOICES = {
    "views": COMBINATIONS,
    "domain_nodes": ("domain", "all"),
    "graph": ("co_interaction", "counted", "sequence", "none"),
    "convolution": ("gcn", "light"),
    "self_information": ("self_loop", "layer_mean", "residual"),
    "user_vector": ("id", "graph", "graph_without_positive", "none"),
    "fusion": FUSIONS,
    "item_vector": ("graph", "node"),
    "contrastive_pairs": ("agnostic", "all"),
}


def check(settings: Settings) -> None:
    """Raise a UserError where a setting is none of its choices, or two do not go together."""
    base.check_choices("semacdr", settings, CHOICES)
    if settings.mask_same and not settings.agnostic:
        raise UserError("semacdr: mask_same needs the agnostic view, which is switched off")
    if settings.graph in ("none", "sequence") and settings.user_vector.startswith("graph"):
        raise UserError(
            f"semacdr: user_vector '{settings.user_vector}' needs a graph with users, not '{settings.graph}'"
        )


def pairs(settings: Settings) -> list[tuple[str, str]]:
    """The pairs of views that eq. 3 aligns, the anchor first."""
    own = ["identity", "inner"] if settings.inner else ["identity"]
    found = [(view, "agnostic") for view in own] if settings.agnostic else []
    return found + ([("identity", "inner")] if settings.contrastive_pairs == "all" and settings.inner else [])


class Views(NamedTuple):
    """The three views of all items of the scenario, (items, d) each; a view that is switched off is None."""

    identity: torch.Tensor
    inner: torch.Tensor | None
    agnostic: torch.Tensor | None


class Prepared(NamedTuple):
    """What all batches share: the views, the nodes, and the graph-enhanced nodes (eqs. 4 to 6)."""

    views: Views
    nodes: torch.Tensor  # (items of the scenario and users, d) as they enter the mixed graph
    source: torch.Tensor | None  # (source items, d), where the source sequence is encoded
    target: torch.Tensor  # (target items, d)
    neighbours: torch.Tensor | None  # (items of the scenario and users, d) A X of the mixed graph
    mixed: torch.Tensor  # (items of the scenario and users, d)


class Model(base.Model):
    """The whole of the paper's figure 2."""

    def __init__(self, problem: base.Problem, settings: Settings) -> None:
        super().__init__()
        check(settings)
        self.settings, history, dim = settings, problem.history, settings.dim
        self.pairs = pairs(settings) if settings.contrastive_weight else []
        self.distinct_items = settings.contrastive_items if self.pairs else 0
        self.source_items, self.target_items = history.source_items, history.target_items
        self.items = len(self.source_items) + len(self.target_items)
        self.users, self.identity = history.users, nn.Embedding(self.items, dim)
        joined = settings.graph in ("co_interaction", "counted") or settings.user_vector != "none"
        self.user_identity = nn.Embedding(history.users, dim) if joined else None
        self.semantic = SemanticViews(problem, dim, settings.inner, settings.agnostic, settings.categories)
        own = 1 + settings.inner
        self.combine = Combination(settings.views, own + settings.agnostic, dim)
        self.combine_domain = Combination(settings.views, own, dim) if settings.domain_nodes == "domain" else None
        graphs = {name: graph for name, graph in problem.graphs.items() if name != "source" or settings.cross_domain}
        learned = graphs if settings.convolution == "gcn" else {}
        self.convolutions = nn.ModuleDict({name: GraphConvolution(dim) for name in learned})
        for name, adjacency in graphs.items():
            self.register_buffer(f"{name}_graph", adjacency, persistent=False)
        self._make_encoders(problem.max_length)
        self.fusion = Fusion(settings.fusion, 2 + (settings.user_vector != "none"), dim)
        initialise(self)
        self.fusion.reset()

    def _make_encoders(self, max_length: int) -> None:
        settings, dim = self.settings, self.settings.dim
        names = ("source", "target", "mixed") if settings.cross_domain else ("target", "mixed")
        self.encoders = nn.ModuleDict()
        for name in names[:1] if settings.shared_encoder else names:
            self.encoders[name] = Encoder(dim, max_length, settings.blocks, settings.dropout, settings.norm)
        if settings.cross_domain:
            self.cross = nn.ModuleDict({"query": nn.Linear(dim, dim), "key_value": nn.Linear(dim, 2 * dim)})
            self.null = nn.Parameter(torch.zeros(2 * dim)) if settings.null_key else None
            self.cross_norm = nn.LayerNorm(dim)

    def prepare(self) -> Prepared:
        """Eqs. 4 to 6: all nodes after one propagation over the source, the target and the mixed graph."""
        views = Views(self.identity.weight, *self.semantic())
        there = [view for view in views if view is not None]
        items = self.combine(there)
        own = self.combine_domain([v for v in views[:2] if v is not None]) if self.combine_domain else items
        users = items.new_zeros(self.users, items.shape[1]) if self.user_identity is None else self.user_identity.weight
        nodes = self._dropped(torch.cat([items, users]))
        source, target = (self._dropped(own[d.start : d.stop]) for d in (self.source_items, self.target_items))
        return Prepared(
            views=views,
            nodes=nodes,
            source=self._enrich("source", source) if self.settings.cross_domain else None,
            target=self._enrich("target", target),
            neighbours=(neighbours := self._propagated("mixed", nodes)),
            mixed=self._join("mixed", nodes, neighbours),
        )

    def _dropped(self, nodes: torch.Tensor) -> torch.Tensor:
        return dropout(nodes, self.settings.graph_dropout if self.training else 0.0)

    def _propagated(self, name: str, nodes: torch.Tensor) -> torch.Tensor | None:
        """The normalised sum of each node's neighbours; None without a graph."""
        return None if self.settings.graph == "none" else propagate(getattr(self, f"{name}_graph"), nodes)

    def _enrich(self, name: str, nodes: torch.Tensor) -> torch.Tensor:
        return self._join(name, nodes, self._propagated(name, nodes))

    def _join(self, name: str, nodes: torch.Tensor, neighbours: torch.Tensor | None) -> torch.Tensor:
        """Nodes after propagation, from what they were and the sum of their neighbours."""
        if neighbours is None:
            return nodes
        enriched = self.convolutions[name].transform(neighbours) if name in self.convolutions else neighbours
        if self.settings.self_information == "self_loop":
            return enriched
        return (nodes + enriched) / (2 if self.settings.self_information == "layer_mean" else 1)

    def states(self, prepared: Prepared, batch: Batch) -> torch.Tensor:
        """Eq. 11: z (N_t, d), the weighted sum of fused target state, mixed state and user vector."""
        return self._states(prepared, batch)[0]

    def _states(self, prepared: Prepared, batch: Batch) -> tuple[torch.Tensor, torch.Tensor]:
        """z, and the states of the mixed sequence (N_m, d)."""
        target = self._fuse_source(prepared, batch, self._encode("target", prepared.target, batch.target))
        encoded = self._encode("mixed", prepared.mixed[: self.items], batch.mixed)
        mixed = F.embedding(batch.mixed_last, torch.cat([encoded.new_zeros(1, encoded.shape[1]), encoded]))
        users = [] if self.settings.user_vector == "none" else [self._users(prepared, batch)]
        return self.fusion([target, mixed, *users]), encoded

    def _users(self, prepared: Prepared, batch: Batch) -> torch.Tensor:
        """(N_t, d): e_u of eq. 11 at each step."""
        users = batch.users.index_select(0, batch.target.row)
        if self.settings.user_vector == "id":
            return F.embedding(users, self.user_identity.weight)
        users = users + self.items
        if self.settings.user_vector == "graph" or not self.training:  # else no edge leads to the positive
            return F.embedding(users, prepared.mixed)
        positives = batch.positives + self.target_items.start
        nodes, inverse = prepared.nodes, self.inverse_degrees
        edge = (inverse[users] * inverse[positives]).sqrt()[:, None]
        neighbours = F.embedding(users, prepared.neighbours) - edge * F.embedding(positives, nodes)
        return self._join("mixed", F.embedding(users, nodes), neighbours)

    @cached_property
    def inverse_degrees(self) -> torch.Tensor:
        """(items and users,): 1 / degree in the mixed graph, which stands on the diagonal of D^-1/2 (A + I) D^-1/2."""
        graph = self.mixed_graph
        rows = torch.repeat_interleave(graph.crow_indices().diff())
        own = rows == graph.col_indices()
        return graph.values()[own]

    def _encode(self, name: str, items: torch.Tensor, sequence: Sequence) -> torch.Tensor:
        """Eqs. 7 to 9."""
        encoder = next(iter(self.encoders.values())) if self.settings.shared_encoder else self.encoders[name]
        return encoder(embed(sequence, items), sequence)

    def _fuse_source(self, prepared: Prepared, batch: Batch, target: torch.Tensor) -> torch.Tensor:
        """Eq. 10: each target step attends to the source events that precede its positive, and to a learned null."""
        if not self.settings.cross_domain:
            return target
        source = self._encode("source", prepared.source, batch.source)
        rate = self.settings.dropout if self.training else 0.0
        query, joint = self.cross["query"](target), self.cross["key_value"](source)
        attended = attend_across(query, joint, batch.source_visible, self.null, batch.cross, rate)
        return self.cross_norm(target + attended)

    def item_vectors(self, prepared: Prepared) -> torch.Tensor:
        """(target items, d): eq. 12 as an inner product with the graph-enhanced target items."""
        if self.settings.item_vector == "node":
            return prepared.nodes[self.target_items.start : self.target_items.stop]
        return prepared.target

    def item_spaces(self, prepared: Prepared) -> dict[str, torch.Tensor]:
        """The items as their own domain's graph leaves them (eqs. 4 and 5), and as the mixed graph does (eq. 6)."""
        spaces = {"mixed_graph": prepared.mixed[: self.items]}
        if prepared.source is None:
            return spaces
        ordered = (prepared.source, prepared.target)[:: 1 if self.source_items.start == 0 else -1]
        return {"domain_graphs": torch.cat(ordered)} | spaces

    def auxiliary_loss(self, prepared: Prepared, batch: Batch) -> torch.Tensor | float:
        """Eq. 14: lambda times eq. 3 of the pairs of views, summed over pairs and both domains; and the source loss."""
        return self.states_and_auxiliary_loss(prepared, batch)[1]

    def states_and_auxiliary_loss(self, prepared: Prepared, batch: Batch) -> tuple[torch.Tensor, torch.Tensor | float]:
        """Both from a mixed sequence that is encoded once."""
        states, mixed = self._states(prepared, batch)
        return states, self._contrast(prepared, batch) + self._source_loss(prepared, batch, mixed)

    def _contrast(self, prepared: Prepared, batch: Batch) -> torch.Tensor | float:
        settings, views = self.settings, prepared.views._asdict()
        domains = batch.source_items + self.source_items.start, batch.target_items + self.target_items.start
        membership = self.semantic.membership if settings.mask_same else None
        loss = align(views, self.pairs, domains, settings.temperature, membership, settings.symmetric)
        return settings.contrastive_weight * loss

    def _source_loss(self, prepared: Prepared, batch: Batch, mixed: torch.Tensor) -> torch.Tensor | float:
        """Softmax cross-entropy over the source items, the mean over source events that follow a mixed one (N_m, d).

        Most of what is known of a user is the source history, which eq. 13 never asks to predict.
        """
        if not self.settings.source_weight:
            return 0.0
        place, own = batch.source_place, self.source_items
        if not len(place):
            return 0.0
        before = (place - 2).clamp(min=0)  # the token before the event; `place` counts from 1, and is 0 of no token
        known = (place > 0) & (batch.mixed.positions[(place - 1).clamp(min=0)] > 0)  # of it there is one
        vectors = prepared.mixed[own.start : own.stop] if prepared.source is None else prepared.source
        steps, states = known.sum().clamp(min=1), F.embedding(before, mixed)
        return self.settings.source_weight * softmax_loss(states, vectors, batch.source.items, steps, known)

"""SemaCDR (arXiv 2604.09551): item semantics, graphs and three sequences, joined to rank the target domain.

The equations are lost in the text that is at hand; each method names the one it implements, in the reading that the
paper's prose supports best. Open points are settings, the paper's ablations too.
"""

from dataclasses import dataclass
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import nn

from semacdr.batching.batches import Batch, Sequence
from semacdr.errors import UserError
from semacdr.models import base
from semacdr.models.layers import Encoder, GraphConvolution, attend_across, dropout, initialise
from semacdr.models.views import SemanticViews, contrast

INPUTS = ("agnostic", "embeddings", "graphs")
LOSS = "bpr"


@dataclass(frozen=True)
class Settings:
    """The paper's settings (section 3.1.3, appendix C) and the readings of what it leaves open."""

    dim: int = 64
    blocks: int = 2
    dropout: float = 0.5
    norm: str = "original"  # of the Transformer blocks: original, pre or post (semacdr.models.layers.Block)
    contrastive_weight: float = 0.1  # lambda of eq. 14
    temperature: float = 0.2  # tau of eq. 3, lost in the text
    contrastive_items: int = 1024  # at most so many items of a domain and batch in eq. 3
    self_information: str = "layer_mean"  # of a node after propagation: self_loop alone, or its mean with the input
    graph_dropout: float = 0.0  # of the nodes before propagation
    user_vector: str = "id"  # e_u of eq. 11: id (the raw embedding) or graph (the enriched node of eq. 6, which in
    # training knows the positives of the very steps that it is to predict, and is worse on validation)
    inner: bool = True  # False: ablation without inner-domain semantics
    agnostic: bool = True  # False: ablation without domain-agnostic semantics
    cross_domain: bool = True  # False: ablation without cross-domain behaviour (no source sequence)
    fusion: str = "adaptive"  # adaptive: learned weights of eq. 11; average: the ablation


CHOICES = {"self_information": ("self_loop", "layer_mean"), "user_vector": ("graph", "id")}
CHOICES |= {"fusion": ("adaptive", "average")}


def check(settings: Settings) -> None:
    """Raise a UserError where a setting is none of its choices."""
    for name, choices in CHOICES.items():
        if getattr(settings, name) not in choices:
            raise UserError(f"semacdr: {name} is one of {', '.join(choices)}, not '{getattr(settings, name)}'")


class Views(NamedTuple):
    """The three views of all items of the scenario, (items, d) each; a view that is switched off is None."""

    identity: torch.Tensor
    inner: torch.Tensor | None
    agnostic: torch.Tensor | None


class Prepared(NamedTuple):
    """What all batches share: the views and the graph-enhanced nodes (eqs. 4 to 6)."""

    views: Views
    source: torch.Tensor  # (source items, d)
    target: torch.Tensor  # (target items, d)
    mixed: torch.Tensor  # (items of the scenario, d)
    users: torch.Tensor  # (users, d)


class Model(base.Model):
    """The whole of the paper's figure 2."""

    def __init__(self, problem: base.Problem, settings: Settings) -> None:
        super().__init__()
        check(settings)
        self.settings, history = settings, problem.history
        self.distinct_items = settings.contrastive_items if settings.agnostic and settings.contrastive_weight else 0
        self.source_items, self.target_items = history.source_items, history.target_items
        items = len(self.source_items) + len(self.target_items)
        self.identity, self.user_identity = nn.Embedding(items, settings.dim), nn.Embedding(history.users, settings.dim)
        self.semantic = SemanticViews(problem, settings.dim, settings.inner, settings.agnostic)
        self.convolutions = nn.ModuleDict({name: GraphConvolution(settings.dim) for name in problem.graphs})
        for name, adjacency in problem.graphs.items():
            self.register_buffer(f"{name}_graph", adjacency, persistent=False)
        encoders = ("source", "target", "mixed") if settings.cross_domain else ("target", "mixed")
        self.encoders = nn.ModuleDict(
            {
                name: Encoder(settings.dim, problem.max_length, settings.blocks, settings.dropout, settings.norm)
                for name in encoders
            }
        )
        if settings.cross_domain:
            dim = settings.dim
            self.cross = nn.ModuleDict({"query": nn.Linear(dim, dim), "key_value": nn.Linear(dim, 2 * dim)})
            self.null = nn.Parameter(torch.zeros(2 * dim))
            self.cross_norm = nn.LayerNorm(settings.dim)
        self.fusion = nn.Parameter(torch.empty(3)) if settings.fusion == "adaptive" else None
        initialise(self)
        if self.fusion is not None:
            nn.init.constant_(self.fusion, 1 / 3)

    def prepare(self) -> Prepared:
        """Eqs. 4 to 6: all nodes after one propagation over the source, the target and the mixed graph."""
        views = Views(self.identity.weight, *self.semantic())
        items = sum(view for view in views if view is not None)
        mixed = self._enrich("mixed", torch.cat([items, self.user_identity.weight]))
        return Prepared(
            views=views,
            source=self._enrich("source", items[self.source_items.start : self.source_items.stop]),
            target=self._enrich("target", items[self.target_items.start : self.target_items.stop]),
            mixed=mixed[: len(items)],
            users=mixed[len(items) :] if self.settings.user_vector == "graph" else self.user_identity.weight,
        )

    def _enrich(self, name: str, nodes: torch.Tensor) -> torch.Tensor:
        dropped = dropout(nodes, self.settings.graph_dropout if self.training else 0.0)
        enriched = self.convolutions[name](getattr(self, f"{name}_graph"), dropped)
        return (nodes + enriched) / 2 if self.settings.self_information == "layer_mean" else enriched

    def states(self, prepared: Prepared, batch: Batch) -> torch.Tensor:
        """Eq. 11: z (N_t, d), the weighted sum of fused target state, mixed state and user vector."""
        target = self._fuse_source(prepared, batch, self._encode("target", prepared.target, batch.target))
        mixed = self._encode("mixed", prepared.mixed, batch.mixed)
        mixed = F.embedding(batch.mixed_last, torch.cat([mixed.new_zeros(1, mixed.shape[1]), mixed]))
        user = F.embedding(batch.users.index_select(0, batch.target.row), prepared.users)
        if self.fusion is None:
            return (target + mixed + user) / 3
        return self.fusion[0] * target + self.fusion[1] * mixed + self.fusion[2] * user

    def _encode(self, name: str, items: torch.Tensor, sequence: Sequence) -> torch.Tensor:
        """Eqs. 7 to 9."""
        return self.encoders[name](F.embedding(sequence.items, items), sequence)

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
        return prepared.target

    def auxiliary_loss(self, prepared: Prepared, batch: Batch) -> torch.Tensor | float:
        """Eq. 14: lambda times eq. 3 of (id, agnostic) and (inner, agnostic), summed over views and both domains."""
        identity, inner, agnostic = prepared.views
        if agnostic is None or not self.settings.contrastive_weight:
            return 0.0
        loss = 0.0
        for domain, items in ((self.source_items, batch.source_items), (self.target_items, batch.target_items)):
            anchor = F.embedding(items + domain.start, agnostic)
            for view in (identity, inner):
                if view is not None and len(items):
                    loss = loss + contrast(F.embedding(items + domain.start, view), anchor, self.settings.temperature)
        return self.settings.contrastive_weight * loss

    def semantic_parameters(self) -> list[nn.Parameter]:
        """The maps of the text vectors and the category tables (appendix E)."""
        return list(self.semantic.parameters())

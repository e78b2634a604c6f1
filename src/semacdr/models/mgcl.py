"""MGCL (Xu, Chen, Pan & Ming, RecSys 2023, TORS 2025): two graphs of items, two sequences, contrasted in two views.

An item has a static vector, from the graph of the users and items of both domains (LightGCN), and a dynamic vector,
from the graph of its sequence (SR-GNN's gated cell). The target sequence is encoded as in SASRec; each of its steps
also attends to the source sequence, with its latest source event as query. The model contrasts an item's two
vectors (intra-domain view) and a step's two states (inter-domain view), with a binary loss instead of InfoNCE.

Two versions of the code are public; the later one has graphs over both domains, connected by item. Differences from
it: the edge from an item to its successor exists only for later steps, because a step must not see its own positive
in the graph of its input; so in training every step gets exactly what it would get as the last one. Source events
before the positive are visible, not only those before the last input; a step without source events sees a zero vector
instead of the last source event. There is no padding: it has no edges, gets no attention, and negatives of the
contrast are permuted among events. The mean of the contrast is over all slots of the windows, as published, because
the published weights assume that. No linear map follows attention. Positions count from the first event of a
window. A short source history does not shorten early target steps. The cross-domain projection is also used in
ranking, no stray source events precede a sequence there, and the global graph is trained in every batch. With more
than one layer, that graph leaks a user's later events into training, as published.
"""

import math
from dataclasses import dataclass
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import nn

from semacdr.batching.batches import Batch, Sequence
from semacdr.models import base
from semacdr.models.dropout import dropout
from semacdr.models.layers import Block, at_places, embed, initialise, mean_of_layers
from semacdr.models.sequence_graph import SequenceGraph
from semacdr.models.settings import CommonSettings
from semacdr.models.sparse import bipartite
from semacdr.runtime.settings import Natural, NonNegative, setting

INPUTS = ()
LOSS = "bce"


@dataclass(frozen=True)
class Settings(CommonSettings):
    """Settings of MGCL: layers as in SemaCDR's paper, weights as in MGCL's code."""

    layers: Natural = setting(1, "layers of the global graph; MGCL's own code has 3")
    preference_weight: NonNegative = setting(0.5, "alpha: contrast of a step's target and source state")
    target_weight: NonNegative = setting(0.5, "beta: contrast of a target item's static and dynamic vector")
    source_weight: NonNegative = setting(0.5, "gamma: the same contrast of source items")
    norm_weight: NonNegative = setting(0.001, "weight of the item table's Euclidean norm, not squared")


class Inputs(NamedTuple):
    """A sequence before it is encoded, (N, d) each: two inputs, and the two vectors that they combine."""

    joined: torch.Tensor  # as later steps see it
    newest: torch.Tensor  # as its own step sees it
    static: torch.Tensor
    dynamic: torch.Tensor


class Encoded(NamedTuple):
    """The encoded sequences, which a batch's states and contrasts share."""

    target: Inputs
    source: Inputs
    target_states: torch.Tensor  # (N_t, d)
    source_states: torch.Tensor  # (N_t, d)


class Model(base.Model):
    """States are the fused target and source states, item vectors the rows of the item table."""

    reads_events = True

    graph: torch.Tensor

    def __init__(self, inputs: base.ModelInputs, settings: Settings) -> None:
        super().__init__()
        self.settings, history, dim = settings, inputs.history, settings.dim
        self.ranges = {"target": history.target_items, "source": history.source_items}
        self.items = nn.Embedding(len(history.source_items) + len(history.target_items), dim)
        self.users, self.positions = nn.Embedding(history.users, dim), nn.Embedding(inputs.max_length, dim)
        self.register_buffer("graph", bipartite(history), persistent=False)
        self.cells = nn.ModuleDict({name: SequenceGraph(dim) for name in self.ranges})
        self.gates = nn.ModuleDict({name: nn.Linear(2 * dim, 2) for name in self.ranges})
        self.norms = nn.ModuleDict({name: nn.LayerNorm(dim, eps=1e-8) for name in self.ranges})
        self.blocks, self.cross_blocks = (
            nn.ModuleList(Block(dim, settings.dropout) for _ in range(settings.blocks)) for _ in range(2)
        )
        self.project, self.fuse = nn.Linear(dim, dim), nn.Linear(2 * dim, dim)
        self.fuse_norm, self.state_norm = nn.LayerNorm(2 * dim, eps=1e-8), nn.LayerNorm(dim, eps=1e-8)
        weights = {"target": settings.target_weight, "source": settings.source_weight}
        self.item_weights = {name: weight for name, weight in weights.items() if weight}
        self.static = nn.Linear(dim, dim) if self.item_weights else None
        self.dynamic = nn.ModuleDict({name: nn.Linear(dim, dim) for name in self.item_weights})
        initialise(self)

    def prepare(self) -> torch.Tensor:
        """(items of the scenario, d): LightGCN's mean of the item vectors over all layers of the global graph."""
        nodes = torch.cat([self.items.weight, self.users.weight])
        return mean_of_layers(self.graph, nodes, self.settings.layers)[: len(self.items.weight)]

    def states(self, prepared: torch.Tensor, batch: Batch) -> torch.Tensor:
        """(N_t, d)."""
        return self._fused(self._encode(prepared, batch))

    def item_vectors(self, prepared: torch.Tensor) -> torch.Tensor:
        """(target items, d)."""
        target = self.ranges["target"]
        return self.items.weight[target.start : target.stop]

    def auxiliary_loss(self, prepared: torch.Tensor, batch: Batch) -> torch.Tensor:
        """The weighted contrasts of both views, and the norm of the item table."""
        return self._contrasts(self._encode(prepared, batch), len(batch.users))

    def states_and_auxiliary_loss(self, prepared: torch.Tensor, batch: Batch) -> tuple[torch.Tensor, torch.Tensor]:
        """Both from one encoding of the batch."""
        encoded = self._encode(prepared, batch)
        return self._fused(encoded), self._contrasts(encoded, len(batch.users))

    def _dropped(self, x: torch.Tensor) -> torch.Tensor:
        return dropout(x, self.settings.dropout if self.training else 0.0)

    def _inputs(self, domain: str, prepared: torch.Tensor, sequence: Sequence) -> Inputs:
        """LN(w_1 G + w_2 N) sqrt(d) + P, w the softmax of a linear map of [G; N]."""
        first, positions = self.ranges[domain].start, F.embedding(sequence.positions, self.positions.weight)
        static = embed(sequence, prepared, first)
        dynamic, newest = self.cells[domain](embed(sequence, self.items.weight, first), sequence.positions)
        mixed = []
        for node in (dynamic, newest):
            weight = self.gates[domain](torch.cat([static, node], -1)).softmax(-1)
            item = self.norms[domain](weight[:, :1] * static + weight[:, 1:] * node)
            mixed.append(self._dropped(item * math.sqrt(self.settings.dim) + positions))
        return Inputs(mixed[0], mixed[1], static, dynamic)

    def _encode(self, prepared: torch.Tensor, batch: Batch) -> Encoded:
        """U^t and U^s: a step sees its own item as the newest one, earlier items with an edge to their successor."""
        target, source = (self._inputs(name, prepared, getattr(batch, name)) for name in self.ranges)
        states, earlier = target.newest, target.joined
        seen = batch.target.positions, batch.target.layout
        *first, last = (block for block in self.blocks if isinstance(block, Block))
        for block in first:
            states, earlier = block.with_own(states, states, earlier, *seen), block(earlier, batch.target.layout)
        states = last.with_own(states, states, earlier, *seen)
        latest = self._latest(source.newest, batch)
        crossed, visible = latest, (batch.source_visible - 1).clamp(min=0)
        for cross_block in self.cross_blocks:
            assert isinstance(cross_block, Block)
            crossed = cross_block.with_own(crossed, latest, source.joined, visible, batch.cross)
        return Encoded(target, source, states, self._dropped(self.project(crossed)))

    @staticmethod
    def _latest(source: torch.Tensor, batch: Batch) -> torch.Tensor:
        """(N_t, d): the latest source event that each target step sees; zeros if it sees none."""
        begins = batch.source.lengths.cumsum(0) - batch.source.lengths
        visible = batch.source_visible
        place = (begins[batch.target.row] + visible) * (visible > 0)  # plus 1; 0 if there is none
        return at_places(source, place)

    def _fused(self, encoded: Encoded) -> torch.Tensor:
        """LN(Dropout(W LN([U^t; U^s])))."""
        both = torch.cat([encoded.target_states, encoded.source_states], -1)
        return self.state_norm(self._dropped(self.fuse(self.fuse_norm(both))))

    def _contrasts(self, encoded: Encoded, rows: int) -> torch.Tensor:
        """alpha C_1 + beta C_2 + gamma C_3 + the weighted norm of the item table."""
        settings, slots = self.settings, rows * len(self.positions.weight)
        total = settings.preference_weight * contrast(encoded.target_states, encoded.source_states)
        for name, weight in self.item_weights.items():
            inputs = getattr(encoded, name)
            assert self.static is not None
            static = self._dropped(self.static(inputs.static))
            total = total + weight * contrast(static, self._dropped(self.dynamic[name](inputs.dynamic)))
        return total / slots + settings.norm_weight * self.items.weight.norm()


def contrast(a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
    """The sum over events of -log sigma(<a, b>) - log(1 - sigma(<a, b~>)), b~ a permutation of b (N, d)."""
    other = F.embedding(torch.randperm(len(b), device=b.device), b)
    return (F.softplus(-(a * b).sum(-1)) + F.softplus((a * other).sum(-1))).sum()

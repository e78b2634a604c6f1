"""The inputs and the interface of all models."""

from dataclasses import dataclass, field
from typing import Any

import torch
from torch import nn

from semacdr.batching.batches import Batch
from semacdr.data.history import History
from semacdr.errors import UserError

PAIRS = 2**18  # pairs of users and items that are scored at once, where scores are no inner products


@dataclass(frozen=True)
class Semantics:
    """Each item's subcategories in the domain-agnostic categories; each category's first subcategory is `unknown`."""

    sizes: tuple[int, ...]  # subcategories of each category, including unknown
    membership: torch.Tensor  # (items, sum of sizes): 1 / (an item's subcategories in the category) at each of them

    def first(self, count: int) -> "Semantics":
        """Only the first `count` categories in alphabetical order; a UserError if there are fewer."""
        if not 1 <= count <= len(self.sizes):
            raise UserError(f"{count} categories are requested, but the taxonomy has {len(self.sizes)}")
        sizes = self.sizes[:count]
        return Semantics(sizes, self.membership[:, : sum(sizes)].contiguous())


@dataclass(frozen=True)
class Side:
    """The personas of one domain, P of them, sorted by user; each is made from training events of the domain alone."""

    users: torch.Tensor  # (P,) i64
    events: torch.Tensor  # (P,) i64 training events that a persona is made from
    confidence: torch.Tensor  # (P,) f32 from 0 to 1, grows with the events
    weights: torch.Tensor  # (P, T) f32 over the terms of the vocabulary
    text: torch.Tensor  # (P, width) f32 vectors of the texts, of unit length


@dataclass(frozen=True)
class Personas:
    """The personas of a direction, and for each one of the target domain its nearest ones of the source domain."""

    source: Side
    target: Side
    neighbours: torch.Tensor  # (P_target, n) i64 places in source.users, the nearest first; -1: none
    similarity: torch.Tensor  # (P_target, n) f32 of the neighbours; 0 where there is none
    parts: tuple["Personas", ...] = ()  # by part, from 1, those without the part (semacdr.data.persona_parts)


@dataclass(frozen=True)
class ModelInputs:
    """The data of one direction, on the CPU; None for inputs that `semacdr.models.required_inputs` does not name."""

    history: History
    max_length: int
    text: torch.Tensor | None = None  # (items of the scenario, width) frozen text vectors
    semantics: Semantics | None = None
    graphs: dict[str, torch.Tensor] | None = None  # source, target, mixed: normalised adjacency as sparse CSR
    personas: Personas | None = None
    digests: dict[str, str] = field(default_factory=dict)  # of the tables that were read, by name


class Model(nn.Module):
    """A model that scores the target catalogue by inner products, unless it overrides `match` or `scores`.

    `prepare` computes what does not depend on the batch; the other methods get its result.
    """

    distinct_items = 0  # distinct items of a domain that a training batch lists at most (Batch.source_items)
    pretraining_epochs = 0  # epochs of `pretraining_loss` before training
    serves_unseen_users = True  # whether scores depend on a user's events alone, not on who the user is

    def prepare(self) -> Any:
        """The values that all batches share until the parameters change, for example graph-enhanced item vectors."""
        return None

    reads_events = False  # whether it is built from users' events, as counts or as a graph of its own
    first_steps = False  # whether training also predicts each user's first target event, from no event

    @property
    def matches_by_inner_product(self) -> bool:
        """Whether a step's scores are inner products, as the losses over the whole catalogue assume."""
        return type(self).match is Model.match

    @property
    def scores_are_inner_products(self) -> bool:
        """Whether the scores are the inner products of `states` and `item_vectors`."""
        return type(self).scores is Model.scores and self.matches_by_inner_product

    def states(self, prepared: Any, batch: Batch) -> torch.Tensor:
        """(N_t, d): the user's state at each target step, from the events before the step's positive."""
        raise NotImplementedError

    def item_vectors(self, prepared: Any) -> torch.Tensor:
        """(target items, d): the vectors whose inner products with states are scores."""
        raise NotImplementedError

    def loss_vectors(self, prepared: Any) -> torch.Tensor:
        """(items, d): the vectors that loss ce ranks a step's positive among; the target items come first."""
        return self.item_vectors(prepared)

    def item_spaces(self, prepared: Any) -> dict[str, torch.Tensor]:
        """By name, the spaces with a vector of every item of the scenario, (items, d); for pictures, not for scores."""
        return {}

    def auxiliary_loss(self, prepared: Any, batch: Batch) -> torch.Tensor | float:
        """The loss that is added to the loss over steps."""
        return 0.0

    def states_and_auxiliary_loss(self, prepared: Any, batch: Batch) -> tuple[torch.Tensor, torch.Tensor | float]:
        """Both for a training batch; a model in which they share an encoder overrides this to run it once."""
        return self.states(prepared, batch), self.auxiliary_loss(prepared, batch)

    def pretraining_loss(self, batch: Batch) -> torch.Tensor:
        """The loss of a batch in pre-training."""
        raise NotImplementedError

    def match(self, states: torch.Tensor, vectors: torch.Tensor) -> torch.Tensor:
        """(N, k): the scores for states (N, d) of the items with vectors (N, k, d), or (1, k, d) for all states."""
        return torch.einsum("nd,nkd->nk", states, vectors.expand(len(states), -1, -1))

    def scores(self, prepared: Any, batch: Batch) -> torch.Tensor:
        """(B, target items): the scores that rank the catalogue after each row's last step."""
        return self.all_scores(self.states(prepared, batch).index_select(0, batch.last), self.item_vectors(prepared))

    def learned_scores(self, prepared: Any, batch: Batch) -> torch.Tensor:
        """(B, target items): the scores by which validation chooses the epoch: those that training improves."""
        return self.scores(prepared, batch)

    def all_scores(self, states: torch.Tensor, vectors: torch.Tensor) -> torch.Tensor:
        """(N, n): the scores for states (N, d) of all items with vectors (n, d); in chunks unless inner products."""
        if self.matches_by_inner_product:
            return states @ vectors.T
        rows = max(1, PAIRS // len(vectors))
        return torch.cat([self.match(part, vectors[None]) for part in states.split(rows)])

    def gate_weights(self, prepared: Any, batch: Batch) -> torch.Tensor:
        """(B,): the weight, from 0 to 1, of the collaborative side at each row's last step, of a model with a gate."""
        raise NotImplementedError

    def item_gate_weights(self, prepared: Any) -> torch.Tensor:
        """(target items,): the same of items."""
        raise NotImplementedError

    def semantic_parameters(self) -> list[nn.Parameter]:
        """Parameters with the semantic learning rate (paper, appendix E): those of the module `semantic`, if any."""
        semantic = getattr(self, "semantic", None)
        return [] if semantic is None else list(semantic.parameters())

"""What a system is given and what it must answer."""

from dataclasses import dataclass, field
from typing import Any

import torch
from torch import nn

from semacdr.batching.batches import Batch
from semacdr.data.history import History
from semacdr.errors import UserError


@dataclass(frozen=True)
class Semantics:
    """The items' places in the domain-agnostic categories; each category has an unknown subcategory, its first."""

    sizes: tuple[int, ...]  # number of subcategories of each category, the unknown one included
    membership: torch.Tensor  # (items, sum of sizes): 1 / (an item's subcategories in the category) at each of them

    def first(self, count: int) -> "Semantics":
        """The same in the first `count` categories alone, which are in the order of their names."""
        if not 1 <= count <= len(self.sizes):
            raise UserError(f"{count} categories are asked for, the taxonomy has {len(self.sizes)}")
        sizes = self.sizes[:count]
        return Semantics(sizes, self.membership[:, : sum(sizes)].contiguous())


@dataclass(frozen=True)
class ModelInputs:
    """One direction as a model reads it, on the CPU; None for what `semacdr.models.required_inputs` does not name."""

    history: History
    max_length: int
    text: torch.Tensor | None = None  # (items of the scenario, width) frozen text vectors
    semantics: Semantics | None = None
    graphs: dict[str, torch.Tensor] | None = None  # source, target, mixed: normalised adjacency as sparse CSR
    digests: dict[str, str] = field(default_factory=dict)  # of the tables that these were read from, by name


class Model(nn.Module):
    """A system that scores the target catalogue by inner products, unless it overrides `scores`.

    `prepare` computes once what does not depend on the batch; its result is handed to the other methods.
    """

    distinct_items = 0  # at most so many distinct items of a domain are listed in a training batch (Batch.source_items)
    pretraining_epochs = 0  # epochs of `pretraining_loss` alone, before training begins

    def prepare(self) -> Any:
        """What all batches share until the parameters change (graph-enhanced item vectors, say)."""
        return None

    def states(self, prepared: Any, batch: Batch) -> torch.Tensor:
        """(N_t, d): the user's state at each target step, from what precedes the step's positive."""
        raise NotImplementedError

    def item_vectors(self, prepared: Any) -> torch.Tensor:
        """(target items, d): what the states are multiplied with."""
        raise NotImplementedError

    def item_spaces(self, prepared: Any) -> dict[str, torch.Tensor]:
        """By name the spaces that hold a vector of every item of the scenario, (items, d); to look at, not to score."""
        return {}

    def auxiliary_loss(self, prepared: Any, batch: Batch) -> torch.Tensor | float:
        """What is added to the loss over steps."""
        return 0.0

    def states_and_auxiliary_loss(self, prepared: Any, batch: Batch) -> tuple[torch.Tensor, torch.Tensor | float]:
        """Both for a training batch; a system where they share an encoder overrides this and runs it once."""
        return self.states(prepared, batch), self.auxiliary_loss(prepared, batch)

    def pretraining_loss(self, batch: Batch) -> torch.Tensor:
        """The loss of a batch in pre-training."""
        raise NotImplementedError

    def scores(self, prepared: Any, batch: Batch) -> torch.Tensor:
        """(B, target items): the scores that rank the catalogue after each row's last step."""
        states = self.states(prepared, batch).index_select(0, batch.last)
        return states @ self.item_vectors(prepared).T

    def semantic_parameters(self) -> list[nn.Parameter]:
        """Those that learn with the semantic learning rate (paper, appendix E): of the module `semantic`, if any."""
        semantic = getattr(self, "semantic", None)
        return [] if semantic is None else list(semantic.parameters())

"""Views of items by meaning: the inner-domain text and the domain-agnostic categories (SemaCDR, section 2.3)."""

from collections.abc import Iterable

import torch
import torch.nn.functional as F
from torch import nn

from semacdr.batching.batches import Batch
from semacdr.models import base


class SemanticViews(nn.Module):
    """The inner-domain and the domain-agnostic view of all items (section 2.3, eq. 2)."""

    def __init__(
        self, problem: base.Problem, dim: int, inner: bool, agnostic: bool, categories: int | None = None
    ) -> None:
        """`categories`: of the agnostic view, the first so many; None: all."""
        super().__init__()
        history, semantics = problem.history, problem.semantics
        if agnostic and categories is not None:
            semantics = semantics.first(categories)
        self.domains = sorted((history.source_items, history.target_items), key=lambda items: items.start)
        self.register_buffer("text", problem.text if inner else None, persistent=False)
        self.register_buffer("membership", semantics.membership if agnostic else None, persistent=False)
        if inner:
            self.inner = nn.ModuleList(nn.Linear(problem.text.shape[1], dim) for _ in self.domains)
        if agnostic:
            self.tables = nn.ModuleList(nn.Embedding(size, dim) for size in semantics.sizes)
            self.join = nn.Linear(dim * len(semantics.sizes), dim)

    def forward(self) -> tuple[torch.Tensor | None, torch.Tensor | None]:
        """e^inn and e^agn, (items of the scenario, d) each, or None where switched off."""
        return (
            self._inner() if self.text is not None else None,
            self._agnostic() if self.membership is not None else None,
        )

    def _inner(self) -> torch.Tensor:
        """The text vectors, mapped by a linear map of each domain's own."""
        return torch.cat(
            [linear(self.text[d.start : d.stop]) for d, linear in zip(self.domains, self.inner, strict=True)]
        )

    def _agnostic(self) -> torch.Tensor:
        """Eq. 2: the mean over an item's subcategories in each category; the categories concatenated, then to d.

        The concatenation's linear map is applied to the few subcategories before items take their means: the same sum.
        """
        maps = self.join.weight.split(self.tables[0].embedding_dim, dim=1)
        mapped = [F.linear(table.weight, part) for table, part in zip(self.tables, maps, strict=True)]
        return self.membership @ torch.cat(mapped) + self.join.bias


COMBINATIONS = ("sum", "concat", "gate")


class Combination(nn.Module):
    """One vector an item out of its views (the node input of section 2.3.4, lost in the text).

    sum: their sum; concat: a linear map of all side by side; gate: their mean with weights that each item's views give.
    """

    def __init__(self, how: str, views: int, dim: int) -> None:
        super().__init__()
        self.how, self.views = how, views
        if how != "sum" and views > 1:
            self.linear = nn.Linear(views * dim, dim if how == "concat" else views)

    def forward(self, views: list[torch.Tensor]) -> torch.Tensor:
        """(items, d) of the views (items, d)."""
        if self.how == "sum" or self.views == 1:
            return sum(views)
        joined = self.linear(torch.cat(views, -1))
        if self.how == "concat":
            return joined
        return (torch.stack(views, -1) * joined.softmax(-1)[:, None]).sum(-1)


def contrast(
    a: torch.Tensor,
    b: torch.Tensor,
    temperature: float,
    labels: torch.Tensor | None = None,
    symmetric: bool = False,
) -> torch.Tensor:
    """Eq. 3: InfoNCE of the views a and b (N, d) of the same N items, a as anchor, cosine similarity.

    With `labels` (N, m), items whose rows are equal are no negatives of each other: their agnostic views are the same
    vector, which no training can tell apart. `symmetric`: the mean of both directions.
    """
    logits = F.normalize(a, dim=-1) @ F.normalize(b, dim=-1).T / temperature
    if labels is not None:
        same = torch.unique(labels, dim=0, return_inverse=True)[1]
        own = torch.eye(len(same), dtype=torch.bool, device=same.device)
        logits = logits.masked_fill((same == same[:, None]) & ~own, -torch.inf)
    wanted = torch.arange(len(a), device=a.device)
    loss = F.cross_entropy(logits, wanted)
    return (loss + F.cross_entropy(logits.T, wanted)) / 2 if symmetric else loss


def nt_xent(a: torch.Tensor, b: torch.Tensor, temperature: float, cosine: bool = False) -> torch.Tensor:
    """The mean over all 2B views, of a and b (B, d): cross-entropy of a view's partner against the 2 (B - 1) others.

    Views are compared by inner product, or by their `cosine`.
    """
    views = F.normalize(torch.cat([a, b]), dim=-1) if cosine else torch.cat([a, b])
    own = torch.eye(len(views), dtype=torch.bool, device=a.device)
    logits = (views @ views.T / temperature).masked_fill(own, -torch.inf)
    return F.cross_entropy(logits, torch.arange(len(views), device=a.device).roll(len(a)))


PAIRS = (("identity", "agnostic"), ("inner", "agnostic"))  # of eq. 3, the anchor first


def align(
    views: dict[str, torch.Tensor],
    pairs: Iterable[tuple[str, str]],
    domains: Iterable[torch.Tensor],
    temperature: float,
    membership: torch.Tensor | None = None,
    symmetric: bool = False,
) -> torch.Tensor | float:
    """Eq. 3 of each pair of views (items of the scenario, d), within each domain's items (N,), summed.

    With `membership` (Semantics), items with the same subcategories are no negatives of each other.
    """
    loss = 0.0
    for items in domains:
        if not len(items):
            continue
        labels = None if membership is None else F.embedding(items, membership)
        for pair in pairs:
            a, b = (F.embedding(items, views[name]) for name in pair)
            loss = loss + contrast(a, b, temperature, labels, symmetric)
    return loss


class Enhancement(SemanticViews):
    """SemaCDR's semantics for another system's items, and nothing else of it: what its paper calls an enhanced system.

    The system adds an item's inner and agnostic view to its vectors of the item; eq. 3 aligns the views.
    """

    def __init__(self, problem: base.Problem, settings: base.EnhancedSettings) -> None:
        super().__init__(problem, settings.dim, inner=True, agnostic=True)
        self.weight, self.temperature = settings.semantic_weight, settings.semantic_temperature
        self.source_items, self.target_items = problem.history.source_items, problem.history.target_items

    def views(self, identity: torch.Tensor) -> dict[str, torch.Tensor]:
        """The views identity, inner and agnostic, (items of the scenario, d) each; the first one is given."""
        inner, agnostic = self()
        return {"identity": identity, "inner": inner, "agnostic": agnostic}

    def loss(self, views: dict[str, torch.Tensor], batch: Batch) -> torch.Tensor | float:
        """Eq. 3 over a training batch's distinct items of both domains, in its weight."""
        items = batch.source_items + self.source_items.start, batch.target_items + self.target_items.start
        return self.weight * align(views, PAIRS, items, self.temperature)

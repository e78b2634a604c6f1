"""Semantic views of items: inner-domain text and domain-agnostic categories (SemaCDR, section 2.3)."""

from collections.abc import Iterable, Mapping

import torch
import torch.nn.functional as F
from torch import nn

from semacdr.batching.batches import Batch
from semacdr.errors import UserError
from semacdr.models import base
from semacdr.models.layers import weight_of
from semacdr.models.settings import EnhancedSettings


class SemanticViews(nn.Module):
    """The inner-domain and the domain-agnostic view of all items (section 2.3, eq. 2)."""

    text: torch.Tensor | None
    membership: torch.Tensor | None

    def __init__(
        self, inputs: base.ModelInputs, dim: int, inner: bool, agnostic: bool, categories: int | None = None
    ) -> None:
        """`categories`: how many categories the agnostic view has, the first ones by name; None: all."""
        super().__init__()
        history = inputs.history
        text, semantics = inputs.text if inner else None, inputs.semantics if agnostic else None
        if (inner and text is None) or (agnostic and semantics is None):
            raise UserError("item semantics need text vectors for the inner view, categories for the agnostic one")
        if categories is not None and semantics is not None:
            semantics = semantics.first(categories)
        self.domains = sorted((history.source_items, history.target_items), key=lambda items: items.start)
        self.register_buffer("text", text, persistent=False)
        self.register_buffer("membership", None if semantics is None else semantics.membership, persistent=False)
        if text is not None:
            self.inner = nn.ModuleList(nn.Linear(text.shape[1], dim) for _ in self.domains)
        if semantics is not None:
            self.tables = nn.ModuleList(nn.Embedding(size, dim) for size in semantics.sizes)
            self.join = nn.Linear(dim * len(semantics.sizes), dim)

    def forward(self) -> tuple[torch.Tensor | None, torch.Tensor | None]:
        """e^inn and e^agn, (items of the scenario, d) each, or None where switched off."""
        return (
            None if self.text is None else self._inner(self.text),
            None if self.membership is None else self._agnostic(self.membership),
        )

    def _inner(self, text: torch.Tensor) -> torch.Tensor:
        """The text vectors, mapped by a separate linear map for each domain."""
        return torch.cat([linear(text[d.start : d.stop]) for d, linear in zip(self.domains, self.inner, strict=True)])

    def _agnostic(self, membership: torch.Tensor) -> torch.Tensor:
        """Eq. 2: the mean over an item's subcategories in each category; the categories concatenated and mapped to d.

        The linear map is applied to the few subcategories before items take their means, which gives the same sum.
        """
        maps = self.join.weight.split(self.join.out_features, dim=1)
        mapped = [F.linear(weight_of(table), part) for table, part in zip(self.tables, maps, strict=True)]
        return membership @ torch.cat(mapped) + self.join.bias


def contrast(a: torch.Tensor, b: torch.Tensor, temperature: float) -> torch.Tensor:
    """Eq. 3: InfoNCE of the views a and b (N, d) of the same N items, with a as anchor and cosine similarity."""
    logits = F.normalize(a, dim=-1) @ F.normalize(b, dim=-1).T / temperature
    return F.cross_entropy(logits, torch.arange(len(a), device=a.device))


def nt_xent(a: torch.Tensor, b: torch.Tensor, temperature: float, cosine: bool = False) -> torch.Tensor:
    """The mean over all 2B views, of a and b (B, d): cross-entropy of a view's partner against the 2 (B - 1) others.

    Views are compared by inner product, or by their `cosine`.
    """
    views = F.normalize(torch.cat([a, b]), dim=-1) if cosine else torch.cat([a, b])
    own = torch.eye(len(views), dtype=torch.bool, device=a.device)
    logits = (views @ views.T / temperature).masked_fill(own, -torch.inf)
    return F.cross_entropy(logits, torch.arange(len(views), device=a.device).roll(len(a)))


PAIRS = (("identity", "agnostic"), ("inner", "agnostic"))  # of eq. 3, each with its anchor first


def align(
    views: Mapping[str, torch.Tensor | None],
    pairs: Iterable[tuple[str, str]],
    domains: Iterable[torch.Tensor],
    temperature: float,
) -> torch.Tensor | float:
    """Eq. 3 of each pair of views (items of the scenario, d), within each domain's items (N,), summed."""
    loss: torch.Tensor | float = 0.0
    for items in domains:
        if not len(items):
            continue
        for pair in pairs:
            a, b = (F.embedding(items, view) for name in pair if (view := views[name]) is not None)
            loss = loss + contrast(a, b, temperature)
    return loss


class Enhancement(SemanticViews):
    """SemaCDR's item semantics in another model, which its paper calls an enhanced model.

    The model adds an item's inner and agnostic view to its own vectors of the item; eq. 3 aligns the views.
    """

    def __init__(self, inputs: base.ModelInputs, settings: EnhancedSettings) -> None:
        super().__init__(inputs, settings.dim, inner=True, agnostic=True)
        self.weight, self.temperature = settings.semantic_weight, settings.semantic_temperature
        self.source_items, self.target_items = inputs.history.source_items, inputs.history.target_items

    def views(self, identity: torch.Tensor) -> dict[str, torch.Tensor]:
        """The views identity, inner and agnostic, (items of the scenario, d) each; identity is given."""
        inner, agnostic = self()
        return {"identity": identity, "inner": inner, "agnostic": agnostic}

    def loss(self, views: dict[str, torch.Tensor], batch: Batch) -> torch.Tensor | float:
        """Eq. 3 over a training batch's distinct items of both domains, times its weight."""
        items = batch.source_items + self.source_items.start, batch.target_items + self.target_items.start
        return self.weight * align(views, PAIRS, items, self.temperature)

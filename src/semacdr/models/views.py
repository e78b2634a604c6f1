"""Views of items by meaning: the inner-domain text and the domain-agnostic categories (SemaCDR, section 2.3)."""

import torch
import torch.nn.functional as F
from torch import nn

from semacdr.models import base


class SemanticViews(nn.Module):
    """The inner-domain and the domain-agnostic view of all items (section 2.3, eq. 2)."""

    def __init__(self, problem: base.Problem, dim: int, inner: bool, agnostic: bool) -> None:
        super().__init__()
        history, semantics = problem.history, problem.semantics
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


def contrast(a: torch.Tensor, b: torch.Tensor, temperature: float) -> torch.Tensor:
    """Eq. 3: InfoNCE of the views a and b (N, d) of the same N items, a as anchor, cosine similarity."""
    logits = F.normalize(a, dim=-1) @ F.normalize(b, dim=-1).T / temperature
    return F.cross_entropy(logits, torch.arange(len(a), device=a.device))

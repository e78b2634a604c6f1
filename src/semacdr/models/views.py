"""Views of items by meaning: the inner-domain text and the domain-agnostic categories (SemaCDR, section 2.3)."""

import torch
import torch.nn.functional as F
from torch import nn

from semacdr.models import base


class SemanticViews(nn.Module):
    """The inner-domain and the domain-agnostic view of all items (section 2.3, eq. 2)."""

    def __init__(self, problem: base.Problem, dim: int, inner: bool, agnostic: bool) -> None:
        super().__init__()
        self.register_buffer("text", problem.text if inner else None, persistent=False)
        domains = (problem.history.source_items, problem.history.target_items)
        if inner:
            self.inner = nn.ModuleList(nn.Linear(problem.text.shape[1], dim) for _ in domains)
        self.domains = domains
        self.semantics = problem.semantics if agnostic else None
        if agnostic:
            sizes = problem.semantics.subcategories
            self.tables = nn.ModuleList(nn.Embedding(size, dim) for size in sizes)
            self.join = nn.Linear(dim * len(sizes), dim)
            for k, (members, offsets) in enumerate(
                zip(problem.semantics.members, problem.semantics.offsets, strict=True)
            ):
                self.register_buffer(f"members{k}", members, persistent=False)
                self.register_buffer(f"offsets{k}", offsets, persistent=False)

    def forward(self) -> tuple[torch.Tensor | None, torch.Tensor | None]:
        """e^inn and e^agn, (items of the scenario, d) each, or None where switched off."""
        return self._inner() if self.text is not None else None, self._agnostic() if self.semantics else None

    def _inner(self) -> torch.Tensor:
        parts = {
            d.start: linear(self.text[d.start : d.stop]) for d, linear in zip(self.domains, self.inner, strict=True)
        }
        return torch.cat([parts[start] for start in sorted(parts)])

    def _agnostic(self) -> torch.Tensor:
        """Eq. 2: the mean over an item's subcategories in each category; the categories concatenated, then to d."""
        bags = [
            F.embedding_bag(
                getattr(self, f"members{k}"),
                table.weight,
                getattr(self, f"offsets{k}"),
                mode="mean",
                include_last_offset=True,
            )
            for k, table in enumerate(self.tables)
        ]
        return self.join(torch.cat(bags, -1))


def contrast(a: torch.Tensor, b: torch.Tensor, temperature: float) -> torch.Tensor:
    """Eq. 3: InfoNCE of the views a and b (N, d) of the same N items, a as anchor, cosine similarity."""
    logits = F.normalize(a, dim=-1) @ F.normalize(b, dim=-1).T / temperature
    return F.cross_entropy(logits, torch.arange(len(a), device=a.device))

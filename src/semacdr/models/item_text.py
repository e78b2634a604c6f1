"""Text in the item vectors of a model with one item table, in the forms of published systems.

The text vectors are those of the given items only. No user's data enters them.
"""

import math

import torch
import torch.nn.functional as F
from torch import nn

from semacdr.models.dropout import dropout

FLAT = 1e-8  # a direction with a smaller share of the text vectors' mean square is rounding, not text


def principal(text: torch.Tensor, dim: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Coordinates (items, dim) float64 in the directions of largest variance, and these variances (dim,).

    The largest variance comes first. Directions beyond the width of `text` (items, width), or with a variance of zero
    up to rounding, have coordinates and variances of exactly zero. A direction's sign makes its largest entry positive.
    """
    x = text.double()
    scale = x.square().sum(1).mean()
    x = x - x.mean(0)
    variances, directions = torch.linalg.eigh(x.T @ x / len(x))  # ascending
    variances, directions = variances.flip(0)[:dim], directions.flip(1)[:, :dim]
    largest = directions.gather(0, directions.abs().argmax(0, keepdim=True))
    kept = variances > FLAT * scale
    coordinates = (x @ (directions * largest.sign())) * kept
    missing = dim - len(variances)
    return F.pad(coordinates, (0, missing)), F.pad(variances * kept, (0, missing))


def whitened(text: torch.Tensor, dim: int) -> torch.Tensor:
    """(items, dim): the principal coordinates with the same variance 1 / dim in each direction that has any.

    The mean square norm is then 1, as that of the text vectors, if no direction is flat.
    """
    coordinates, variances = principal(text, dim)
    inverse = torch.where(variances > 0, variances * dim, torch.inf).rsqrt()
    return (coordinates * inverse).to(text.dtype)


class Project(nn.Module):
    """Identity plus a linear map of the text vectors, shared by all items."""

    text: torch.Tensor

    def __init__(self, text: torch.Tensor, dim: int, stored: bool = False) -> None:
        """`stored`: whether the checkpoint contains the text vectors."""
        super().__init__()
        self.register_buffer("text", text, persistent=stored)
        self.map = nn.Linear(text.shape[1], dim)

    def forward(self, identity: torch.Tensor) -> torch.Tensor:
        """(items, d)."""
        return identity + self.map(self.text)


class Whiten(Project):
    """Identity plus a linear map of whitened text vectors, after WhitenRec (Zhang et al., ICDE 2024).

    The checkpoint contains the whitened vectors, since another machine may compute other ones.
    """

    def __init__(self, text: torch.Tensor, dim: int) -> None:
        super().__init__(whitened(text, dim), dim, stored=True)


class Experts(nn.Module):
    """Identity plus a mixture of linear maps of the text, the adaptor of UniSRec (Hou et al., KDD 2022, section 2.1).

    A gate mixes parametric whitenings W (x - b), here W x + c, the same maps. In training the gate's logits have noise
    with a learned scale, and the text has dropout, one mask for all experts where the public code draws one for each.
    """

    text: torch.Tensor

    def __init__(self, text: torch.Tensor, dim: int, experts: int = 8, rate: float = 0.2) -> None:
        super().__init__()
        self.register_buffer("text", text, persistent=False)
        self.experts, self.dim, self.rate = experts, dim, rate
        self.maps = nn.Linear(text.shape[1], experts * dim)
        self.gate = nn.Linear(text.shape[1], experts, bias=False)
        self.noise = nn.Linear(text.shape[1], experts, bias=False)

    def forward(self, identity: torch.Tensor) -> torch.Tensor:
        """(items, d)."""
        logits = self.gate(self.text)
        if self.training:
            logits = logits + torch.randn_like(logits) * (F.softplus(self.noise(self.text)) + 0.01)
        text = dropout(self.text, self.rate if self.training else 0.0)
        mapped = self.maps(text).view(-1, self.experts, self.dim)
        return identity + torch.einsum("nk,nkd->nd", logits.softmax(1), mapped)


class NullSpace(nn.Module):
    """Frozen whitened text; the directions of least variance also have an identity (AlphaFuse, SIGIR 2025).

    The identity's table has as many columns as directions with an identity, at most `dim`.
    """

    text: torch.Tensor

    def __init__(self, text: torch.Tensor, dim: int) -> None:
        super().__init__()
        self.register_buffer("text", whitened(text, dim))  # in the checkpoint, as in Whiten

    def forward(self, identity: torch.Tensor) -> torch.Tensor:
        """(items, d)."""
        return self.text + F.pad(identity, (self.text.shape[1] - identity.shape[1], 0))


FORMS: dict[str, type[Project | Experts | NullSpace]] = {
    "project": Project, "whiten": Whiten, "moe": Experts, "null_space": NullSpace
}  # fmt: skip


@torch.no_grad()
def begin_with_text(table: torch.Tensor, text: torch.Tensor) -> None:
    """Write the principal coordinates of the text (items, width) into an item table (items, d), for form `init`.

    They get the root mean square of Xavier's rule. A direction without variance keeps the table's random values, so
    that items without text still begin apart.
    """
    coordinates, variances = principal(text, table.shape[1])
    kept = variances > 0
    if kept.any():
        scale = math.sqrt(2 / sum(table.shape)) / coordinates[:, kept].square().mean().sqrt()
        table[:, kept] = (coordinates[:, kept] * scale).to(table.dtype)

"""CL4SRec (Xie et al., ICDE 2022): SASRec's task on the target sequence, and a contrast of two augmented views of it.

It follows the public implementation whose option (`cl_embs`, predict) SemaCDR mentions: a post-norm Transformer with
output map and GELU, normalised and unscaled input, and a contrast of raw inner products at temperature 1.

Differences, where that implementation deviates from the paper: a masked item is a learned vector, the paper's
"[mask]", instead of padding, which nothing attends to. A second view is contrasted with the first views of other
users, instead of the first view's products with their second views again. Means and concatenations of states cover
only a view's places, not padding. The reordered window is rounded down instead of up: with fewer than ten events
none is reordered. A window may start wherever it fits. Adam's betas are those of all models here (0.9, 0.98)
instead of PyTorch's.
"""

from dataclasses import dataclass
from typing import Literal

import torch
import torch.nn.functional as F
from torch import nn

from semacdr.batching.batches import Batch, Sequence
from semacdr.errors import UserError
from semacdr.models import base
from semacdr.models.attention import attend_self
from semacdr.models.augmentation import View, augment
from semacdr.models.dropout import dropout
from semacdr.models.layers import embed, initialise
from semacdr.models.settings import CommonSettings
from semacdr.models.views import nt_xent
from semacdr.runtime.settings import NonNegative, Positive, Share, setting

INPUTS = ()
LOSS = "bce"
EPSILON = 1e-12  # of LayerNorm


@dataclass(frozen=True)
class Settings(CommonSettings):
    """Settings of CL4SRec; the defaults are those of the public implementation."""

    operators: str = setting("mcr", "operators, of which each view draws one: m (mask), c (crop), r (reorder)")
    mask: Share = setting(0.5, "share of the items that masking hides")
    crop: Share = setting(0.6, "share of the sequence that cropping keeps")
    reorder: Share = setting(0.2, "share of the sequence that reordering shuffles")
    representation: Literal["predict", "mean", "concat"] = setting(
        "predict", "vector of a view: its last state (predict), or the mean or concatenation of its states"
    )
    temperature: Positive = setting(1.0, "temperature of the inner products, which are not normalised")
    contrastive_weight: NonNegative = setting(0.1, "lambda: weight of the contrastive loss")


def check(settings: Settings) -> None:
    """Raise a UserError for operators that do not exist and for a view without events."""
    if not settings.operators or set(settings.operators) - set("mcr"):
        raise UserError(f"cl4srec: operators must be some of the letters m, c, r, not '{settings.operators}'")
    if settings.crop == 0:
        raise UserError("cl4srec: crop must be above 0: a view needs at least one event")


class Block(nn.Module):
    """A post-norm Transformer block as in BERT, with one head and without expansion."""

    def __init__(self, dim: int, rate: float) -> None:
        super().__init__()
        self.joint, self.join = nn.Linear(dim, 3 * dim), nn.Linear(dim, dim)  # query, key and value; output map
        self.inner, self.outer = nn.Linear(dim, dim), nn.Linear(dim, dim)
        self.attention_norm, self.forward_norm = nn.LayerNorm(dim, EPSILON), nn.LayerNorm(dim, EPSILON)
        self.rate = rate

    def forward(self, x: torch.Tensor, sequence: Sequence) -> torch.Tensor:
        """(N, d) from (N, d)."""
        rate = self.rate if self.training else 0.0
        attended = attend_self(self.joint(x), sequence.layout, rate)
        x = self.attention_norm(x + dropout(self.join(attended), rate))
        return self.forward_norm(x + dropout(self.outer(F.gelu(self.inner(x))), rate))


class Model(base.Model):
    """States are the last block's outputs, item vectors the rows of the item table."""

    def __init__(self, inputs: base.ModelInputs, settings: Settings) -> None:
        super().__init__()
        check(settings)
        self.settings, dim = settings, settings.dim
        self.items = nn.Embedding(len(inputs.history.target_items), dim)
        self.positions = nn.Embedding(inputs.max_length, dim)
        masks = settings.contrastive_weight and "m" in settings.operators
        self.mask = nn.Parameter(torch.empty(1, dim)) if masks else None
        self.norm = nn.LayerNorm(dim, EPSILON)
        self.blocks = nn.ModuleList(Block(dim, settings.dropout) for _ in range(settings.blocks))
        initialise(self, deviation=0.02)

    def states(self, prepared: None, batch: Batch) -> torch.Tensor:
        """(N_t, d)."""
        return self._encode(embed(batch.target, self.items.weight), batch.target)

    def _encode(self, vectors: torch.Tensor, sequence: Sequence) -> torch.Tensor:
        x = self.norm(vectors + self.positions(sequence.positions))
        x = dropout(x, self.settings.dropout if self.training else 0.0)
        for block in self.blocks:
            x = block(x, sequence)
        return x

    def item_vectors(self, prepared: None) -> torch.Tensor:
        """(target items, d)."""
        return self.items.weight

    def auxiliary_loss(self, prepared: None, batch: Batch) -> torch.Tensor | float:
        """lambda times the contrast of two views of each input sequence."""
        settings, sequence = self.settings, batch.target
        if not settings.contrastive_weight:
            return 0.0
        shares = {"m": settings.mask, "c": settings.crop, "r": settings.reorder}
        chosen = {letter: shares[letter] for letter in settings.operators}
        first, second = (self._represent(augment(sequence, chosen), sequence) for _ in range(2))
        return settings.contrastive_weight * nt_xent(first, second, settings.temperature)

    def _represent(self, view: View, sequence: Sequence) -> torch.Tensor:
        """(B, d) of views, or (B, L * d) where their states are concatenated, zeros after the last."""
        vectors = F.embedding(sequence.items[view.token], self.items.weight)
        if self.mask is not None:
            vectors = torch.where(view.masked[:, None], self.mask, vectors)
        states, lengths = self._encode(vectors, sequence), view.lengths
        if self.settings.representation == "predict":
            first = torch.cumsum(sequence.lengths, 0) - sequence.lengths
            return F.embedding(first + lengths - 1, states)
        row, place = sequence.row.long(), sequence.positions.long()
        states = states * (place < lengths[row])[:, None]
        padded = states.new_zeros(len(lengths), int(place.max()) + 1, states.shape[1])
        padded = padded.index_put((row, place), states)
        return padded.flatten(1) if self.settings.representation == "concat" else padded.sum(1) / lengths[:, None]

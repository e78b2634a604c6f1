"""Adaptive fusion of several signals of a step (SemaCDR, eq. 11; the form of its weights is lost in the text)."""

import torch
from torch import nn

FUSIONS = ("adaptive", "softmax", "dimension", "gate", "average")


class Fusion(nn.Module):
    """The weighted sum of `signals` vectors (N, d).

    adaptive: a free learned weight each; softmax: learned weights that sum to one; dimension: a learned weight for each
    dimension; gate: weights that sum to one and come from the signals themselves; average: the ablation, no weights.
    """

    def __init__(self, how: str, signals: int, dim: int) -> None:
        super().__init__()
        self.how, self.signals = how, signals
        if how == "gate":
            self.linear = nn.Linear(signals * dim, signals)
        elif how != "average":
            shape = (signals, dim) if how == "dimension" else (signals,)
            self.weight = nn.Parameter(torch.empty(shape))
            self.reset()

    def reset(self) -> None:
        """Start from equal weights, whatever general initialisation did."""
        if self.how in ("adaptive", "dimension"):
            nn.init.constant_(self.weight, 1 / self.signals)
        elif self.how == "softmax":
            nn.init.zeros_(self.weight)

    def forward(self, signals: list[torch.Tensor]) -> torch.Tensor:
        """(N, d)."""
        if self.how == "average":
            return sum(signals) / self.signals
        if self.how == "gate":
            weights = self.linear(torch.cat(signals, -1)).softmax(-1).unbind(-1)
            return sum(weight[:, None] * signal for weight, signal in zip(weights, signals, strict=True))
        weights = self.weight.softmax(0) if self.how == "softmax" else self.weight
        return sum(weight * signal for weight, signal in zip(weights, signals, strict=True))

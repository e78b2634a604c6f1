"""How far a training is: its finished epochs, the best one, and the seconds so far."""

from dataclasses import asdict, dataclass, field
from typing import Any

import torch
from torch import nn

PARTS = ("pretraining", "training", "validation")


@dataclass(frozen=True)
class Epoch:
    """One line of history.tsv."""

    epoch: int
    loss: float
    valid_ndcg_10: float
    valid_hr_10: float


@dataclass
class Progress:
    """The finished epochs; `best` and `state` are the best one and its parameters, `seconds` wall-clock by part."""

    pretrained: int = 0  # finished epochs of pre-training
    epochs: list[Epoch] = field(default_factory=list)
    best: Epoch | None = None
    state: dict[str, torch.Tensor] = field(default_factory=dict)
    best_seconds: float = 0.0  # until the best epoch was validated
    seconds: dict[str, float] = field(default_factory=lambda: dict.fromkeys(PARTS, 0.0))

    def add(self, epoch: Epoch, model: nn.Module) -> bool:
        """Add a finished epoch; whether it is the best so far."""
        self.epochs.append(epoch)
        if self.best is not None and epoch.valid_ndcg_10 <= self.best.valid_ndcg_10:
            return False
        self.best, self.best_seconds = epoch, sum(self.seconds.values())
        self.state = copied(model.state_dict())
        return True

    def saved(self) -> dict[str, Any]:
        """The progress as plain values and tensors."""
        best = self.best.epoch if self.best else 0
        values = {name: value for name, value in vars(self).items() if name not in ("epochs", "best", "seconds")}
        return values | {"epochs": [asdict(epoch) for epoch in self.epochs], "best": best, "seconds": {**self.seconds}}

    @classmethod
    def of(cls, saved: dict[str, Any]) -> "Progress":
        """The progress from what `saved` returned."""
        epochs = [Epoch(**epoch) for epoch in saved["epochs"]]
        best = epochs[saved["best"] - 1] if saved["best"] else None
        return cls(**saved | {"epochs": epochs, "best": best})


def copied(state: dict[str, Any]) -> dict[str, Any]:
    """A copy of a state dict on the CPU; nested ones too."""
    return {
        name: value.detach().cpu().clone()
        if isinstance(value, torch.Tensor)
        else copied(value)
        if isinstance(value, dict)
        else value
        for name, value in state.items()
    }

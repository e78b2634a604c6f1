"""The space in which personas are compared by cosine: text vectors, weights over the vocabulary, or both."""

from dataclasses import dataclass
from typing import Literal

import numpy as np

Kind = Literal["both", "text", "weights"]


@dataclass(frozen=True)
class Space:
    """The P personas of one domain as unit vectors, made when they are asked for: a million at once take gigabytes."""

    text: np.ndarray  # (P, width) f32
    weights: np.ndarray  # (P, T) f32
    kind: Kind
    balance: float  # kind both: the share of the cosine of texts; the rest is that of weights
    centred: bool  # whether the domain's mean is subtracted from texts and from weights first

    def __post_init__(self) -> None:
        means = [self._mean(part) if self.centred else None for part in (self.text, self.weights)]
        object.__setattr__(self, "means", means)

    @staticmethod
    def _mean(rows: np.ndarray) -> np.ndarray:
        return rows.mean(0, dtype=np.float64).astype(np.float32) if len(rows) else np.zeros(rows.shape[1], np.float32)

    def __len__(self) -> int:
        return len(self.text)

    @property
    def width(self) -> int:
        """The number of dimensions."""
        widths = {"text": self.text.shape[1], "weights": self.weights.shape[1]}
        return widths.get(self.kind, sum(widths.values()))

    def rows(self, chosen: slice | np.ndarray) -> np.ndarray:
        """(chosen, width) f32 vectors of unit length; zero where a persona has no direction.

        Of kind both, the inner product of two is balance x cosine of texts + (1 - balance) x cosine of weights.
        """
        text, weights = self.means  # type: ignore[attr-defined]
        parts = {
            "text": lambda: _unit(self.text[chosen], text),
            "weights": lambda: _unit(self.weights[chosen], weights),
        }
        if self.kind != "both":
            return parts[self.kind]()
        shares = np.sqrt([self.balance, 1 - self.balance]).astype(np.float32)
        return np.concatenate([share * part() for share, part in zip(shares, parts.values(), strict=True)], 1)


def _unit(rows: np.ndarray, mean: np.ndarray | None) -> np.ndarray:
    """The rows, minus a mean, at unit length."""
    rows = rows if mean is None else rows - mean
    length = np.linalg.norm(rows, axis=1, keepdims=True)
    return rows / np.where(length > 1e-6, length, np.inf)

"""Paired tests of two systems over the same users, and bootstrap intervals."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.stats import wilcoxon

Array = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Interval:
    """A mean over users with its 95 % percentile interval, and the two-sided p-value of the mean being zero."""

    mean: float
    low: float
    high: float
    p: float


def bootstrap(values: Array, draws: int = 10_000, seed: int = 0, chunk: int = 250) -> list[Interval]:
    """The interval of the mean of each column of `values` (users, columns), over resampled users.

    All columns see the same resamples. p: twice the smaller share of resamples on one side of zero, the observed one
    counted among them (Davison & Hinkley, Bootstrap Methods, section 4.4).
    """
    rng, users = np.random.default_rng(seed), len(values)
    means = []
    for begin in range(0, draws, chunk):
        count = min(chunk, draws - begin)
        drawn = rng.integers(0, users, (count, users)) + users * np.arange(count)[:, None]
        weight = np.bincount(drawn.ravel(), minlength=count * users).reshape(count, users)
        means.append(weight @ values / users)
    resampled = np.concatenate(means)
    low, high = np.quantile(resampled, [0.025, 0.975], axis=0)
    sides = np.minimum((resampled <= 0).sum(0), (resampled >= 0).sum(0))
    p = np.minimum(1.0, 2 * (sides + 1) / (draws + 1))
    return [Interval(*map(float, row)) for row in zip(values.mean(0), low, high, p, strict=True)]


def signed_rank(differences: Array) -> float:
    """The two-sided p-value of Wilcoxon's signed-rank test; 1 where nothing differs.

    Zero differences are ranked and then dropped (Pratt 1959), also from the statistic's variance: most users are
    outside the cut-off under both systems, and a variance that counted them would hide nearly every effect.
    """
    differences = np.round(differences, 12)  # the last bits of a mean over seeds depend on their order
    if not differences.any():
        return 1.0
    return float(wilcoxon(differences, zero_method="pratt", method="approx").pvalue)


def holm(p: Sequence[float]) -> list[float]:
    """The p-values corrected for multiple testing (Holm 1979), in the order given."""
    order, corrected, largest = np.argsort(p, kind="stable"), [0.0] * len(p), 0.0
    for place, index in enumerate(order):
        largest = max(largest, min(1.0, (len(p) - place) * p[index]))
        corrected[index] = largest
    return corrected

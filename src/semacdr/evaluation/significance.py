"""Is one system better than another on the same users? Paired tests over users, and intervals by bootstrap."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.stats import wilcoxon

Array = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Interval:
    """A mean over users with its 95 % percentile interval, and the two-sided p-value of its being zero."""

    mean: float
    low: float
    high: float
    p: float


def bootstrap(values: Array, draws: int = 10_000, seed: int = 0, chunk: int = 250) -> list[Interval]:
    """For each column of `values` (users, columns) the interval of its mean over resampled users.

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

    Users of no difference are ranked and then left out (Pratt 1959), from the statistic's variance too: with most users
    outside the top ten under both systems, a variance with them would hide nearly everything.
    """
    differences = np.round(differences, 12)  # a mean over seeds hangs on their order in its last bits
    if not differences.any():
        return 1.0
    return float(wilcoxon(differences, zero_method="pratt", method="approx").pvalue)


def holm(p: Sequence[float]) -> list[float]:
    """The p-values corrected for their number (Holm 1979): each at least as large as those below it."""
    order, corrected, largest = np.argsort(p, kind="stable"), [0.0] * len(p), 0.0
    for place, index in enumerate(order):
        largest = max(largest, min(1.0, (len(p) - place) * p[index]))
        corrected[index] = largest
    return corrected

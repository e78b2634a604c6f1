"""Spearman's rank correlation over few points, with a permutation test."""

import itertools
import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.stats import rankdata

DRAWS = 10_000  # permutations; all of them where there are fewer
FEWEST = 4  # points: of three, no order has a two-sided p below 1/3

Array = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Correlation:
    """A rank correlation with its two-sided p-value; None where it is not defined."""

    rho: float | None
    p: float | None
    points: int


def rank_correlation(x: Array, y: Array, draws: int = DRAWS, seed: int = 0) -> Correlation:
    """The mean over series of Spearman's correlation of `x` and `y`, both (points, series).

    The test permutes whole points: all series of a point keep their values together, as they were measured on the same
    data. p is the share of permutations with a correlation at least as far from zero, the observed one counted. A
    series with a constant is left out. Without a series, or with fewer than FEWEST points, there is no correlation.
    """
    points = len(x)
    if points < FEWEST:
        return Correlation(None, None, points)
    varied = [place for place in range(x.shape[1]) if np.ptp(x[:, place]) > 0 and np.ptp(y[:, place]) > 0]
    if not varied:
        return Correlation(None, None, points)
    one, other = _standard_ranks(x[:, varied]), _standard_ranks(y[:, varied])
    between = one @ other.T / (points * len(varied))  # (points, points): what pairing point i with values j adds
    rho = float(np.trace(between))
    places = np.arange(points)
    if math.factorial(points) <= draws:
        orders = np.array(list(itertools.permutations(range(points))))
        extra = 0
    else:
        rng = np.random.default_rng(seed)
        orders = np.stack([rng.permutation(points) for _ in range(draws)])
        extra = 1
    found = np.abs(between[places, orders].sum(1)) >= abs(rho) - 1e-12
    return Correlation(rho, float((found.sum() + extra) / (len(orders) + extra)), points)


def _standard_ranks(values: Array) -> Array:
    """(points, series) ranks of each column, ties averaged, with mean 0 and standard deviation 1."""
    ranks = rankdata(values, axis=0)
    return (ranks - ranks.mean(0)) / ranks.std(0)

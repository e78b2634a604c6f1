"""Rank correlation over few points: scipy's as an oracle, the permutation test by hand and by its level."""

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import spearmanr

from semacdr.evaluation.correlation import rank_correlation


def column(*values):
    return np.array(values, float)[:, None]


@given(st.lists(st.tuples(st.integers(0, 5), st.integers(0, 5)), min_size=4, max_size=12))
def test_the_correlation_of_one_series_is_spearmans(pairs):
    x, y = np.array(pairs, float).T
    found = rank_correlation(x[:, None], y[:, None], draws=50)
    if np.ptp(x) == 0 or np.ptp(y) == 0:
        assert found.rho is None and found.p is None
    else:
        assert found.rho == pytest.approx(spearmanr(x, y).statistic)
        assert found.points == len(pairs) and 0 < found.p <= 1


def test_the_test_by_hand():
    """Of the 24 orders of four points, only two are as far from zero as a perfect one: itself and its reverse."""
    found = rank_correlation(column(1, 2, 3, 4), column(10, 20, 30, 40))
    assert (found.rho, found.p) == (pytest.approx(1), pytest.approx(2 / 24))
    found = rank_correlation(column(1, 2, 3, 4), column(10, 20, 40, 30))
    wanted = [
        abs(spearmanr([1, 2, 3, 4], order).statistic) >= 0.8 - 1e-9 for order in itertools.permutations([1, 2, 4, 3])
    ]
    assert (found.rho, found.p) == (pytest.approx(0.8), pytest.approx(np.mean(wanted)))
    assert rank_correlation(column(1, 2, 3), column(1, 2, 3)).rho is None  # too few points


def test_series_are_averaged_and_stay_together():
    """Two equal series say no more than one: same correlation, same p."""
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(12, 1)), rng.normal(size=(12, 1))
    one, two = rank_correlation(x, y), rank_correlation(np.hstack([x, x]), np.hstack([y, y]))
    assert two.rho == pytest.approx(one.rho) and two.p == pytest.approx(one.p)
    opposite = rank_correlation(np.hstack([x, x]), np.hstack([y, -y]))
    assert opposite.rho == pytest.approx(0) and opposite.p == 1
    constant = rank_correlation(np.hstack([x, x]), np.hstack([y, 0 * y]))  # the constant series is left out
    assert constant.rho == pytest.approx(one.rho)


def test_the_level_is_kept():
    rng = np.random.default_rng(1)
    p = [
        rank_correlation(rng.normal(size=(9, 3)), rng.normal(size=(9, 3)), draws=199, seed=seed).p
        for seed in range(800)
    ]
    assert 0.03 < np.mean(np.array(p) <= 0.05) < 0.075
    assert rank_correlation(column(*range(30)), column(*range(30)), draws=999).p == 1 / 1000  # sampled: never zero

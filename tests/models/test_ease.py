"""EASE against the constrained least squares of each column, and its scores against loops."""

import numpy as np
import pytest
import torch
from direction_world import build

from semacdr.errors import UserError
from semacdr.evaluation.ranks import Ranker
from semacdr.models.ease import autoencoder


def least_squares(x, l2):
    """The columns b of B that minimise |x_j - Xb|² + l2 |b|² with b_j = 0, each solved without the closed form."""
    items = x.shape[1]
    solution = np.zeros((items, items))
    for j in range(items):
        others = np.delete(np.arange(items), j)
        above = np.vstack([x[:, others], l2**0.5 * np.eye(items - 1)])  # ridge as more rows
        solution[others, j] = np.linalg.lstsq(above, np.append(x[:, j], np.zeros(items - 1)), rcond=None)[0]
    return solution


@pytest.mark.parametrize(("kind", "l2", "decay"), [("target", 0.5, 1.0), ("mixed", 20.0, 0.6), ("mixed", 3.0, 0.0)])
def test_weights_solve_the_least_squares_and_scores_are_their_decayed_sum(world, kind, l2, decay):
    model, inputs = build(world, "ease", history=kind, l2=l2, decay=decay)
    history, items = inputs.history, 30 if kind == "target" else 55
    allowed = history.training() & (history.is_target | (kind == "mixed"))
    x = np.zeros((history.users, items))
    x[history.user()[allowed], history.item[allowed]] = 1
    weights = least_squares(x, l2)[:, :30]
    np.testing.assert_allclose(model.weights, weights, atol=1e-6)
    found = model.scores(None, next(Ranker(history, "test", 100, 64, torch.device("cpu")).batches.ordered()))
    for user in range(history.users):
        own = slice(history.start[user], history.test[user])
        known = history.item[own][history.is_target[own] | (kind == "mixed")][::-1]
        expected = sum(decay**age * weights[one] for age, one in enumerate(known))
        np.testing.assert_allclose(found[user], expected, atol=1e-5)


def test_two_items_by_hand():
    """Counts 3 and 2, both 1, l2 1: each item predicts the other by 1 / (its own count + l2)."""
    gram = torch.tensor([[3.0, 1.0], [1.0, 2.0]], dtype=torch.float64)
    expected = torch.tensor([[0, 1 / 4], [1 / 3, 0]], dtype=torch.float64)
    torch.testing.assert_close(autoencoder(gram, 1.0), expected)


@pytest.mark.parametrize(
    ("kind", "items", "more"), [("mixed", 55, "use `history: target`, "), ("target", 30, "; raise")]
)
def test_too_many_items_are_an_error_with_a_way_out(world, kind, items, more):
    with pytest.raises(UserError, match=rf"ease needs about .* GB for {items} items.*\(29\).*{more}.* or seq_rules"):
        build(world, "ease", history=kind, max_items=29)

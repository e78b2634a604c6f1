"""Losses: by hand on two steps and four items, and what ties them to each other."""

import math

import pytest
import torch

from semacdr.training.losses import LOSSES, power, step_loss

STATES = torch.tensor([[1.0, 0.0], [0.5, -1.0]], dtype=torch.float64)
ITEMS = torch.tensor(
    [[2.0, 1.0], [-1.0, 0.0], [0.0, 3.0], [1.0, 1.0]], dtype=torch.float64
)  # scores: 2 -1 0 1 | 0 -.5 -3 -.5
POSITIVES = torch.tensor([0, 1])
NEGATIVES = torch.tensor([[2, 3], [0, 2]])


def sigma(x):
    return 1 / (1 + math.exp(-x))


def test_bpr():
    expected = -(math.log(sigma(2)) + math.log(sigma(1)) + math.log(sigma(-0.5)) + math.log(sigma(2.5))) / 4
    assert step_loss("bpr", STATES, ITEMS, POSITIVES, NEGATIVES).item() == pytest.approx(expected)


def test_bce():
    first = -math.log(sigma(2)) - (math.log(1 - sigma(0)) + math.log(1 - sigma(1))) / 2
    second = -math.log(sigma(-0.5)) - (math.log(1 - sigma(0)) + math.log(1 - sigma(-3))) / 2
    assert step_loss("bce", STATES, ITEMS, POSITIVES, NEGATIVES).item() == pytest.approx((first + second) / 2)


def test_gbce():
    alpha, t = 2 / 3, 0.75
    beta = alpha * (t * (1 - 1 / alpha) + 1 / alpha)
    assert power(2, 4, t) == pytest.approx(beta)
    first = -beta * math.log(sigma(2)) - math.log(1 - sigma(0)) - math.log(1 - sigma(1))
    second = -beta * math.log(sigma(-0.5)) - math.log(1 - sigma(0)) - math.log(1 - sigma(-3))
    found = step_loss("gbce", STATES, ITEMS, POSITIVES, NEGATIVES, t).item()
    assert found == pytest.approx((first + second) / 6)


def test_gbce_without_calibration_is_bce_and_with_all_of_it_its_power_is_the_share_drawn():
    one = NEGATIVES[:, :1]
    bce = step_loss("bce", STATES, ITEMS, POSITIVES, one).item()
    assert step_loss("gbce", STATES, ITEMS, POSITIVES, one, 0.0).item() == pytest.approx(bce / 2)
    assert power(5, 101, 1.0) == pytest.approx(0.05)
    assert power(100, 101, 0.3) == pytest.approx(1.0)  # all are drawn: nothing to correct


def test_ce():
    scores = STATES @ ITEMS.T
    expected = -sum(math.log(math.exp(row[p]) / row.exp().sum()) for row, p in zip(scores, POSITIVES, strict=True)) / 2
    assert step_loss("ce", STATES, ITEMS, POSITIVES, NEGATIVES[:, :0]).item() == pytest.approx(expected)


def test_sampled_softmax_by_hand():
    shared = torch.tensor([0, 2, 2])
    scale = 4 / 3  # n / k
    first = math.exp(2) + scale * 2 * math.exp(0)  # item 0 is the positive: it stands there once
    second = math.exp(-0.5) + scale * (math.exp(0) + 2 * math.exp(-3))
    expected = (math.log(first) - 2 + math.log(second) + 0.5) / 2
    assert step_loss("sampled_softmax", STATES, ITEMS, POSITIVES, shared).item() == pytest.approx(expected)


def test_sampled_softmax_comes_to_the_full_one_as_more_are_drawn():
    generator = torch.Generator().manual_seed(0)
    drawn = torch.randint(4, (200_000,), generator=generator)
    full = step_loss("ce", STATES, ITEMS, POSITIVES, NEGATIVES).item()
    assert step_loss("sampled_softmax", STATES, ITEMS, POSITIVES, drawn).item() == pytest.approx(full, abs=0.01)


@pytest.mark.parametrize("name", LOSSES)
def test_better_scores_of_the_positives_lower_every_loss(name):
    negatives = torch.tensor([2, 3]) if name == "sampled_softmax" else NEGATIVES
    items = ITEMS.clone().requires_grad_()
    loss = step_loss(name, STATES, items, POSITIVES, negatives)
    loss.backward()
    with torch.no_grad():
        assert step_loss(name, STATES, items - 0.01 * items.grad, POSITIVES, negatives) < loss


def test_an_unknown_loss_is_named():
    with pytest.raises(ValueError, match="unknown loss 'hinge'; known are bpr, bce"):
        step_loss("hinge", STATES, ITEMS, POSITIVES, NEGATIVES)

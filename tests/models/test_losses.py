"""Losses: by hand on two steps and four items, and relations between them."""

import math
from typing import get_args

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st

from semacdr.models import losses
from semacdr.models.losses import power, softmax_loss, step_loss
from semacdr.runtime.settings import types_of
from semacdr.training.settings import Training

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
    assert power(100, 101, 0.3) == pytest.approx(1.0)  # all items are drawn: no correction


def test_ce():
    scores = STATES @ ITEMS.T
    expected = -sum(math.log(math.exp(row[p]) / row.exp().sum()) for row, p in zip(scores, POSITIVES, strict=True)) / 2
    assert step_loss("ce", STATES, ITEMS, POSITIVES, NEGATIVES[:, :0]).item() == pytest.approx(expected)


def ce_with_gradients(loss_of, states, items, positives, scale):
    """The loss and its gradients of states and items, where the loss is only a part, `scale`, of a larger one."""
    states, items = (x.clone().requires_grad_() for x in (states, items))
    loss = loss_of(states, items, positives)
    (scale * loss).backward()
    return loss.detach(), states.grad, items.grad


@settings(deadline=None)  # the first call of some operations takes its time
@given(st.integers(1, 40), st.integers(1, 12), st.integers(1, 100), st.integers(0, 99), st.sampled_from([0.1, 1.0, 30]))
def test_ce_and_its_gradients_are_those_of_cross_entropy_in_parts_of_any_size(steps, items, chunk, seed, scale):
    generator = torch.Generator().manual_seed(seed)
    states = scale * torch.randn(steps, 5, generator=generator, dtype=torch.float64)
    vectors = torch.randn(items, 5, generator=generator, dtype=torch.float64)
    positives = torch.randint(items, (steps,), generator=generator)
    counted = torch.rand(steps, generator=generator) < 0.7

    def all_steps(s, v, p):
        return losses._FullSoftmax.apply(s, v, p, torch.ones(steps, dtype=s.dtype), steps, chunk)

    def some_steps(s, v, p):
        return losses._FullSoftmax.apply(s, v, p, counted.to(s.dtype), torch.tensor(3), chunk)

    for loss_of, oracle in (
        (all_steps, lambda s, v, p: F.cross_entropy(s @ v.T, p)),
        (some_steps, lambda s, v, p: F.cross_entropy((s @ v.T)[counted], p[counted], reduction="sum") / 3),
    ):
        own, wanted = (ce_with_gradients(f, states, vectors, positives, 0.5) for f in (loss_of, oracle))
        for a, b in zip(own, wanted, strict=True):
            torch.testing.assert_close(a, b, rtol=1e-10, atol=1e-12)


def test_softmax_loss_of_no_step_is_nothing():
    states, items = torch.zeros(0, 2, requires_grad=True), ITEMS.clone().requires_grad_()
    loss = softmax_loss(states, items, torch.zeros(0), 5)
    loss.backward()
    assert loss.item() == 0 and states.grad.shape == (0, 2) and not items.grad.any()


def test_softmax_loss_is_in_float32_under_autocast():
    states, items = torch.randn(30, 16).bfloat16().requires_grad_(), torch.randn(50, 16, requires_grad=True)
    positives = torch.randint(50, (30,))
    with torch.autocast("cpu", torch.bfloat16):
        loss = softmax_loss(states, items, positives, 30)
    loss.backward()
    assert loss.dtype == items.grad.dtype == torch.float32 and states.grad.dtype == torch.bfloat16
    expected = F.cross_entropy(states.detach().float() @ items.detach().T, positives)
    torch.testing.assert_close(loss.detach(), expected, rtol=1e-5, atol=0)


def test_ce_has_the_gradients_that_differences_give():
    arguments = (STATES.clone().requires_grad_(), ITEMS.clone().requires_grad_(), POSITIVES)
    assert torch.autograd.gradcheck(lambda *args: softmax_loss(*args, 2), arguments)


def test_ce_in_float32_gives_the_same_bytes_each_time_and_nearly_those_of_cross_entropy():
    states, items = torch.randn(300, 16), torch.randn(500, 16)
    positives = torch.randint(500, (300,))
    full, again = (
        ce_with_gradients(
            lambda *args: losses._FullSoftmax.apply(*args, torch.ones(300), 300, 7_000), states, items, positives, 1.0
        )
        for _ in range(2)
    )
    wanted = ce_with_gradients(lambda s, v, p: F.cross_entropy(s @ v.T, p), states, items, positives, 1.0)
    for a, b, c in zip(full, again, wanted, strict=True):
        assert torch.equal(a, b)
        torch.testing.assert_close(a, c, rtol=1e-4, atol=1e-7)


def test_ce_never_holds_the_scores_of_all_steps(monkeypatch):
    """The largest tensor that an operation makes is a part of the scores, or as large as the inputs."""
    from torch.utils._python_dispatch import TorchDispatchMode

    class Largest(TorchDispatchMode):
        found = 0

        def __torch_dispatch__(self, function, types, args=(), kwargs=None):
            result = function(*args, **(kwargs or {}))
            sizes = [
                x.numel() for x in (result if isinstance(result, tuple | list) else [result]) if torch.is_tensor(x)
            ]
            Largest.found = max([Largest.found, *sizes])
            return result

    monkeypatch.setitem(losses.CHUNK, "cpu", 6_000)
    states, items = torch.randn(400, 8, requires_grad=True), torch.randn(600, 8, requires_grad=True)
    with Largest():
        step_loss("ce", states, items, torch.randint(600, (400,)), torch.zeros(400, 0)).backward()
    assert Largest.found == 6_000  # and not 240,000


def test_sampled_softmax_by_hand():
    shared = torch.tensor([0, 2, 2])
    scale = 4 / 3  # n / k
    first = math.exp(2) + scale * 2 * math.exp(0)  # item 0 is the positive: it counts once
    second = math.exp(-0.5) + scale * (math.exp(0) + 2 * math.exp(-3))
    expected = (math.log(first) - 2 + math.log(second) + 0.5) / 2
    assert step_loss("sampled_softmax", STATES, ITEMS, POSITIVES, shared).item() == pytest.approx(expected)


def test_sampled_softmax_approaches_the_full_one_as_more_are_drawn():
    generator = torch.Generator().manual_seed(0)
    drawn = torch.randint(4, (200_000,), generator=generator)
    full = step_loss("ce", STATES, ITEMS, POSITIVES, NEGATIVES).item()
    assert step_loss("sampled_softmax", STATES, ITEMS, POSITIVES, drawn).item() == pytest.approx(full, abs=0.01)


@pytest.mark.parametrize("name", [name for kind in get_args(types_of(Training)["loss"]) for name in get_args(kind)])
def test_better_scores_of_the_positives_lower_every_loss(name):
    negatives = torch.tensor([2, 3]) if name == "sampled_softmax" else NEGATIVES
    items = ITEMS.clone().requires_grad_()
    loss = step_loss(name, STATES, items, POSITIVES, negatives)
    loss.backward()
    with torch.no_grad():
        assert step_loss(name, STATES, items - 0.01 * items.grad, POSITIVES, negatives) < loss


def test_an_unknown_loss_is_named():
    with pytest.raises(ValueError, match="unknown loss 'hinge'"):
        step_loss("hinge", STATES, ITEMS, POSITIVES, NEGATIVES)

"""Text in item vectors: principal coordinates and whitening by hand and by SVD, each form event by event."""

import dataclasses
import math

import numpy as np
import pytest
import torch
from direction_world import build
from hypothesis import given, settings
from hypothesis import strategies as st

from semacdr.models import load
from semacdr.models.item_text import FORMS, Experts, begin_with_text, principal, whitened

TEXT = ("init", *FORMS)


def random_text(seed, items=40, width=7):
    return torch.from_numpy(np.random.default_rng(seed).normal(size=(items, width)) @ np.diag(1.0 + np.arange(width)))


def test_principal_coordinates_by_hand():
    """Four points on a cross around (5, 1), three times as wide in the second direction."""
    text = torch.tensor([[6.0, 1], [4, 1], [5, 4], [5, -2]])
    coordinates, variances = principal(text, 2)
    torch.testing.assert_close(coordinates, torch.tensor([[0.0, 1], [0, -1], [3, 0], [-3, 0]]).double())
    torch.testing.assert_close(variances, torch.tensor([4.5, 0.5]).double())
    # variance 1/2 in each of two directions: factors sqrt(0.5 / 4.5) and sqrt(0.5 / 0.5)
    torch.testing.assert_close(whitened(text, 2), torch.tensor([[0.0, 1], [0, -1], [1, 0], [-1, 0]]))


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 99), st.integers(1, 10))
def test_whitened_coordinates_are_uncorrelated_and_those_of_a_singular_value_decomposition(seed, dim):
    text = random_text(seed)
    found, used = whitened(text, dim), min(dim, text.shape[1])
    covariance = found.T @ found / len(found)
    wanted = torch.diag((torch.arange(dim) < used).double() / dim)
    torch.testing.assert_close(covariance, wanted, rtol=0, atol=1e-8)
    left = torch.linalg.svd(text - text.mean(0), full_matrices=False)[0][:, :used] * math.sqrt(len(text) / dim)
    torch.testing.assert_close(found[:, :used].abs(), left.abs(), rtol=0, atol=1e-8)


def test_the_sign_of_a_direction_does_not_depend_on_the_decomposition():
    text = random_text(3)
    turned = text[:, torch.tensor([3, 0, 6, 1, 5, 2, 4])]  # another order of the same columns
    torch.testing.assert_close(principal(text, 5)[0], principal(turned, 5)[0], rtol=0, atol=1e-8)


def test_flat_directions_are_zero():
    text = random_text(1)
    flat = torch.cat([text, text[:, :2] * 2 + 1, torch.full((len(text), 1), 0.3)], 1)  # nothing new
    coordinates, variances = principal(flat, 10)
    assert (variances[:7] > 0).all() and not variances[7:].any() and not coordinates[:, 7:].any()
    assert torch.isfinite(whitened(flat, 10)).all()


@pytest.mark.parametrize("form", TEXT)
@pytest.mark.parametrize("history", ["target", "mixed"])
def test_items_without_text_have_finite_and_different_vectors(world, form, history):
    """Stage encode gives all items the same vector where there are no texts."""
    inputs = build(world, "sasrec", text="project")[1]
    inputs = dataclasses.replace(inputs, text=inputs.text[:1].expand(len(inputs.text), -1).contiguous())
    module = load("sasrec")
    model = module.Model(inputs, module.Settings(dim=16, text=form, history=history))
    vectors = model.prepare().detach()
    assert torch.isfinite(vectors).all() and len(vectors.unique(dim=0)) == len(vectors)


def test_init_begins_with_principal_coordinates_at_xaviers_scale_and_leaves_flat_directions():
    text = random_text(4).float()
    table = torch.randn(40, 9)
    before = table.clone()
    begin_with_text(table, text)
    torch.testing.assert_close(table[:, 7:], before[:, 7:])
    assert table[:, :7].square().mean().sqrt().item() == pytest.approx(math.sqrt(2 / 49), rel=1e-5)
    wanted = principal(text, 7)[0].float()
    torch.testing.assert_close(table[:, :7] / table[0, 0], wanted / wanted[0, 0], rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("history", ["target", "mixed"])
@pytest.mark.parametrize("form", TEXT)
def test_item_vectors_of_each_form(world, form, history):
    """Those of the definition, of the target's items or of all; books are the scenario's first 30 items."""
    model, inputs = build(world, "sasrec", text=form, history=history, null_dim=5 if form == "null_space" else None)
    model.eval()
    text, table = inputs.text if history == "mixed" else inputs.text[:30], model.items.weight
    width = 5 if form == "null_space" else 16
    assert table.shape == (len(text), width)
    white = whitened(text, 16)
    if form == "init":
        wanted = table
    elif form in ("project", "whiten"):
        linear = model.text.map
        wanted = table + (text if form == "project" else white) @ linear.weight.T + linear.bias
    elif form == "null_space":
        wanted = torch.cat([white[:, :11], white[:, 11:] + table], 1)
    else:
        share = (text @ model.text.gate.weight.T).softmax(1)
        weights, biases = model.text.maps.weight.view(8, 16, -1), model.text.maps.bias.view(8, 16)
        wanted = table + sum(share[:, k, None] * (text @ weights[k].T + biases[k]) for k in range(8))
    torch.testing.assert_close(model.prepare(), wanted)
    torch.testing.assert_close(model.item_vectors(model.prepare()), wanted[:30])


def test_in_training_the_gate_is_noisy_and_text_is_dropped():
    text, identity = random_text(0).float(), torch.zeros(40, 3)
    experts = Experts(text, 3, rate=0.0)
    first, second = experts(identity), experts(identity)
    assert not torch.allclose(first, second)
    experts.eval()
    torch.testing.assert_close(experts(identity), experts(identity), rtol=0, atol=0)
    experts.train()
    torch.nn.init.constant_(experts.noise.weight, 0.0)  # the scale is then log 2 + 0.01 for every expert
    scale, torch_state = math.log(2) + 0.01, torch.get_rng_state()
    found = experts(identity)
    torch.set_rng_state(torch_state)
    share = (experts.gate(text) + scale * torch.randn(40, 8)).softmax(1)
    mapped = experts.maps(text).view(40, 8, 3)
    torch.testing.assert_close(found, (share[:, :, None] * mapped).sum(1))


@pytest.mark.parametrize(
    ("form", "stored"), [("project", False), ("moe", False), ("whiten", True), ("null_space", True)]
)
def test_the_checkpoint_contains_what_another_machine_may_compute_otherwise(world, form, stored):
    assert ("text.text" in build(world, "sasrec", text=form)[0].state_dict()) == stored


def test_frozen_text_gets_no_gradient(world):
    model, _ = build(world, "sasrec", text="null_space")
    assert {name for name, _ in model.named_parameters() if "encoder" not in name} == {"items.weight"}

"""CL4SRec: the encoder against torch's, views against their definitions, the contrast against plain loops."""

import math
from collections import Counter
from dataclasses import replace

import numpy as np
import pytest
import torch
from direction_world import build
from hypothesis import given
from hypothesis import strategies as st
from test_layers import sequence_of

from semacdr.batching.batches import Batches
from semacdr.batching.windows import training_windows
from semacdr.errors import UserError
from semacdr.models.augmentation import augment
from semacdr.models.cl4srec import Settings, check
from semacdr.models.views import nt_xent

LENGTHS = st.lists(st.integers(1, 40), min_size=1, max_size=8)


def rows_of(view, lengths):
    """The order of each row's items, which of them are masked, and the view's length."""
    first, found = 0, []
    for length, kept in zip(lengths, view.lengths.tolist(), strict=True):
        own = slice(first, first + length)
        found.append(((view.token[own] - first).tolist(), view.masked[own].tolist(), kept))
        first += length
    return found


def batch_of(world, model, inputs):
    return next(Batches(training_windows(inputs.history, 20), 64, torch.device("cpu")).ordered())


@given(LENGTHS, st.integers(0, 99))
def test_cropping_keeps_a_window_of_six_in_ten_rounded_up(lengths, seed):
    torch.manual_seed(seed)
    for n, (order, masked, kept) in zip(
        lengths, rows_of(augment(sequence_of(lengths), {"c": 0.6}), lengths), strict=True
    ):
        assert kept == -(-6 * n // 10) and not any(masked)
        assert order[:kept] == list(range(order[0], order[0] + kept))
        assert sorted(order) == list(range(n))


@given(LENGTHS, st.integers(0, 99))
def test_masking_hides_half_of_the_items_where_they_stand(lengths, seed):
    torch.manual_seed(seed)
    for n, (order, masked, kept) in zip(
        lengths, rows_of(augment(sequence_of(lengths), {"m": 0.5}), lengths), strict=True
    ):
        assert kept == n and order == list(range(n)) and sum(masked) == n // 2


@given(LENGTHS, st.integers(0, 99))
def test_reordering_shuffles_a_window_of_two_in_ten(lengths, seed):
    torch.manual_seed(seed)
    for n, (order, masked, kept) in zip(
        lengths, rows_of(augment(sequence_of(lengths), {"r": 0.2}), lengths), strict=True
    ):
        assert kept == n and not any(masked) and sorted(order) == list(range(n))
        moved = [place for place, token in enumerate(order) if token != place]
        assert not moved or moved[-1] - moved[0] < 2 * n // 10


def counts(shares, n, draws=6000):
    """The frequency of each view of a row of n items."""
    torch.manual_seed(0)
    views = rows_of(augment(sequence_of([n] * draws), shares), [n] * draws)
    return Counter((tuple(order[:kept]), tuple(masked)) for order, masked, kept in views)


@pytest.mark.parametrize(
    ("shares", "n", "views"),
    [({"c": 0.6}, 5, 3), ({"m": 0.5}, 4, 6), ({"r": 0.75}, 4, 10), ({"c": 1.0, "r": 0.0}, 3, 1)],
)
def test_every_view_that_an_operator_can_make_is_as_frequent_as_it_should_be(shares, n, views):
    found = counts(shares, n)
    assert len(found) == views
    if "r" not in shares:
        assert all(count == pytest.approx(6000 / views, rel=0.15) for count in found.values())
    elif shares[
        "r"
    ]:  # two windows of three items: the identity occurs in both, as does the swap of the two common items
        none = tuple(range(n)), (False,) * n
        assert found[none] == pytest.approx(6000 / 6, rel=0.15)
        assert found[((0, 2, 1, 3), none[1])] == pytest.approx(6000 / 6, rel=0.15)
        assert found[((1, 2, 0, 3), none[1])] == pytest.approx(6000 / 12, rel=0.2)


def test_rows_draw_their_operators_uniformly_and_on_their_own():
    torch.manual_seed(0)
    rows = rows_of(augment(sequence_of([10] * 6000), {"m": 0.5, "c": 0.6, "r": 0.2}), [10] * 6000)
    cropped, masked = sum(kept == 6 for *_, kept in rows), sum(any(masked) for _, masked, _ in rows)
    assert cropped == pytest.approx(2000, rel=0.1) and masked == pytest.approx(2000, rel=0.1)
    assert not any(any(masked) and kept == 6 for _, masked, kept in rows)


def test_contrast_by_hand():
    a, b = torch.tensor([[1.0, 0.0], [0.0, 2.0]]), torch.tensor([[3.0, 1.0], [1.0, 1.0]])
    partner, others = [3, 2, 3, 2], [[0, 1], [0, 2], [4, 2], [4, 1]]  # a1, a2, b1, b2: products, nothing normalised
    rows = [
        -p / 2 + math.log(math.exp(p / 2) + sum(math.exp(o / 2) for o in row))
        for p, row in zip(partner, others, strict=True)
    ]
    assert nt_xent(a, b, 2.0).item() == pytest.approx(sum(rows) / 4)
    assert nt_xent(a[:1], b[:1], 1.0).item() == 0  # a single row has no negatives


def test_the_encoder_is_torch_s_post_norm_transformer_on_right_padded_sequences(world):
    model, inputs = build(world, "cl4srec")
    model.eval()
    batch = batch_of(world, model, inputs)
    found = model.states(None, batch)
    options = {"batch_first": True, "activation": "gelu", "layer_norm_eps": 1e-12}
    layers = torch.nn.ModuleList(torch.nn.TransformerEncoderLayer(16, 1, 16, 0.0, **options) for _ in range(2))
    with torch.no_grad():
        for layer, block in zip(layers, model.blocks, strict=True):
            layer.self_attn.in_proj_weight.copy_(block.joint.weight)
            layer.self_attn.in_proj_bias.copy_(block.joint.bias)
            layer.self_attn.out_proj.load_state_dict(block.join.state_dict())
            layer.linear1.load_state_dict(block.inner.state_dict())
            layer.linear2.load_state_dict(block.outer.state_dict())
    lengths, row, place = batch.target.lengths, batch.target.row.long(), batch.target.positions.long()
    x = torch.zeros(len(lengths), int(lengths.max()), 16)
    x[row, place] = model.items.weight[batch.target.items.long()] + model.positions.weight[place]  # no sqrt(d)
    x = torch.nn.functional.layer_norm(x, (16,), eps=1e-12)
    mask = torch.ones(x.shape[1], x.shape[1]).triu(1).bool()
    padding = torch.arange(x.shape[1]) >= lengths[:, None]
    for layer in layers:
        x = layer(x, mask, padding)
    torch.testing.assert_close(found, x[row, place], rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(found.mean(-1), torch.zeros(len(found)), rtol=0, atol=1e-5)  # post-norm to the end


@pytest.mark.parametrize("representation", ["predict", "mean", "concat"])
def test_auxiliary_loss_equals_views_encoded_one_by_one(world, representation):
    model, inputs = build(world, "cl4srec", representation=representation, temperature=2.0)
    model.eval()
    batch = batch_of(world, model, inputs)
    torch.manual_seed(5)
    found = model.auxiliary_loss(None, batch)
    lengths, kinds = batch.target.lengths.tolist(), []
    torch.manual_seed(5)
    for view in (augment(batch.target, {"m": 0.5, "c": 0.6, "r": 0.2}) for _ in range(2)):
        kind, histories = [], batch.target.items.split(lengths)
        for items, (order, masked, kept) in zip(histories, rows_of(view, lengths), strict=True):
            vectors = [model.mask[0] if masked[i] else model.items.weight[items[order[i]]] for i in range(kept)]
            states = model._encode(torch.stack(vectors), sequence_of([kept]))
            whole = torch.cat([states.flatten(), torch.zeros((20 - kept) * 16)])
            kind.append({"predict": states[-1], "mean": states.mean(0), "concat": whole}[representation])
        kinds.append(kind)
    losses = []
    for mine, theirs in (kinds, kinds[::-1]):
        for i, anchor in enumerate(mine):
            partner = anchor @ theirs[i] / 2
            others = [anchor @ view[j] / 2 for view in (mine, theirs) for j in range(len(mine)) if j != i]
            losses.append(torch.stack([partner, *others]).logsumexp(0) - partner)
    assert found.item() == pytest.approx(0.1 * torch.stack(losses).mean().item(), rel=1e-4)


def test_a_masked_item_is_attended_to_and_no_candidate(world):
    model, inputs = build(world, "cl4srec", operators="m", mask=1.0)
    model.eval()
    batch = batch_of(world, model, inputs)
    view = augment(batch.target, {"m": 1.0})
    before = model._represent(view, batch.target)
    with torch.no_grad():
        model.mask.normal_()
    assert ((model._represent(view, batch.target) - before).abs().max(1).values > 1e-3).all()
    assert model.item_vectors(None).shape[0] == len(inputs.history.target_items)


def test_views_know_nothing_of_the_last_training_item(world):
    """A view depends only on the input: with other positives in all rows it is the same."""
    model, inputs = build(world, "cl4srec")
    batch = batch_of(world, model, inputs)
    losses = []
    for positives in (batch.positives, torch.zeros_like(batch.positives)):
        torch.manual_seed(0)
        losses.append(model.auxiliary_loss(None, replace(batch, positives=positives)).item())
    assert losses[0] == losses[1]
    history = inputs.history
    training = np.bincount(history.user()[history.training() & history.is_target], minlength=history.users)
    assert batch.target.lengths.tolist() == [training[user] - 1 for user in batch.users.tolist()]


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"operators": "mx"}, "operators must be some of the letters m, c, r, not 'mx'"),
        ({"crop": 0.0}, "crop must be above 0"),
    ],
)
def test_settings_that_cannot_be_are_refused(settings, message):
    with pytest.raises(UserError, match=message):
        check(Settings(**settings))

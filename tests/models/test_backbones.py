"""SPHERE's backbones: hand-checked formulas, and training on single events."""

import numpy as np
import pytest
import torch
from direction_world import build, make_world, random_events

from semacdr.batching.batches import Batches
from semacdr.batching.windows import BLANK, make_windows, training_windows
from semacdr.errors import UserError
from semacdr.models import load
from semacdr.models.backbone import known_users
from semacdr.training.settings import Training
from semacdr.training.trainer import Trainer

CPU = torch.device("cpu")
BACKBONES = ("lightgcn", "neumf", "svdpp")


def first_batch(inputs, first_steps=True, size=64):
    windows = training_windows(inputs.history, 20, first_steps=first_steps)
    return next(Batches(windows, size, CPU).ordered())


@pytest.mark.parametrize("longest", [3, 20])
def test_windows_with_first_steps_have_every_training_event_as_a_positive(world, longest):
    history = world.model_inputs("popularity").history
    windows = training_windows(history, longest, first_steps=True)
    row = np.repeat(np.arange(len(windows.users)), np.diff(windows.target.offsets))
    found = [windows.positives[row == place].tolist() for place in range(len(windows.users))]
    training = history.training() & history.is_target
    items = history.item - history.target_items.start
    for user, positives in zip(windows.users, found, strict=True):
        own = items[training & (history.user() == user)].tolist()
        assert positives == own[-len(positives) :] and len(positives) == min(len(own), longest + 1)
    tokens = [windows.target.values[row == place].tolist() for place in range(len(windows.users))]
    assert all(own[0] == BLANK and own[1:] == after[:-1] for own, after in zip(tokens, found, strict=True))
    assert set(windows.users) == set(history.user()[training])


def test_windows_with_first_steps_are_the_others_with_one_more_step(world):
    history = world.model_inputs("popularity").history
    windows = training_windows(history, 20)
    more = make_windows(history, *last_positives(history, windows.users), 20, first_steps=True)
    first = np.zeros(len(more.positives), bool)
    first[more.target.offsets[:-1]] = True
    for name in ("positives", "source_visible", "mixed_last", "target_place"):
        assert np.array_equal(getattr(more, name)[~first], getattr(windows, name)), name
    assert (more.target_place[first] == -1).all()


def last_positives(history, users):
    """The last training event in the target domain of each user, and the users."""
    events = np.flatnonzero(history.training() & history.is_target)
    owner = history.user()[events]
    return np.array([events[owner == user][-1] for user in users]), users


def test_lightgcn_is_the_mean_over_layers_of_the_normalised_graph(world):
    model, inputs = build(world, "lightgcn", layers=2)
    history = inputs.history
    events = history.training() & history.is_target
    known, _ = known_users(history)
    nodes = len(history.target_items) + len(known)
    dense = torch.zeros(nodes, nodes, dtype=torch.float64)
    for user, item in zip(history.user()[events], history.item[events], strict=True):
        item_node = item - history.target_items.start
        user_node = len(history.target_items) + int(np.flatnonzero(known == user)[0])
        dense[item_node, user_node] = dense[user_node, item_node] = 1
    degree = dense.sum(0).clamp(min=1).rsqrt()
    dense = degree[:, None] * dense * degree
    model.double()
    zero = model.table.weight
    expected = (zero + dense @ zero + dense @ dense @ zero) / 3
    torch.testing.assert_close(model.prepare(), expected, rtol=0, atol=1e-6)
    batch = first_batch(inputs)
    rows = [len(history.target_items) + int(np.flatnonzero(known == user)[0]) for user in batch.users.tolist()]
    torch.testing.assert_close(model.states(model.prepare(), batch), model.prepare()[rows][batch.target.row.long()])


def test_svdpp_adds_the_implicit_vectors_of_the_events_before_the_step(world):
    model, inputs = build(world, "svdpp")
    model.double()
    batch = first_batch(inputs)
    torch.nn.init.normal_(model.item_bias)
    found = model.all_scores(model.states(None, batch), model.item_vectors(None))
    known, _ = known_users(inputs.history)
    step = 0
    for row, user in enumerate(batch.users.tolist()):
        before = []
        for item in batch.target.items[batch.target.row == row].tolist():
            before += [] if item == BLANK else [item]
            vector = model.user_factors.weight[int(np.flatnonzero(known == user)[0])]
            if before:
                vector = vector + sum(model.implicit.weight[item] for item in before) / len(before) ** 0.5
            torch.testing.assert_close(found[step], model.factors.weight @ vector + model.item_bias)
            step += 1
    assert step == len(found)


def test_neumf_scores_as_published(world):
    model, inputs = build(world, "neumf", dim=8, layers=3)
    model.double().eval()
    batch = first_batch(inputs)
    states, vectors = model.states(None, batch), model.item_vectors(None)
    _, place = known_users(inputs.history)
    step, item = 5, 3
    user = int(batch.users[batch.target.row[step]])
    p, q = model.user_table.weight[place[user] - 1], model.table.weight[item]
    first = torch.cat([model.of_users.weight, model.of_items.weight], 1)
    hidden = torch.relu(first @ torch.cat([p[8:], q[8:]]) + model.of_users.bias)
    for layer in model.tower:
        hidden = torch.relu(layer(hidden))
    expected = model.output.weight[0] @ torch.cat([p[:8] * q[:8], hidden])
    assert [layer.weight.shape for layer in model.tower] == [(4, 8), (2, 4)]
    torch.testing.assert_close(model.all_scores(states, vectors)[step, item], expected)
    torch.testing.assert_close(model.match(states, vectors[None])[step, item], expected)
    torch.testing.assert_close(model.match(states[step : step + 1], vectors[None, item : item + 1])[0, 0], expected)


def test_scores_in_chunks_are_those_at_once(world, monkeypatch):
    model, inputs = build(world, "neumf")
    model.double().eval()
    states, vectors = model.states(None, first_batch(inputs)), model.item_vectors(None)
    whole = model.all_scores(states, vectors)
    monkeypatch.setattr("semacdr.models.base.PAIRS", 70)
    torch.testing.assert_close(model.all_scores(states, vectors), whole, rtol=0, atol=1e-12)


def test_the_penalty_is_half_the_squared_embeddings_of_a_step(world):
    model, inputs = build(world, "lightgcn", l2=0.3)
    trainer = Trainer(model, inputs.history, Training(loss="bpr", train_negatives=2, max_length=20), 0, CPU)
    batch = next(trainer.shuffled())
    table, (_, place) = model.table.weight, known_users(inputs.history)
    users = place[batch.users.numpy()][batch.target.row.numpy()] - 1 + len(inputs.history.target_items)
    drawn = table[users].square().sum() + table[batch.positives.long()].square().sum()
    drawn = drawn + table[batch.negatives.long()].square().sum()
    torch.testing.assert_close(model.auxiliary_loss(None, batch), 0.15 * drawn / len(batch.positives))


@pytest.mark.parametrize("name", BACKBONES)
def test_a_user_without_training_events_has_a_vector_of_zeros(tmp_path, name):
    cold = make_world(tmp_path, random_events(), cold=0.3)
    model, inputs = build(cold, name)
    model.eval()
    windows = make_windows(inputs.history, inputs.history.test, np.arange(inputs.history.users), 20)
    batch = next(Batches(windows, 64, CPU).ordered())
    prepared = model.prepare()
    unknown = torch.from_numpy(known_users(inputs.history)[1] == 0)[batch.users.long()][batch.target.row.long()]
    assert unknown.any() and not unknown.all()
    vectors = model.users(prepared, batch)
    assert not vectors[unknown].any() and vectors[~unknown].any(1).all()


@pytest.mark.parametrize("name", BACKBONES)
def test_backbones_read_target_events_only(world, name):
    """Without any source event the parameters after two epochs are the same."""
    from semacdr.training.visibility import without_source

    found = []
    for change in (lambda history: history, without_source):
        model, inputs = build(world, name)
        trainer = Trainer(model, change(inputs.history), Training(loss=load(name).LOSS, max_length=20), 0, CPU)
        torch.manual_seed(0)
        trainer.epoch()
        trainer.epoch()
        found.append([parameter.detach() for parameter in model.parameters()])
    for one, other in zip(*found, strict=True):
        torch.testing.assert_close(one, other, rtol=0, atol=0)


def test_a_loss_over_the_whole_catalogue_needs_inner_products(world):
    model, inputs = build(world, "neumf")
    with pytest.raises(UserError, match=r"loss ce scores .* by inner products.* one of bpr, bce, gbce"):
        Trainer(model, inputs.history, Training(loss="ce", max_length=20), 0, CPU)

"""SPHERE: what its towers read, that the gate uses both sides, and what its ablations leave out."""

import dataclasses

import numpy as np
import pytest
import torch
from direction_world import PARTS, build

from semacdr.batching.batches import Batches
from semacdr.batching.windows import training_windows
from semacdr.data.persona_parts import parts_of
from semacdr.errors import UserError
from semacdr.models import load
from semacdr.models.persona_features import (
    Use,
    co_occurrence,
    community_weights,
    item_features,
    source_features,
    user_features,
)
from semacdr.training.settings import Training
from semacdr.training.trainer import Trainer

CPU = torch.device("cpu")
WHOLE = Use("persona", True, "nearest", "both", 3, 0.1)
BACKBONES = ("lightgcn", "neumf", "svdpp")


def first_batch(inputs):
    return next(Batches(training_windows(inputs.history, 20, first_steps=True), 64, CPU).ordered())


def states(model, inputs):
    model.double().eval()
    return model.states(model.prepare(), first_batch(inputs))


def with_personas(inputs, **changes):
    return dataclasses.replace(inputs, personas=dataclasses.replace(inputs.personas, **changes))


def test_a_users_features_are_the_persona_and_the_weighted_means_of_the_community(world):
    _, inputs = build(world, "sphere")
    personas, history, text = inputs.personas, inputs.history, inputs.text
    found = user_features(inputs, WHOLE)
    for place in range(0, len(personas.target.users), 7):
        neighbours = [n for n in personas.neighbours[place, :3].tolist() if n >= 0]
        scores = torch.tensor([np.exp(float(s) / 0.1) for s in personas.similarity[place, : len(neighbours)]])
        weight = scores / scores.sum() if neighbours else scores
        liked = torch.zeros(text.shape[1])
        pooled = [torch.zeros(part.shape[1]) for part in (personas.source.text, personas.source.weights)]
        for one, share in zip(neighbours, weight, strict=True):
            user = int(personas.source.users[one])
            own = (history.user() == user) & history.training() & ~history.is_target
            liked += share * text[torch.from_numpy(history.item[own])].mean(0)
            for total, part in zip(pooled, (personas.source.text, personas.source.weights), strict=True):
                total += share * part[one]
        expected = torch.cat([personas.target.text[place], personas.target.weights[place], *pooled, liked])
        torch.testing.assert_close(found[place], expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("changes", [{"persona": "none"}, {"community": "none"}, {"vocabulary": False}], ids=str)
def test_what_an_ablation_leaves_out_changes_no_feature(world, changes):
    _, inputs = build(world, "sphere")
    use = dataclasses.replace(WHOLE, **changes)
    target, source = inputs.personas.target, inputs.personas.source
    noise = torch.ones_like
    other = {
        "persona": {"target": dataclasses.replace(target, text=noise(target.text), weights=noise(target.weights))},
        "community": {"source": dataclasses.replace(source, text=noise(source.text), weights=noise(source.weights))},
        "vocabulary": {
            "target": dataclasses.replace(target, weights=noise(target.weights)),
            "source": dataclasses.replace(source, weights=noise(source.weights)),
        },
    }[next(iter(changes))]
    changed = with_personas(inputs, **other)
    torch.testing.assert_close(user_features(changed, use), user_features(inputs, use), rtol=0, atol=0)
    assert not torch.equal(user_features(changed, WHOLE), user_features(inputs, WHOLE))


def test_a_random_community_is_as_large_as_the_nearest_and_ignores_similarity(world):
    _, inputs = build(world, "sphere")
    random = dataclasses.replace(WHOLE, community="random")
    weight, place = community_weights(inputs.personas, random)
    nearest, members = community_weights(inputs.personas, WHOLE)
    assert torch.equal(weight > 0, nearest > 0) and not torch.equal(place, members)
    sizes = (weight > 0).sum(1, keepdim=True)
    torch.testing.assert_close(weight, (weight > 0) / sizes.clamp(min=1))
    other = with_personas(inputs, similarity=inputs.personas.similarity.flip(0))
    again = community_weights(other.personas, random)
    assert torch.equal(again[1], place)


def test_a_random_community_depends_on_the_user_alone_and_is_never_the_own_account(world):
    _, inputs = build(world, "sphere")
    random, found = dataclasses.replace(WHOLE, community="random", neighbours=4), {}
    for personas in (inputs.personas, *inputs.personas.parts):
        _, place = community_weights(personas, random)
        for user, members in zip(personas.target.users.tolist(), personas.source.users[place].tolist(), strict=True):
            assert user not in members and found.setdefault(user, members) == members
    drawn = torch.tensor(list(found.values()))
    assert len(drawn.unique()) > 30  # of 40 users
    few = dataclasses.replace(
        inputs.personas.source, **{name: value[:2] for name, value in vars(inputs.personas.source).items()}
    )  # with two source users only the other one is left for each of them
    target = inputs.personas.target
    both = torch.isin(target.users, few.users)
    _, place = community_weights(dataclasses.replace(inputs.personas, source=few), random)
    assert place.max() <= 1 and both.sum() == 2
    assert (few.users[place[both]] != target.users[both][:, None]).all()


def test_traits_that_go_together_in_the_source_domain():
    weights = torch.tensor([[1.0, 0.0, 0.0], [1.0, 0.0, 0.0], [0.0, 0.5, 0.5], [0.0, 0.5, 0.5]])
    lift = co_occurrence(weights) + 1
    expected = torch.tensor([[2.0, 0.0, 0.0], [0.0, 2.0, 2.0], [0.0, 2.0, 2.0]])
    torch.testing.assert_close(lift, expected)


@pytest.mark.parametrize("backbone", BACKBONES)
@pytest.mark.parametrize("gate", ["vector", "scalar", "half", "concat", "scores"])
def test_both_towers_and_a_permuted_persona_table_change_the_states(world, backbone, gate):
    model, inputs = build(world, "sphere", backbone=backbone, gate=gate)
    before = states(model, inputs)
    place = torch.randperm(model.features.shape[1] - 1, generator=torch.Generator().manual_seed(1))
    permuted, _ = build(world, "sphere", backbone=backbone, gate=gate)
    permuted.features[:, 1:] = permuted.features[:, 1:][:, place]
    assert not torch.allclose(states(permuted, inputs), before)
    other, _ = build(world, "sphere", backbone=backbone, gate=gate)
    table = other.backbone.user_table if backbone == "neumf" else getattr(other.backbone, "table", None)
    (other.backbone.user_factors if table is None else table).weight.data.mul_(3)
    assert not torch.allclose(states(other, inputs), before)


def test_without_persona_community_and_item_tower_it_is_the_backbone(world):
    model, inputs = build(
        world, "sphere", persona="none", community="none", item_tower=False, backbone="svdpp", gate="vector"
    )
    alone, _ = build(world, "svdpp")
    alone.load_state_dict(model.backbone.state_dict())
    torch.testing.assert_close(states(model, inputs), states(alone, inputs), rtol=0, atol=0)
    assert {name.split(".")[0] for name, _ in model.named_parameters()} == {"backbone"}


def test_gate_weights_lie_between_both_sides(world):
    model, inputs = build(world, "sphere", gate="vector")
    model.double().eval()
    prepared, batch = model.prepare(), first_batch(inputs)
    users, items = model.gate_weights(prepared, batch), model.item_gate_weights(prepared)
    assert len(users) == len(batch.users) and len(items) == len(inputs.history.target_items)
    assert ((users > 0) & (users < 1)).all() and users.std() > 0
    gate = model.semantic["user_gate"]
    gate.linear.bias.data.fill_(50.0)  # only the collaborative side
    collaborative = model.states(prepared, batch)
    expected = model.backbone.states(prepared.backbone, batch)
    torch.testing.assert_close(collaborative, expected)
    half, _ = build(world, "sphere", gate="half")
    assert (half.gate_weights(half.prepare(), batch) == 0.5).all()
    concat, _ = build(world, "sphere", gate="concat")
    assert concat.gate_weights(concat.prepare(), batch).isnan().all()


def test_source_events_train_the_towers_alone(world):
    model, inputs = build(world, "sphere", source_weight=1.0, l2=0.0)
    torch.manual_seed(0)
    loss = model.auxiliary_loss(model.prepare(), first_batch(inputs))
    loss.backward()
    assert loss > 0
    trained = {name for name, p in model.named_parameters() if p.grad is not None and p.grad.abs().sum() > 0}
    assert trained == {
        n for n, _ in model.named_parameters() if n.startswith(("semantic.user_tower.", "semantic.item_tower."))
    }
    widths = source_features(inputs, WHOLE).shape[1], user_features(inputs, WHOLE).shape[1]
    assert widths[0] == widths[1] and item_features(inputs, True).shape[0] == 55


@pytest.mark.parametrize(
    "settings",
    [{"gate": "scores", "item_tower": False}, {"source_weight": 1.0, "persona": "items"}],
    ids=str,
)
def test_what_needs_both_towers_is_refused_without_one(world, settings):
    with pytest.raises(UserError, match="both"):
        build(world, "sphere", **settings)


@pytest.mark.parametrize("backbone", BACKBONES)
def test_towers_have_the_semantic_learning_rate(world, backbone):
    model, inputs = build(world, "sphere", backbone=backbone)
    settings = Training(loss=load(backbone).LOSS, learning_rate=0.01, semantic_learning_rate=0.002, max_length=20)
    trainer = Trainer(model, inputs.history, settings, 0, CPU)
    rates = [group["lr"] for group in trainer.optimiser.param_groups]
    assert rates == [0.002, 0.01] and np.isfinite(trainer.epoch())


def test_a_training_step_reads_the_persona_without_the_part_of_its_positive(world):
    model, inputs = build(world, "sphere", tower_dropout=0.0)
    model.double()
    batch, history = first_batch(inputs), inputs.history
    prepared = model.prepare()
    before = model.states(prepared, batch)  # in training mode
    model.features[1] += 1  # personas without part 1
    changed = (model.states(prepared, batch) != before).any(1)
    training = np.flatnonzero(history.training() & history.is_target)
    part = {
        (int(history.user()[event]), int(history.item[event]) - history.target_items.start): int(one)
        for event, one in zip(training, parts_of(history, PARTS)[training], strict=True)
    }
    users = batch.users[batch.target.row].tolist()
    own = [part[pair] == 1 for pair in zip(users, batch.positives.tolist(), strict=True)]
    assert changed.tolist() == own and 0 < sum(own) < len(own)
    model.eval()
    whole = model.states(prepared, batch)
    model.features[1:] += 1
    torch.testing.assert_close(model.states(prepared, batch), whole, rtol=0, atol=0)


def test_the_gate_of_scores_weighs_the_semantic_score_of_each_user(world):
    model, inputs = build(world, "sphere")
    model.double().eval()
    prepared, batch = model.prepare(), first_batch(inputs)
    weight = model.gate_weights(prepared, batch)[:, None]
    assert weight.std() > 0 and ((weight > 0) & (weight < 1)).all()
    assert model.item_gate_weights(prepared).isnan().all()
    place = model.place[batch.users.long()]
    own = model.backbone.scores(prepared.backbone, batch)
    semantic = model.semantic["user_tower"](model.features[0, place]) @ prepared.semantic.T
    expected = own + (1 - weight) / weight * semantic
    torch.testing.assert_close(model.scores(prepared, batch), expected)


def test_items_in_place_of_a_persona_are_those_without_the_part(world):
    _, inputs = build(world, "sphere")
    use = dataclasses.replace(WHOLE, persona="items", community="none")
    history = inputs.history
    parts = parts_of(history, PARTS)
    training = history.training() & history.is_target
    for part, personas in enumerate((inputs.personas, *inputs.personas.parts)):
        own = dataclasses.replace(inputs, personas=personas)
        found = user_features(own, use, part, PARTS)
        for row, user in enumerate(personas.target.users[:9].tolist()):
            kept = training & (history.user() == user) & ((parts != part) | (part == 0))
            torch.testing.assert_close(found[row], inputs.text[torch.from_numpy(history.item[kept])].mean(0))

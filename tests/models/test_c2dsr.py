"""C2DSR against loops over users on the mixed timeline, where events outside a view are padding, as published."""

import math
from itertools import pairwise

import numpy as np
import polars as pl
import pytest
import torch
import torch.nn.functional as F
from direction_world import DAY, build, make_world, random_events

from semacdr.batching.batches import Batches
from semacdr.batching.windows import training_windows
from semacdr.errors import UserError
from semacdr.models import c2dsr
from semacdr.models.c2dsr import Settings, check
from semacdr.models.infomax import corrupt
from semacdr.models.transition_matrix import Propagation, transition_matrix
from semacdr.training.settings import Training
from semacdr.training.trainer import Trainer

CPU = torch.device("cpu")


def training_events(history, user):
    """(item, whether of the target domain) of a user's training events in order."""
    own = slice(history.start[user], history.valid[user])
    return list(zip(history.item[own].tolist(), history.is_target[own].tolist(), strict=True))


# Graphs


@pytest.mark.parametrize("kind", ["binary", "counted"])
@pytest.mark.parametrize("view", ["source", "target", "mixed"])
def test_an_item_is_joined_to_what_follows_it_in_training(world, view, kind):
    history = world.model_inputs("c2dsr").history
    items = {"source": history.source_items, "target": history.target_items, "mixed": range(55)}[view]
    expected = np.zeros((len(items), len(items)))
    for user in range(history.users):
        own = [item - items.start for item, _ in training_events(history, user) if item in items]
        for before, after in pairwise(own):
            expected[before, after] = 1 if kind == "binary" else expected[before, after] + 1
    assert (expected > 1).any() == (kind == "counted")
    assert not np.array_equal(expected, expected.T)
    expected /= expected.sum(1, keepdims=True).clip(1)
    adjacency, transposed = (part.to_dense().numpy() for part in transition_matrix(history, items, kind))
    assert np.allclose(adjacency, expected) and np.array_equal(transposed, adjacency.T)


def test_propagation_is_the_mean_of_its_layers_and_its_gradient_is_exact(world):
    history = world.model_inputs("c2dsr").history
    graph = Propagation(history, history.target_items, "counted", 2, 3).double()
    x = torch.randn(30, 3, dtype=torch.float64, requires_grad=True)
    adjacency = graph.adjacency.to_dense()
    with torch.no_grad():
        first, second = (bias.normal_() for bias in graph.biases)
        once = adjacency @ x + first
        torch.testing.assert_close(graph(x, 0.0), (x + once + (adjacency @ once + second)) / 3)
    assert torch.autograd.gradcheck(lambda x: graph(x, 0.0), (x,), fast_mode=True)
    assert (
        graph(torch.ones_like(x), 0.5) != graph(torch.ones_like(x), 0.0)
    ).any()  # dropout applies to the propagated vectors


def test_items_enter_a_sequence_with_what_follows_them_and_their_own_vector(world):
    model, _ = build(world, "c2dsr")
    model.eval()
    for name, found in model.prepare().inputs.items():
        x, propagation = model.tables[name].weight, model.propagations[name]
        expected = (x + propagation.adjacency.to_dense() @ x + propagation.biases[0]) / 2 + x
        torch.testing.assert_close(found, expected)


# The loss, by loops


def encode(encoder, vectors, real):
    """States (L, d) on the timeline: vectors (L, d), padding where not `real` (L,), which gets no attention."""
    length, dim = vectors.shape
    place = torch.cumsum(real.int(), 0) - 1
    x = (vectors * math.sqrt(dim) + encoder.positions.weight[place.clamp(min=0)]) * real[:, None]
    seen = torch.ones(length, length, dtype=torch.bool).tril() & (real | torch.eye(length, dtype=torch.bool))
    for block in encoder.blocks:
        query = block.attention_norm(x)
        key, value = block.key_value(x).chunk(2, -1)
        scores = (block.query(query) @ key.T / math.sqrt(dim)).masked_fill(~seen, -math.inf)
        x = block.forward_norm(query + scores.softmax(-1) @ value)
        x = (x + block.outer(F.relu(block.inner(x)))) * real[:, None]
    return encoder.norm(x) * real[:, None]


def other_item(items, domain):
    """A deterministic corruption: each item is replaced by the next item of the domain."""
    inside = (items >= domain.start) & (items < domain.stop)
    return torch.where(inside, domain.start + (items - domain.start + 1) % len(domain), items)


class Timeline:
    """The events that a user's training steps see, on the mixed timeline: all before the last training target event."""

    def __init__(self, model, history, user, limit):
        events = training_events(history, user)
        last = max(place for place, (_, is_target) in enumerate(events) if is_target)
        self.model, self.items = model, torch.tensor([item for item, _ in events[: last + 1]])
        self.of = torch.tensor([is_target for _, is_target in events[: last + 1]])
        self.seen = {name: self.window(part[:-1], limit) for name, part in (
            ("source", ~self.of), ("target", self.of), ("mixed", self.of | True))}  # fmt: skip

    @staticmethod
    def window(chosen, limit):
        """The last `limit` chosen ones."""
        return chosen & (chosen.flip(0).cumsum(0).flip(0) <= limit)

    def states(self, name, items=None):
        table, first = self.model.prepare().inputs[name], self.model.domains.get(name, range(0)).start
        items = (self.items if items is None else items)[:-1] - first
        return encode(self.model.encoders[name], table[items * self.seen[name]], self.seen[name])

    def steps(self, name):
        """Pairs of places: an event of the domain that the window holds, and the domain's next event."""
        chosen = self.of if name == "target" else ~self.of
        places = chosen.nonzero()[:, 0].tolist()
        return [(before, after) for before, after in pairwise(places) if self.seen[name][before]]

    def loss(self, name, state, label):
        model = self.model
        weight = model.tables[name].weight if model.settings.output == "tied" else model.heads[name].weight
        return -(weight @ state + model.biases[name]).log_softmax(-1)[label]

    def next_item_losses(self, mixed_state):
        """The list of terms of each loss."""
        model, mixed = self.model, self.states("mixed")
        label = {
            "source": self.items - model.domains["source"].start,
            "target": self.items - model.domains["target"].start,
        }
        losses = {"shared": []}
        for place in range(len(mixed)):
            if self.seen["mixed"][place]:
                name = "target" if self.of[place + 1] else "source"
                losses["shared"].append(self.loss(name, mixed[place], label[name][place + 1]))
        for name in ("source", "target"):
            states = self.states(name)
            losses[name] = [
                self.loss(
                    name,
                    states[before] + mixed[before if mixed_state == "published" else after - 1],
                    label[name][after],
                )
                for before, after in self.steps(name)
            ]
        return losses

    def infomax(self):
        """The four terms of a user, or None."""
        own, across = {}, {}
        for name in ("source", "target"):
            places = [before for before, _ in self.steps(name)]
            both = [place for place in places if self.seen["mixed"][place]]
            if not both:
                return None
            own[name] = self.states(name)[places].mean(0)
            replaced = self.model.domains["source" if name == "target" else "target"]
            corrupted = self.states("mixed", other_item(self.items, replaced))
            across[name] = self.states("mixed")[both].mean(0), corrupted[both].mean(0)
        loss = 0.0
        for name, other in (("source", "target"), ("target", "source")):
            true, false = (
                self.model.infomax.discriminators[name](own[name][None], z[None]).squeeze() for z in across[other]
            )
            loss = loss - torch.sigmoid(true).log() - (1 - torch.sigmoid(false)).log()
        return loss


@pytest.fixture(scope="module")
def renamed(world, events, tmp_path_factory):
    """The world with items renamed so that some user's last label in each domain is the domain's first item."""
    history = world.model_inputs("c2dsr").history
    seen = training_events(history, user=9)
    while not seen[-1][1]:  # no training step has source events after the last target event
        seen.pop()
    last = {is_target: item for item, is_target in seen}
    names = {0: last[True], last[True]: 0, 30: last[False], last[False]: 30}
    return make_world(tmp_path_factory.mktemp("renamed"), events.with_columns(pl.col("item").replace(names)))


@pytest.mark.parametrize("limit", [3, 20])  # shorter and longer than the histories
@pytest.mark.parametrize(("mixed_state", "output"), [("before", "untied"), ("published", "tied")])
def test_the_loss_is_that_of_loops_over_users_and_the_timeline(renamed, monkeypatch, limit, mixed_state, output):
    model, inputs = build(renamed, "c2dsr", mixed_state=mixed_state, output=output)
    model.double().train()
    monkeypatch.setattr(c2dsr, "corrupt", other_item)
    with torch.no_grad():
        for parameter in model.parameters():  # no zero may hide a term
            parameter.add_(0.1 * torch.randn_like(parameter))
    trainer = Trainer(model, inputs.history, Training(loss="ce", max_length=limit), 0, CPU)
    batch = next(trainer.batches.ordered())
    users = [Timeline(model, inputs.history, user, limit) for user in batch.users.tolist()]
    parts = [user.next_item_losses(mixed_state) for user in users]
    terms = [term for part in parts for losses in part.values() for term in losses]
    steps = sum(len(part["target"]) for part in parts)
    infomax = [loss for user in users if (loss := user.infomax()) is not None]
    assert 0 < len(infomax) < len(users)  # some user has no labelled source event, and stays
    expected = sum(terms) / steps + 0.3 / 0.7 * sum(infomax) / len(infomax)
    torch.testing.assert_close(trainer.loss(batch), expected, rtol=1e-9, atol=1e-9)
    last = {
        int(user.items[after]) for user in users for name in ("source", "target") for _, after in user.steps(name)[-1:]
    }
    assert {domain.start for domain in model.domains.values()} <= last  # the first item of a domain can be last


def test_corruption_replaces_the_items_of_one_domain_within_it_and_is_drawn_from_the_global_generator(world):
    history = world.model_inputs("c2dsr").history
    items = torch.arange(55, dtype=torch.int32).repeat(20)
    for domain in (history.source_items, history.target_items):
        found = []
        for seed in (1, 1, 2):
            torch.manual_seed(seed)
            found.append(corrupt(items, domain))
        inside = (items >= domain.start) & (items < domain.stop)
        assert torch.equal(found[0][~inside], items[~inside])
        assert set(found[0][inside].tolist()) == set(domain)
        assert torch.equal(found[0], found[1]) and not torch.equal(found[0], found[2])


def test_training_sees_the_mixed_state_that_ranking_will_see_unless_as_published(world):
    found = {}
    for mixed_state in ("before", "published"):
        model, inputs = build(world, "c2dsr", mixed_state=mixed_state)
        batch = next(Batches(training_windows(inputs.history, 20), 64, CPU).ordered())
        for mode in (True, False):
            model.train(mode)
            found[mixed_state, mode] = model.states(model.prepare(), batch)
    torch.testing.assert_close(found["before", True], found["before", False])
    torch.testing.assert_close(found["before", False], found["published", False])
    direct = batch.target_place == batch.mixed_last  # no source event between the step and its positive
    same = (found["published", True] - found["published", False]).abs().sum(1) < 1e-6
    assert torch.equal(same, direct) and 0 < direct.sum() < len(direct)


def test_users_without_source_events_are_trained_on_their_target_steps(tmp_path):
    events = random_events(users=6)
    late = pl.col("timestamp") + 100 * DAY * (pl.col("domain") == "movie")
    world = make_world(tmp_path, events.with_columns(timestamp=late))
    model, inputs = build(world, "c2dsr")
    trainer = Trainer(model, inputs.history, Training(loss="ce", max_length=20, learning_rate=0.01), 0, CPU)
    losses = [trainer.epoch() for _ in range(20)]
    assert np.isfinite(losses).all() and losses[-1] < losses[0] / 2


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"weight": 0.0}, "c2dsr: weight must be above 0"),
    ],
)
def test_settings_that_cannot_be_are_refused(settings, message):
    with pytest.raises(UserError, match=message):
        check(Settings(**settings))

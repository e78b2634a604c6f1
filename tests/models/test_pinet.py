"""π-Net against a loop over each user's events, and its recurrent layers against torch's."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from direction_world import build
from hypothesis import given, settings
from hypothesis import strategies as st
from test_layers import layout_of

from semacdr.batching.batches import Batches
from semacdr.batching.windows import evaluation_windows, training_windows
from semacdr.models.pinet import Filter
from semacdr.models.recurrent import GRU, Timeline

CPU = torch.device("cpu")
OTHER = {"target": "source", "source": "target"}


def filtered(filter_, own, other, state):
    """The published cell, member by member: gate and candidate of each, their mean as the new state."""
    found = []
    for member in filter_.members:
        weight = filter_.gate.weight @ torch.cat([own, other])
        of_state = filter_.state.weight @ state
        gate, candidate = of_state[: len(state)], of_state[len(state) :]
        gate = torch.sigmoid(weight + filter_.gate.bias + gate + filter_.gate_members.weight @ member)
        candidate = candidate + filter_.candidate.weight @ own + filter_.candidate.bias
        candidate = torch.tanh(candidate + (filter_.candidate_members or filter_.gate_members).weight @ member)
        found.append(gate * state + (1 - gate) * candidate)
    return sum(found) / len(found)


def recurrent(gru, x, state):
    """torch's cell with the weights of a GRU."""
    weights = (gru.input.weight, gru.state.weight, gru.input.bias, gru.state.bias)
    return torch.gru_cell(x[None], state[None], *weights)[0]


class Reader:
    """Takes a user's events one by one; after each it knows the predictions of both domains."""

    def __init__(self, model):
        self.model, zeros = model, torch.zeros(model.settings.dim, dtype=torch.float64)
        self.encoded = dict.fromkeys(("target", "source"), zeros)
        self.filtered, self.transferred = dict(self.encoded), dict(self.encoded)  # by the domain they are for

    def logits(self, domain):
        head = self.model.predictions[domain].head
        return head.weight @ torch.cat([self.transferred[domain], self.encoded[domain]]) + head.bias

    def read(self, domain, item):
        vector = self.model.items[domain].weight[item]
        self.encoded[domain] = recurrent(self.model.encoders[domain], vector, self.encoded[domain])
        to = OTHER[domain]
        if to in self.model.predictions:
            own, other, unit = self.encoded[domain], self.encoded[to], self.model.predictions[to]
            self.filtered[to] = filtered(unit.filter, own, other, self.filtered[to])
            self.transferred[to] = recurrent(unit.transfer, self.filtered[to], self.transferred[to])


def read_all(model, history, windows, length):
    """Logits before each target event that is predicted, and losses of the source events that are."""
    logits, losses = [], []
    ranges = {"target": history.target_items, "source": history.source_items}
    for user in windows.users:
        begin = history.start[user]
        targets = begin + np.flatnonzero(history.is_target[begin : history.start[user + 1]])
        end = targets[np.searchsorted(targets, history.valid[user]) - 1]  # the last training event is predicted last
        seen = {"target": targets[targets < end][-length:]}
        seen["source"] = np.setdiff1d(np.arange(begin, end), targets)[-length:]
        reader, previous = Reader(model), set()
        for event in [*sorted(np.concatenate(list(seen.values()))), end]:
            domain = "target" if history.is_target[event] else "source"
            item = history.item[event] - ranges[domain].start
            if domain == "target" and "target" in previous:
                logits.append(reader.logits("target"))
            if domain == "source" and "source" in previous and "source" in model.predictions:
                losses.append(F.cross_entropy(reader.logits("source"), torch.tensor(item)))
            reader.read(domain, item)
            previous.add(domain)
    return torch.stack(logits), torch.stack(losses).mean() if losses else 0.0


@pytest.mark.parametrize("length", [20, 3])
@pytest.mark.parametrize(
    "own", [{}, {"source_weight": 0.5, "shared_member_map": True}, {"source_weight": 0.0}], ids=str
)
def test_predictions_equal_reading_event_by_event(world, own, length):
    model, inputs = build(world, "pinet", **own)
    model.double().eval()
    windows = training_windows(inputs.history, length)
    batch = next(Batches(windows, 64, CPU).ordered())
    logits, loss = read_all(model, inputs.history, windows, length)
    states, auxiliary = model.states_and_auxiliary_loss(None, batch)
    torch.testing.assert_close(states @ model.item_vectors(None).T, logits, rtol=0, atol=1e-10)
    torch.testing.assert_close(torch.as_tensor(auxiliary), own.get("source_weight", 1.0) * torch.as_tensor(loss))
    torch.testing.assert_close(model.states(None, batch), states, rtol=0, atol=0)
    torch.testing.assert_close(model.auxiliary_loss(None, batch), auxiliary, rtol=0, atol=0)


def test_a_user_without_source_events_is_scored_from_the_target_alone(world):
    model, inputs = build(world, "pinet")
    model.eval()
    windows = evaluation_windows(inputs.history, "test", 20)
    none = {"source": windows.source.__class__(windows.source.values[:0], np.zeros_like(windows.source.offsets))}
    none |= {"source_visible": np.zeros_like(windows.source_visible), "target_before": windows.target_before[:0]}
    batch = next(Batches(windows.__class__(**vars(windows) | none), 64, CPU).ordered())
    states, auxiliary = model.states_and_auxiliary_loss(None, batch)
    assert auxiliary == 0.0
    assert (states[:, :16] == 0).all() and (states[:, 16:32] != 0).any(1).all() and (states[:, 32] == 1).all()


def test_each_map_of_the_members_has_its_own_part(world):
    """The official code computes the candidate's members and adds the gate's instead: no gradient for V_s."""
    torch.manual_seed(0)
    own, other, timeline = torch.randn(5, 4), torch.randn(5, 4), Timeline(layout_of([2, 3]))
    two, slip = Filter(4, 3, False), Filter(4, 3, True)
    for parameter in two.parameters():
        torch.nn.init.normal_(parameter)
    two(own, other, timeline).sum().backward()
    assert two.candidate_members.weight.grad.abs().sum() > 0
    slip.load_state_dict({name: value for name, value in two.state_dict().items() if name in slip.state_dict()})
    assert (two(own, other, timeline) - slip(own, other, timeline)).abs().max() > 0.01
    two.candidate_members.load_state_dict(two.gate_members.state_dict())
    torch.testing.assert_close(two(own, other, timeline), slip(own, other, timeline))


def test_biases_and_heads_start_as_published_and_heads_are_tied_to_nothing(world):
    model, inputs = build(world, "pinet")
    for unit in model.predictions.values():
        assert (unit.filter.gate.bias == 1).all() and (unit.filter.candidate.bias == 1).all()
        assert (unit.head.bias == 0).all()
    shapes = {name: tuple(unit.head.weight.shape) for name, unit in model.predictions.items()}
    assert shapes == {"target": (len(inputs.history.target_items), 32), "source": (25, 32)}
    assert {name: len(table.weight) for name, table in model.items.items()} == {"target": 30, "source": 25}


# Recurrence


@settings(max_examples=40, deadline=None)
@given(st.lists(st.integers(0, 40), min_size=1, max_size=8), st.integers(0, 99))
def test_a_recurrence_is_torch_s_own_of_each_row(lengths, seed):
    torch.manual_seed(seed)
    ours, theirs = GRU(4, 0.5, 0.5).eval().double(), torch.nn.GRU(4, 4).double()
    parts = {"ih": ours.input, "hh": ours.state}
    theirs.load_state_dict(
        {f"{part}_{name}_l0": getattr(linear, part) for name, linear in parts.items() for part in ("weight", "bias")}
    )
    x = torch.randn(sum(lengths), 4, dtype=torch.float64, requires_grad=True)
    found = ours(x, Timeline(layout_of(lengths)))
    expected = torch.cat([theirs(part)[0] if len(part) else part for part in x.split(lengths)])
    torch.testing.assert_close(found, expected)
    if sum(lengths):
        weight = torch.randn_like(found)
        torch.testing.assert_close(*(torch.autograd.grad((y * weight).sum(), x)[0] for y in (found, expected)))


def test_the_state_drops_out_between_steps_and_only_in_training():
    torch.manual_seed(0)
    gru, timeline = GRU(64, 0.0, 0.5), Timeline(layout_of([3, 3]))
    x = torch.randn(3, 64).repeat(2, 1)
    with torch.no_grad():
        first, again = gru(x, timeline), gru(x, timeline)
        same = (first == again).all(1)
        assert same.tolist() == [True, False, False] * 2  # nothing is remembered at the first step
        assert torch.equal(gru.eval()(x, timeline)[:3], gru(x, timeline)[3:])
        gru = GRU(64, 0.5, 0.0)
        assert not torch.equal(gru(x, timeline)[0], gru(x, timeline)[3])  # inputs drop out at each

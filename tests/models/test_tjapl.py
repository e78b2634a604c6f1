"""TJAPL against its equations, written out for one step of one user at a time."""

import math

import numpy as np
import polars as pl
import pytest
import torch
from direction_world import build

from semacdr.batching.batches import Batches
from semacdr.batching.windows import evaluation_windows, make_windows, training_windows

CPU = torch.device("cpu")


def attend(query, key_value, seen):
    """Attention of one query over the visible vectors, a list of (d,); zeros if there are none."""
    if not len(seen):
        return torch.zeros_like(query)
    keys, values = key_value(torch.stack(list(seen))).chunk(2, -1)
    return (keys @ query / math.sqrt(len(query))).softmax(0) @ values


def layer(block, x, seen):
    """A block in which only the query is normalised; it is also the residual."""
    query = block.attention_norm(x)
    x = block.forward_norm(query + attend(block.query(query), block.key_value, seen))
    return x + block.outer(block.inner(x).relu())


def joined(join, *parts):
    return join.linear(join.norm(torch.cat(parts)))


def state(model, user, target, source):
    """The state after the target items and the visible source items, both numbered over the scenario."""
    scale, table, position = math.sqrt(model.settings.dim), model.items.weight, model.positions.weight
    plain = {"target": scale * table[target], "source": scale * table[source]}
    placed = {name: x + position[: len(x)] for name, x in plain.items()}
    own = list(placed["target"])
    for block in model.target:
        own = [layer(block, x, own[: i + 1]) for i, x in enumerate(own)]
    local = placed["target"][-1]
    for block in model.local:
        local = layer(block, local, placed["source"])
    user, overall = scale * model.users.weight[user], []
    for name, seen in plain.items():
        overall.append(attend(model.queries[name](model.user_norms[name](user)), model.key_values[name], seen))
    overall = joined(model.join_user, *overall)
    return model.norm(joined(model.join, own[-1], local, overall))


@pytest.mark.parametrize("length", [20, 3])
def test_states_are_the_equations_of_what_a_step_may_see(world, events, length):
    """From the events' timestamps: target events before the positive, source events of an earlier day."""
    model, inputs = build(world, "tjapl")
    model.double().eval()
    windows = evaluation_windows(inputs.history, "test", length)
    found = model.states(None, next(Batches(windows, 64, CPU).ordered()))
    expected, unseen = [], 0
    for user, own in events.sort("user", "timestamp", "item").group_by("user", maintain_order=True):
        target, source = (own.filter(pl.col("domain") == domain) for domain in ("book", "movie"))
        shown = source.filter(pl.col("timestamp") < target["timestamp"][-1]).tail(length)
        first = max(0, len(target) - 1 - length)
        for place in range(first, len(target) - 1):
            visible = shown.filter(pl.col("timestamp") < target["timestamp"][place + 1])["item"].to_list()
            expected.append(state(model, user[0], target["item"].to_list()[first : place + 1], visible))
            unseen += not visible
    assert 5 < unseen < len(expected) / 2
    torch.testing.assert_close(found, torch.stack(expected), rtol=0, atol=1e-10)


def test_the_first_of_many_source_events_is_no_more_visible_than_others(world):
    """Steps before the first event of a full source window used to see that event."""
    model, inputs = build(world, "tjapl")
    model.eval()
    windows = evaluation_windows(inputs.history, "test", 20)
    batch = next(Batches(windows, 64, CPU).ordered())
    other = windows.source.__class__((windows.source.values + 1) % 25, windows.source.offsets)
    changed = next(Batches(windows.__class__(**vars(windows) | {"source": other}), 64, CPU).ordered())
    same = (model.states(None, batch) == model.states(None, changed)).all(1)
    assert torch.equal(same, batch.source_visible == 0)


def test_one_table_holds_and_scores_the_items_and_its_norm_is_in_the_loss(world):
    model, inputs = build(world, "tjapl", l2=0.1)
    history = inputs.history
    assert model.items.weight.shape == (len(history.source_items) + len(history.target_items), 16)
    first = history.target_items.start
    assert model.item_vectors(None).data_ptr() == model.items.weight[first].data_ptr()
    assert len(model.item_vectors(None)) == len(history.target_items)
    loss = model.auxiliary_loss(None, None)
    assert loss.item() == pytest.approx(0.1 * np.sqrt((model.items.weight.detach().numpy() ** 2).sum()), rel=1e-5)
    assert build(world, "tjapl", l2=0.0)[0].auxiliary_loss(None, None) == 0.0


def test_in_training_all_that_the_user_attends_with_and_to_is_dropped_out_each_by_itself(world):
    model, inputs = build(world, "tjapl", dropout=0.5, dim=64)
    given = {}
    for part in ("user_norms", "key_values"):
        for name, module in getattr(model, part).items():
            module.register_forward_pre_hook(lambda _, args, key=(part, name): given.update({key: args[0].detach()}))
    model.states(None, next(Batches(training_windows(inputs.history, 20), 64, CPU).ordered()))
    assert [(x == 0).float().mean().item() for x in given.values()] == pytest.approx([0.5] * 4, abs=0.05)
    target, source = (given["user_norms", name] != 0 for name in ("target", "source"))
    assert 0.2 < (target & source).float().mean() < 0.3  # independent draws for the same users


def test_states_are_the_user_s_own(world):
    """The same events with another user number give another state, through the overall preference."""
    model, inputs = build(world, "tjapl")
    model.eval()
    windows = make_windows(inputs.history, inputs.history.test[:1], np.array([0]), 20)
    batches = [windows, windows.__class__(**vars(windows) | {"users": np.array([1])})]
    one, other = (model.states(None, next(Batches(w, 4, CPU).ordered())) for w in batches)
    assert (one[0] - other[0]).abs().max() < 1e-6  # one item to attend to, whatever the query (and no source event yet)
    assert (one[1:] - other[1:]).abs().max() > 1e-3

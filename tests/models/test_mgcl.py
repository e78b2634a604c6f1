"""MGCL against dense mathematics in loops: every training step depends only on its past."""

import math
from types import SimpleNamespace

import polars as pl
import pytest
import torch
from direction_world import DAY, build, make_world, random_events

from semacdr.batching.batches import Batches
from semacdr.batching.windows import training_windows
from semacdr.models.layers import propagate
from semacdr.models.mgcl import contrast
from semacdr.models.sparse import bipartite

LENGTH = 6  # shorter than many histories, so that windows begin within them
CPU = torch.device("cpu")
CLOSE = {"rtol": 1e-4, "atol": 1e-5}  # the edges of the graph have single precision


def dense_graph(history):
    """D^-1/2 A D^-1/2, edge by edge."""
    items = len(history.source_items) + len(history.target_items)
    graph = torch.zeros(items + history.users, items + history.users, dtype=torch.float64)
    for user in range(history.users):
        for event in range(history.start[user], history.valid[user]):  # validation and test events give no edges
            graph[items + user, history.item[event]] = graph[history.item[event], items + user] = 1
    degree = graph.sum(1)
    for a, b in graph.nonzero().tolist():
        graph[a, b] = 1 / math.sqrt(degree[a] * degree[b])
    return graph


def static_items(model, history, layers):
    nodes = [torch.cat([model.items.weight, model.users.weight])]
    for _ in range(layers):
        nodes.append(dense_graph(history) @ nodes[-1])
    return (sum(nodes) / len(nodes))[: len(model.items.weight)]


def layer_norm(module, x):
    centred = x - x.mean(-1, keepdim=True)
    return centred / (centred.square().mean(-1, keepdim=True) + 1e-8).sqrt() * module.weight + module.bias


def linear(module, x):
    return x @ module.weight.T + module.bias


def dynamic_nodes(cell, h):
    """SR-GNN with matrices of the directed edges from each event to the next, each row divided by its degree."""
    follows = torch.zeros(len(h), len(h), dtype=torch.float64)
    for i in range(len(h) - 1):
        follows[i, i + 1] = 1
    before, after = (a / a.sum(1, keepdim=True).clamp(min=1) for a in (follows.T, follows))
    a_in = before @ linear(cell.before, h) + cell.before_bias
    a_out = after @ linear(cell.after, h) + cell.after_bias
    weight = torch.cat([cell.from_before.weight, cell.from_after.weight], 1)
    gi = torch.cat([a_in, a_out], 1) @ weight.T + cell.from_before.bias
    (gi_r, gi_z, gi_n), (gh_r, gh_z, gh_n) = gi.chunk(3, 1), linear(cell.from_own, h).chunk(3, 1)
    z, new = torch.sigmoid(gi_z + gh_z), torch.tanh(gi_n + torch.sigmoid(gi_r + gh_r) * gh_n)
    return h - z * (h - new)


def enter(model, static, domain, items):
    """x = LN(w_1 G + w_2 N) sqrt(d) + P of a sequence, and N."""
    g, n = static[items], dynamic_nodes(model.cells[domain], model.items.weight[items])
    w = torch.cat([g, n], 1) @ model.gates[domain].weight.T + model.gates[domain].bias
    w = w.exp() / w.exp().sum(1, keepdim=True)
    mixed = layer_norm(model.norms[domain], w[:, :1] * g + w[:, 1:] * n)
    return mixed * math.sqrt(g.shape[1]) + model.positions.weight[: len(items)], n


def block(module, x, keys, mask):
    query = layer_norm(module.attention_norm, x)
    key, value = linear(module.key_value, keys).chunk(2, 1)
    scores = linear(module.query, query) @ key.T / math.sqrt(x.shape[1])
    x = query + scores.masked_fill(~mask, -math.inf).softmax(1) @ value
    x = layer_norm(module.forward_norm, x)
    return x + linear(module.outer, linear(module.inner, x).relu())


def published(model, static, target, source):
    """(U^t, U^s', h) at the last step of sequences that end before its positive."""
    x = enter(model, static, "target", target)[0]
    for module in model.blocks:
        x = block(module, x, x, torch.ones(len(x), len(x), dtype=torch.bool).tril())
    keys = enter(model, static, "source", source)[0] if source else torch.zeros(1, x.shape[1], dtype=torch.float64)
    crossed = keys[-1:]
    for module in model.cross_blocks:
        crossed = block(module, crossed, keys, torch.ones(1, len(keys), dtype=torch.bool))
    own, other = x[-1], linear(model.project, crossed)[0]
    fused = linear(model.fuse, layer_norm(model.fuse_norm, torch.cat([own, other])))
    return own, other, layer_norm(model.state_norm, fused)


def pasts(history):
    """The windows of both domains of each training user, and the part of them that each step may see."""
    for user in range(history.users):
        events = range(history.start[user], history.valid[user])
        target = [e for e in events if history.is_target[e]]
        if len(target) < 2:
            continue
        window = target[:-1][-LENGTH:]
        source = [e for e in events if e < target[-1] and not history.is_target[e]][-LENGTH:]
        positives = target[target.index(window[0]) + 1 :]
        steps = [(window[: k + 1], [e for e in source if e < p]) for k, p in enumerate(positives)]
        yield SimpleNamespace(target=window, source=source, steps=steps)


def random_model(world, **settings):
    """A model in double precision in which every parameter matters, its inputs and a batch of all training windows."""
    model, inputs = build(world, "mgcl", **settings)
    model.double()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(0.3 * torch.randn_like(parameter))
    return model, inputs.history, next(Batches(training_windows(inputs.history, LENGTH), 64, CPU).ordered())


@pytest.mark.parametrize("settings", [{}, {"layers": 3, "blocks": 1}, {"layers": 2}], ids=str)
def test_each_step_of_training_is_the_published_model_on_what_precedes_its_positive(world, settings):
    """A step does not see the edge to its positive. Before any source event it sees no last one and no padding."""
    model, history, batch = random_model(world, **settings)
    static = static_items(model, history, settings.get("layers", 1))
    torch.testing.assert_close(model.prepare(), static)
    steps = [step for past in pasts(history) for step in past.steps]
    assert any(not source for _, source in steps) and max(len(target) for target, _ in steps) == LENGTH
    items = [[[int(history.item[e]) for e in part] for part in step] for step in steps]
    expected = torch.stack([published(model, static, *step)[2] for step in items])
    torch.testing.assert_close(model.states(model.prepare(), batch), expected, **CLOSE)
    model.eval()  # W_g is applied when ranking too
    torch.testing.assert_close(model.states(model.prepare(), batch), expected, **CLOSE)


def test_the_global_graph_joins_users_to_the_training_items_of_both_domains(world):
    history = world.model_inputs("mgcl").history
    graph, expected = bipartite(history), dense_graph(history)
    torch.testing.assert_close(graph.to_dense().double(), expected)
    assert all((expected[domain.start : domain.stop] > 0).any(1).all() for domain in _seen(history))
    x = torch.randn(len(expected), 3)
    torch.testing.assert_close(propagate(graph, x), expected.float() @ x)


def _seen(history):
    """Both domains' items, as every one of them has a training event in this world."""
    assert set(history.item[history.training()]) == {*history.source_items, *history.target_items}
    return history.source_items, history.target_items


def by_hand(a, b, order):
    """The sum of -log sigma(<a, b>) - log(1 - sigma(<a, b~>))."""
    total = 0.0
    for i, j in enumerate(order.tolist()):
        same, other = torch.sigmoid(a[i] @ b[i]), torch.sigmoid(a[i] @ b[j])
        total = total - torch.log(same) - torch.log(1 - other)
    return total


def test_the_auxiliary_loss_by_hand(world):
    """alpha C_1 + beta C_2 + gamma C_3 over all slots of the batch, and the norm of the item table, not squared."""
    settings = {"preference_weight": 0.3, "target_weight": 0.2, "source_weight": 0.7, "norm_weight": 0.01}
    model, history, batch = random_model(world, **settings)
    static, expected, rows = static_items(model, history, 1), 0.0, list(pasts(history))
    item_of = {part: [[int(history.item[e]) for e in getattr(row, part)] for row in rows] for part in model.ranges}
    views = []
    for row in rows:
        for target, source in row.steps:
            views.append(published(model, static, *([int(history.item[e]) for e in part] for part in (target, source))))
    pairs = [(0.3, *(torch.stack([view[place] for view in views]) for place in (0, 1)))]
    for domain, weight in (("target", 0.2), ("source", 0.7)):
        g = torch.cat([static[items] for items in item_of[domain]])
        n = torch.cat([enter(model, static, domain, items)[1] for items in item_of[domain] if items])
        pairs.append((weight, linear(model.static, g), linear(model.dynamic[domain], n)))
    torch.manual_seed(5)
    for weight, a, b in pairs:
        expected = expected + weight * by_hand(a, b, torch.randperm(len(b)))
    expected = expected / (len(rows) * 20) + 0.01 * model.items.weight.square().sum().sqrt()  # build: 20 slots a row
    torch.manual_seed(5)
    torch.testing.assert_close(model.auxiliary_loss(model.prepare(), batch), expected)
    torch.manual_seed(5)
    states, auxiliary = model.states_and_auxiliary_loss(model.prepare(), batch)
    torch.testing.assert_close(auxiliary, expected)
    torch.testing.assert_close(states, torch.stack([view[2] for view in views]), **CLOSE)


def test_contrast_pulls_pairs_together_and_falls_with_it():
    torch.manual_seed(0)
    a, b = torch.randn(50, 4), torch.randn(50, 4)
    assert contrast(3 * a, 3 * a) < contrast(3 * a, 3 * b)
    zeros = torch.zeros(50, 4)
    assert contrast(a, zeros).item() == pytest.approx(50 * 2 * math.log(2))  # padding would add this
    assert contrast(zeros[:0], zeros[:0]) == 0


def test_a_batch_without_any_source_event(tmp_path):
    """If no user has a source event before the target ones, everything is finite and the source contrast is zero."""
    years = pl.when(pl.col("domain") == "movie").then(1000 * DAY).otherwise(0)
    events = random_events(users=8).with_columns(pl.col("timestamp") + years)
    model, inputs = build(make_world(tmp_path, events), "mgcl")
    batch = next(Batches(training_windows(inputs.history, LENGTH), 64, CPU).ordered())
    assert len(batch.source.items) == 0
    states, auxiliary = model.states_and_auxiliary_loss(model.prepare(), batch)
    (states.sum() + auxiliary).backward()
    assert torch.isfinite(states).all() and torch.isfinite(auxiliary)
    assert all(torch.isfinite(p.grad).all() for p in model.parameters() if p.grad is not None)

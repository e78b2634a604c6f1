"""CD-SASRec: the aggregate of each step, recomputed from the events and their timestamps by plain loops."""

from itertools import pairwise

import polars as pl
import pytest
import torch
from direction_world import build

from semacdr.batching.batches import Batches
from semacdr.batching.windows import training_windows

CPU = torch.device("cpu")


def batch_of(inputs, max_length=20, visibility="causal"):
    return next(Batches(training_windows(inputs.history, max_length, visibility), 64, CPU).ordered())


def steps_of(events, inputs, max_length=20):
    """The target item and the visible source items of each training step, in the batch's order, from timestamps."""
    target, source = inputs.history.target_items.start, inputs.history.source_items.start
    for user in range(inputs.history.users):
        own = events.filter(pl.col("user") == user).sort("timestamp", "item")
        books, movies = (own.filter(pl.col("domain") == domain).rows(named=True) for domain in ("book", "movie"))
        books = books[:-2]
        if len(books) < 2:
            continue
        window = [movie for movie in movies if movie["timestamp"] < books[-1]["timestamp"]][-max_length:]
        for now, following in list(pairwise(books))[-max_length:]:
            visible = [movie["item"] - source for movie in window if movie["timestamp"] < following["timestamp"]]
            yield now["item"] - target, visible


def inputs_of(model, batch):
    """The encoder's input and its output states."""
    given = []
    hook = model.encoder.register_forward_pre_hook(lambda _, arguments: given.append(arguments[0]))
    states = model.states(None, batch)
    hook.remove()
    return given[0], states


@pytest.mark.parametrize("fuse", ["concat", "add"])
@pytest.mark.parametrize("aggregate", ["mean", "attention"])
@pytest.mark.parametrize("max_length", [20, 4])
def test_each_step_carries_the_aggregate_of_what_its_user_did_before(world, events, aggregate, fuse, max_length):
    model, inputs = build(world, "cd_sasrec", aggregate=aggregate, fuse=fuse)
    model.eval()
    batch = batch_of(inputs, max_length)
    found, states = inputs_of(model, batch)
    expected, blind = [], 0
    for item, visible in steps_of(events, inputs, max_length):
        own, vectors = model.items.weight[item], model.source_items.weight[visible]
        source = torch.zeros(16)
        if visible and aggregate == "mean":
            source = sum(vectors) / len(visible)
        elif visible:
            query = model.query.weight @ own + model.query.bias
            weights = torch.stack([query @ vector / 4 for vector in vectors]).softmax(0)
            source = sum(weight * vector for weight, vector in zip(weights, vectors, strict=True))
        blind += not visible
        joined = own + source
        expected.append(joined if fuse == "add" else model.join.weight @ torch.cat([own, source]))
    assert 0 < blind < len(expected)  # steps that see nothing are among them
    torch.testing.assert_close(found, torch.stack(expected), rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(states, model.encoder(found, batch.target))


def test_visibility_all_gives_every_step_the_mean_of_the_whole_history(world, events):
    """The leak of the literal reading, which can be measured."""
    model, inputs = build(world, "cd_sasrec")
    batch = batch_of(inputs, visibility="all")
    found = inputs_of(model, batch)[0] - model.items.weight[batch.target.items.long()]
    for row, user in enumerate(batch.users.tolist()):
        movies = events.filter((pl.col("user") == user) & (pl.col("domain") == "movie"))["item"].to_list()
        whole = model.source_items.weight[torch.tensor(movies) - inputs.history.source_items.start].mean(0)
        own = found[batch.target.row == row]
        torch.testing.assert_close(own, whole.expand_as(own), rtol=1e-4, atol=1e-5)


def test_own_source_vectors_learn_from_the_source_alone(world):
    model, inputs = build(world, "cd_sasrec", source_vectors="own")
    batch = batch_of(inputs)
    model.states(None, batch).square().sum().backward()
    assert model.source_items.weight.grad is None and model.items.weight.grad is not None
    model.zero_grad()
    torch.manual_seed(5)
    loss = model.auxiliary_loss(None, batch)
    loss.backward()
    assert model.items.weight.grad is None and model.source_items.weight.grad.abs().sum() > 0
    torch.manual_seed(5)
    negatives = torch.randint(25, (len(batch.source.items) - 1,))
    states, table = (
        model.source_encoder(model.source_items(batch.source.items), batch.source),
        model.source_items.weight,
    )
    losses = []
    for step, (item, row) in enumerate(zip(batch.source.items.tolist(), batch.source.row.tolist(), strict=True)):
        if step and batch.source.row[step - 1] == row:
            score, other = states[step - 1] @ table[item], states[step - 1] @ table[negatives[step - 1]]
            losses.append(-score.sigmoid().log() - (1 - other.sigmoid()).log())
    assert loss.item() == pytest.approx(torch.stack(losses).mean().item(), rel=1e-4)

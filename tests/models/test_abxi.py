"""ABXI and the three threads against a naive computation for one user at a time, and the steps of the source domain."""

import pytest
import torch
import torch.nn.functional as F
from direction_world import build

from semacdr.batching.batches import Batches
from semacdr.batching.windows import training_windows
from semacdr.models.source_steps import source_steps

CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def batch(inputs):
    return next(Batches(training_windows(inputs.history, 20), 64, CPU).ordered())


@pytest.fixture(scope="module")
def inputs(world):
    return world.model_inputs("semacdr")


def rows(sequence):
    """By row, the places of its tokens in the packed sequence."""
    return [torch.nonzero(sequence.row == row)[:, 0].tolist() for row in range(len(sequence.lengths))]


def histories(inputs, batch):
    """By row of the batch, the user's events (item, is target) in the window: all before the last training positive."""
    history = inputs.history
    for user in batch.users.tolist():
        begin, end = history.start[user], history.training_end[user]
        own = list(zip(history.item[begin:end], history.is_target[begin:end], strict=True))
        while not own[-1][1]:
            own.pop()
        yield own[:-1][-20:], own[-1]


def test_source_steps_are_the_source_events_of_the_window_with_an_event_before(inputs, batch):
    steps, checked = source_steps(batch), 0
    mixed_rows, source_rows = rows(batch.mixed), rows(batch.source)
    for row, (own, _) in enumerate(histories(inputs, batch)):
        places = [place for place, (_, target) in enumerate(own) if not target]
        tokens = source_rows[row][-len(places) :] if places else []
        for place, token in zip(places, tokens, strict=True):
            assert batch.source.items[token] + inputs.history.source_items.start == own[place][0]
            assert steps.counted[token] == (place > 0)
            if place:
                assert steps.mixed_before[token] == mixed_rows[row][place - 1]
                checked += 1
            first = token == source_rows[row][0]
            assert steps.source_before[token] == (0 if first else token)  # the token before, plus 1
    assert steps.counted.sum() == checked > 100


def naive_abxi(model, name, items):
    """(n, d) states of a sequence of items, one row, without packing: two heads of width d / 2."""
    x = model.items.weight[items] + model.positions.weight[: len(items)]
    query, key, value = model.joint(x).chunk(3, -1)
    heads = (part.view(len(items), 2, -1).transpose(0, 1)[None] for part in (query, key, value))
    attended = F.scaled_dot_product_attention(*heads, is_causal=True)[0].transpose(0, 1).flatten(1)
    x = model.attention_norm(x + model.attention_out(attended))
    into, second = model.adapters[name]
    low_rank = x @ into.weight.T @ second.weight.T
    gate, up = (x @ model.forward_part.into.weight.T).chunk(2, -1)
    return model.forward_norm(x + (F.silu(gate) * up) @ model.forward_part.out.weight.T + low_rank)


def test_abxi_is_the_sum_of_invariant_and_own_output_over_the_temperature(world, batch):
    model, inputs = build(world, "abxi", dim=16, temperature=0.5)
    model.double().eval()
    found, target = model.states(None, batch), inputs.history.target_items
    for row, (tokens, (own, _)) in enumerate(zip(rows(batch.target), histories(inputs, batch), strict=True)):
        mixed = naive_abxi(model, "mixed", torch.tensor([item for item, _ in own]))
        alone = naive_abxi(model, "target", batch.target.items[tokens].long() + target.start)
        for step, token in enumerate(tokens):
            last = int(batch.mixed_last[token]) - 1 - rows(batch.mixed)[row][0]
            after = mixed[last] if last >= 0 else torch.zeros(16).double()
            invariant = model.invariant(after) + model.invariant_adapters["target"](after)
            wanted = model.norms["target_mixed"](after + invariant)
            wanted = wanted + model.norms["target_own"](alone[step] + model.own["target"](alone[step]))
            torch.testing.assert_close(found[token], wanted / 0.5)
        if row == 5:
            break


def test_abxi_learns_the_source_from_the_states_before_each_source_event(world, batch):
    model, inputs = build(world, "abxi", dim=16, dropout=0.0)
    model.double().train()
    steps, losses = source_steps(batch), []
    source, mixed_of = inputs.history.source_items, rows(batch.mixed)
    for row, (tokens, (own, _)) in enumerate(zip(rows(batch.source), histories(inputs, batch), strict=True)):
        counted = [token for token in tokens if steps.counted[token]]
        if not counted:
            continue
        mixed = naive_abxi(model, "mixed", torch.tensor([item for item, _ in own]))
        alone = naive_abxi(model, "source", batch.source.items[tokens].long() + source.start)
        for token in counted:
            before = mixed[int(steps.mixed_before[token]) - mixed_of[row][0]]
            place = tokens.index(token)
            last = alone[place - 1] if place else torch.zeros(16).double()
            scores = model._output("source", before, last) / 0.75 @ model.items.weight[source.start : source.stop].T
            losses.append(F.cross_entropy(scores, batch.source.items[token].long()))
    torch.testing.assert_close(model.auxiliary_loss(None, batch), torch.stack(losses).mean())


def test_the_three_threads_add_the_scores_of_the_mixed_and_the_target_thread(world, batch):
    model, inputs = build(world, "tri_thread", dim=16)
    model.double().eval()
    target = inputs.history.target_items
    prepared = model.prepare()
    scores = model.scores(prepared, batch)
    adapted = model.adapter(inputs.text.double())
    torch.testing.assert_close(prepared[:, :16], adapted)
    with torch.no_grad():
        model.items.weight.zero_()
    of_mixed = model.scores(model.prepare(), batch)
    states = model.encoders["mixed"](adapted[batch.mixed.items.long()], batch.mixed)
    last = batch.mixed_last[batch.last.long()].long() - 1
    wanted = states[last] @ adapted[target.start : target.stop].T
    torch.testing.assert_close(of_mixed[last >= 0], wanted[last >= 0])
    own = build(world, "sasrec", dim=16)[0].double().eval()
    fresh, _ = build(world, "tri_thread", dim=16)
    fresh.double().eval()
    own.encoder.load_state_dict(fresh.encoders["target"].state_dict())
    with torch.no_grad():
        own.items.weight.copy_(fresh.items.weight[target.start : target.stop])
    torch.testing.assert_close(scores - of_mixed, own.scores(own.prepare(), batch))


def test_the_source_loss_of_the_three_threads_reaches_the_adapter_and_a_zero_weight_has_none(world, batch):
    model, _ = build(world, "tri_thread", contrastive_weight=0.0, dropout=0.0)
    model.train().auxiliary_loss(model.prepare(), batch).backward()
    assert model.adapter[0].weight.grad.abs().sum() > 0 and model.encoders["source"].norm.weight.grad.abs().sum() > 0
    model, _ = build(world, "tri_thread", contrastive_weight=0.0, source_weight=0.0)
    assert model.train().auxiliary_loss(model.prepare(), batch) == 0

"""SASRec on the merged history, and its loss over both domains, against sums event by event."""

import numpy as np
import pytest
import torch
from direction_world import build

from semacdr.batching.batches import Batches
from semacdr.batching.windows import training_windows
from semacdr.errors import UserError
from semacdr.models import load, required_inputs
from semacdr.training.settings import Training
from semacdr.training.trainer import Trainer

CPU = torch.device("cpu")
BOTH = {"history": "mixed", "loss_over": "both"}


def first_batch(inputs, max_length=20):
    return next(Batches(training_windows(inputs.history, max_length), 64, CPU).ordered())


def sequences(history, users):
    """Each user's training events of both domains, in order."""
    return [history.item[history.start[user] : history.valid[user]] for user in users]


@pytest.mark.parametrize("max_length", [20, 4])
def test_a_step_reads_the_merged_events_before_its_positive(world, max_length):
    """Each target step has the state of an encoder that read only the last events before the positive."""
    model, inputs = build(world, "sasrec", max_length=max_length, history="mixed")
    model.double().eval()
    history, batch, prepared = inputs.history, first_batch(inputs, max_length), model.prepare()
    found, step = model.states(prepared, batch), 0
    for user in batch.users.tolist():
        own = np.arange(history.start[user], history.valid[user])
        targets = own[history.is_target[own]]
        window = np.arange(max(own[0], targets[-1] - max_length), targets[-1])
        for positive in targets[1:][-max_length:]:
            seen = history.item[window[window < positive]]
            wanted = torch.zeros(16, dtype=torch.float64)
            if len(seen):
                wanted = encode_alone(model, prepared[torch.from_numpy(seen)])
            torch.testing.assert_close(found[step], wanted, rtol=0, atol=1e-9)
            assert batch.positives[step] == history.item[positive] - history.target_items.start
            step += 1
    assert step == len(found)


def encode_alone(model, vectors):
    """The last state (d,) of one sequence of vectors (n, d), with full attention under a triangular mask."""
    encoder, n = model.encoder, len(vectors)
    x = vectors * 4 + encoder.positions.weight[:n]  # sqrt(16)
    for block in encoder.blocks:
        query = block.attention_norm(x)
        key, value = block.key_value(x).chunk(2, -1)
        scores = block.query(query) @ key.T / 4
        scores = scores.masked_fill(torch.ones(n, n).triu(1).bool(), -torch.inf)
        x = block.forward_norm(query + scores.softmax(-1) @ value)
        x = x + block.outer(torch.relu(block.inner(x)))
    return encoder.norm(x)[-1]


def test_the_loss_over_both_is_the_sum_over_all_events_of_the_merged_sequence(world):
    """Each event but a user's first is ranked among all 55 items; the sum is divided by the target steps."""
    model, inputs = build(world, "sasrec", **BOTH)
    model.double().eval()
    batch, prepared = first_batch(inputs), model.prepare()
    trainer = Trainer(model, inputs.history, Training(loss="ce", max_length=20), 0, CPU)
    encoded = model.encoder(prepared[batch.mixed.items.long()], batch.mixed)
    total, steps, token = 0.0, 0, 0
    history = inputs.history
    for user in batch.users.tolist():
        own = history.item[history.start[user] : history.valid[user]]
        is_target = history.is_target[history.start[user] : history.valid[user]]
        end = np.flatnonzero(is_target)[-1] + 1  # up to the last training positive
        assert end <= 21, "no window cuts the sequence"
        steps += is_target[:end].sum() - 1
        for place in range(end - 1):
            total -= (prepared @ encoded[token]).log_softmax(0)[own[place + 1]]
            token += 1
    assert token == len(encoded)
    torch.testing.assert_close(trainer.loss(batch), total / steps)


def test_another_loss_ranks_target_steps_among_target_items_only(world):
    model, inputs = build(world, "sasrec", **BOTH)
    model.eval()
    batch, prepared = first_batch(inputs), model.prepare()
    assert len(model.loss_vectors(prepared)) == 55 and len(model.item_vectors(prepared)) == 30
    trainer = Trainer(model, inputs.history, Training(loss="sampled_softmax", max_length=20), 0, CPU)
    states, auxiliary = model.states_and_auxiliary_loss(prepared, batch)
    negatives = torch.arange(30)
    joint = trainer.loss(batch.__class__(**{**vars(batch), "negatives": negatives}))
    own = (states @ model.item_vectors(prepared).T).log_softmax(1).gather(1, batch.positives.long()[:, None])
    torch.testing.assert_close(joint - auxiliary, -own.mean())


def test_the_target_history_ignores_the_source_and_the_merged_one_does_not(world):
    """Exchange the source items of a batch."""
    for history, same in (("target", True), ("mixed", False)):
        model, inputs = build(world, "sasrec", history=history)
        model.eval()
        batch = first_batch(inputs)
        before = model.states(model.prepare(), batch)
        is_source = batch.mixed.items >= 30
        batch.mixed.items[is_source] = 30 + (batch.mixed.items[is_source] - 29) % 25
        assert torch.equal(before, model.states(model.prepare(), batch)) == same


def test_categories_are_semacdrs_agnostic_view(world):
    model, inputs = build(world, "sasrec", shared_categories=True)
    agnostic = model.categories()[1]
    assert agnostic.shape == (55, 16) and agnostic.abs().sum() > 0
    torch.testing.assert_close(model.prepare(), model.items.weight + agnostic[:30])
    assert inputs.text is None


def test_inputs_depend_on_the_settings():
    module = load("sasrec")
    needs = [required_inputs(module, module.Settings(**own)) for own in (
        {}, BOTH, {"text": "none"}, {"text": "init"}, {"shared_categories": True},
        {"text": "moe", "shared_categories": True})]  # fmt: skip
    assert needs == [(), (), (), ("embeddings",), ("agnostic",), ("embeddings", "agnostic")]


@pytest.mark.parametrize(
    ("own", "message"),
    [
        ({"loss_over": "both"}, "loss_over both needs history mixed"),
        ({"text": "null_space", "null_dim": 17}, "null_dim is 17, but there are only 16 directions"),
    ],
)
def test_settings_that_do_not_fit_together_are_refused(world, own, message):
    with pytest.raises(UserError, match=f"sasrec: {message}"):
        build(world, "sasrec", **own)

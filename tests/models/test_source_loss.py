"""SemaCDR's loss over source events, against the same sum event by event."""

import pytest
import torch
from direction_world import build

from semacdr.batching.batches import Batches
from semacdr.batching.windows import training_windows


def first_batch(inputs):
    return next(Batches(training_windows(inputs.history, 20), 64, torch.device("cpu")).ordered())


@pytest.mark.parametrize("cross_domain", [True, False])
def test_source_loss_is_the_mean_over_events_that_a_source_event_follows(world, cross_domain):
    model, inputs = build(world, "semacdr", source_weight=0.5, contrastive_weight=0.0, cross_domain=cross_domain)
    model.eval()
    batch, prepared, own = first_batch(inputs), model.prepare(), inputs.history.source_items
    mixed = model.encoders["mixed"](prepared.mixed[batch.mixed.items], batch.mixed)
    vectors = prepared.source if cross_domain else prepared.mixed[own.start : own.stop]
    losses = []
    for place in range(len(mixed) - 1):
        item = int(batch.mixed.items[place + 1])
        if batch.mixed.row[place] == batch.mixed.row[place + 1] and item in own:
            losses.append(-(vectors @ mixed[place]).log_softmax(0)[item - own.start])
    assert 0 < len(losses) < len(mixed) - batch.mixed.row[-1]  # target events follow, too
    torch.testing.assert_close(model.auxiliary_loss(prepared, batch), 0.5 * sum(losses) / len(losses))


def test_without_weight_there_is_no_source_loss(world):
    model, inputs = build(world, "semacdr", contrastive_weight=0.0)
    assert model.auxiliary_loss(model.prepare(), first_batch(inputs)) == 0

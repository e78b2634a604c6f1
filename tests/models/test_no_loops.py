"""No system loops over the places of a sequence in Python: the calls of a training step do not depend on length."""

import gc
import sys

import polars as pl
import pytest
import torch
from direction_world import DAY, LEARNED_FORMS, build, make_world

from semacdr.training.settings import Training
from semacdr.training.trainer import Trainer

SHORT, LONG = 8, 48  # events of every user in each domain


@pytest.fixture(scope="module")
def worlds(tmp_path_factory):
    """Two worlds that differ only in the length of histories; all users of a world have the same number of events."""

    def events(length):
        rows = [
            (user, first + (5 * user + place) % 60, domain, (2 * place + shift + user % 2) * DAY)
            for user in range(12)
            for domain, first, shift in (("book", 0, 0), ("movie", 60, 1))
            for place in range(length)
        ]
        return pl.DataFrame(rows, schema=["user", "item", "domain", "timestamp"], orient="row")

    return [make_world(tmp_path_factory.mktemp(str(n)), events(n), (60, 60)) for n in (SHORT, LONG)]


def calls(work):
    """How many functions, Python's and libraries', are called from Python while `work` runs."""
    count = 0

    def called(frame, event, argument):
        nonlocal count
        count += event in ("call", "c_call")

    gc.disable()  # test libraries call functions at each collection
    sys.setprofile(called)
    try:
        work()
    finally:
        sys.setprofile(None)
        gc.enable()
    return count


def calls_of_a_step(world, name, settings):
    """The calls of the loss and its gradients, and of pre-training if there is any."""
    model, inputs = build(world, name, max_length=LONG, dropout=0.2, **settings)
    trainer = Trainer(model, inputs.history, Training(max_length=LONG), 0, torch.device("cpu"))
    batch = next(trainer.shuffled())
    losses = [trainer.loss, *([model.pretraining_loss] if model.pretraining_epochs else [])]
    for loss in losses:
        loss(batch).backward()  # some objects are created at the first call
    return [calls(lambda loss=loss: loss(batch).backward()) for loss in losses]


@pytest.mark.parametrize(("name", "settings"), LEARNED_FORMS, ids=str)
def test_a_step_makes_the_same_number_of_calls_for_longer_histories(worlds, name, settings):
    short, long = (calls_of_a_step(world, name, settings) for world in worlds)
    assert short == long


def test_a_loop_would_be_seen():
    x = torch.ones(LONG, 2)
    loops = [calls(lambda n=n: [row.sum() for row in x[:n].split(1)]) for n in (SHORT, LONG)]
    assert loops[1] - loops[0] >= LONG - SHORT

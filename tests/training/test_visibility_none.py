"""Visibility `none`: every system learns and ranks as if no user had a source event."""

import numpy as np
import polars as pl
import pytest
import torch
from direction_world import DAY, FORMS, LEARNED, make_world
from hypothesis import given, settings
from safetensors.torch import load_file
from test_systems import with_source_event
from tiny_dataset import worlds

from semacdr.batching.windows import evaluation_windows, training_windows
from semacdr.errors import UserError
from semacdr.models import load
from semacdr.training.inputs import DirectionPaths
from semacdr.training.settings import Training
from semacdr.training.system import System
from semacdr.training.trainer import Trainer
from semacdr.training.visibility import without_source

CPU = torch.device("cpu")
MIXED = [("sasrec", {"history": "mixed"}), ("sasrec", {"history": "mixed", "loss_over": "both", "text": "project"})]
GRAPHS = [("semacdr", {"graph": "counted"}), ("semacdr", {"source_weight": 1.0, "cross_domain": False})]
QUICK = ("popularity", "sasrec", "semacdr")  # the others run only in CI
EVERY = [
    pytest.param(name, own, marks=() if name in QUICK else pytest.mark.slow, id=f"{name}-{own}")
    for name, own in [*FORMS, *MIXED, *GRAPHS]
]


def results(world, name, folder, own, *options):
    """The parameters' bytes by name, the lines of history.tsv, and the ranks."""
    trained = world.train(name, folder, *options, **own)
    ranks = world.rank(name, trained, folder / "ranks.parquet")
    state = {key: value.numpy().tobytes() for key, value in load_file(trained / "checkpoint.safetensors").items()}
    return state, (trained / "history.tsv").read_text(), ranks


@pytest.fixture(scope="module")
def unseen(events, tmp_path_factory):
    """The same tables, but all source events come after every target event: no split, graph or step sees one."""
    later = pl.when(pl.col("domain") == "movie").then(pl.col("timestamp") + 1000 * DAY).otherwise("timestamp")
    return make_world(tmp_path_factory.mktemp("unseen"), events.with_columns(timestamp=later))


@pytest.fixture(scope="module")
def inserted(events, tmp_path_factory):
    """The same tables with one more source event for several users, the first event of each."""
    more = events
    for user in range(0, 40, 3):
        more = with_source_event(more, user, 9_000 * DAY)
    return make_world(tmp_path_factory.mktemp("inserted"), more)


@pytest.mark.parametrize(("name", "own"), EVERY)
def test_it_equals_training_on_tables_whose_source_events_come_after_everything(world, unseen, name, own, tmp_path):
    state, history, ranks = results(world, name, tmp_path / "none", own, "--visibility", "none")
    state_without, history_without, ranks_without = results(unseen, name, tmp_path / "without", own)
    assert ranks.equals(ranks_without)
    assert history == history_without
    assert state == state_without


@pytest.mark.parametrize(("name", "own"), EVERY)
def test_more_source_events_change_no_byte(world, inserted, name, own, tmp_path):
    state, history, ranks = results(world, name, tmp_path / "a", own, "--visibility", "none")
    other_state, other_history, other_ranks = results(inserted, name, tmp_path / "b", own, "--visibility", "none")
    assert ranks.equals(other_ranks)
    assert (state, history) == (other_state, other_history)


def inputs_of(world, name, **own):
    """The inputs of a system under visibility none."""
    files = ("interactions", "items", "split", "embeddings", "agnostic")
    paths = DirectionPaths(
        *(world.folder / f"{file}.parquet" for file in files), world.folder / "graphs", world.folder / "personas"
    )
    system = System(name, load(name).Settings(**own), Training(visibility="none", max_length=20))
    return system, system.load_inputs(paths)


@pytest.mark.parametrize("kind", ["co_interaction", "counted"])
def test_graphs_are_those_of_tables_without_source_events(world, unseen, kind):
    graphs = inputs_of(world, "semacdr", graph=kind)[1].graphs
    wanted = unseen.model_inputs("semacdr", settings=load("semacdr").Settings(graph=kind)).graphs
    assert graphs.keys() == wanted.keys() == {"source", "target", "mixed"}
    for name, graph in graphs.items():
        for part in ("crow_indices", "col_indices", "values"):
            found, known = getattr(graph, part)(), getattr(wanted[name], part)()
            assert found.dtype == known.dtype and found.equal(known), (name, part)


def test_the_graph_of_the_mixed_sequence_is_refused(world):
    with pytest.raises(UserError, match="graph: sequence cannot be had with visibility: none"):
        inputs_of(world, "semacdr", graph="sequence")


@pytest.mark.parametrize("name", LEARNED)
def test_losses_over_source_events_are_finite(world, name):
    """A mean over no event is not NaN."""
    own = {"source_weight": 1.0} if hasattr(load(name).Settings(), "source_weight") else {}
    system, inputs = inputs_of(world, name, **own)
    model = system.build(inputs, 0)
    loss = "ce" if model.matches_by_inner_product else "bce"
    trainer = Trainer(model, inputs.history, Training(loss=loss, max_length=20), 0, torch.device("cpu"))
    for _ in range(2):
        assert np.isfinite(trainer.epoch())


@settings(max_examples=20, deadline=None)
@given(worlds())
def test_the_history_keeps_exactly_the_target_events(tmp_path_factory, world):
    whole = world.history(tmp_path_factory.mktemp("world"))
    history = without_source(whole)
    assert history.is_target.all() and history.users == whole.users
    for user in range(whole.users):
        own = slice(whole.start[user], whole.start[user + 1])
        kept = slice(history.start[user], history.start[user + 1])
        assert history.item[kept].tolist() == whole.item[own][whole.is_target[own]].tolist()
    for last in ("valid", "test"):
        (users, events), (of_whole, events_of_whole) = history.ranked(last), whole.ranked(last)
        assert users.tolist() == of_whole.tolist()
        assert history.item[events].tolist() == whole.item[events_of_whole].tolist()
    assert history.item[history.training()].tolist() == whole.item[whole.training() & whole.is_target].tolist()
    assert history.hidden is whole.hidden and history.meta is whole.meta


def test_windows_refuse_a_history_with_source_events(world):
    history = world.model_inputs("popularity").history
    with pytest.raises(ValueError, match="must have no source events"):
        training_windows(history, 20, "none")
    with pytest.raises(ValueError, match="must have no source events"):
        evaluation_windows(history, "test", 20, "none")
    assert not len(training_windows(without_source(history), 20, "none").source.values)

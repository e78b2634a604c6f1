"""Systems enhanced by SemaCDR's item semantics: what is added where, and that it is off by default."""

import json

import numpy as np
import pytest
import torch
from direction_world import ENHANCED, build

from semacdr import models
from semacdr.batching.batches import Batches
from semacdr.batching.windows import training_windows
from semacdr.errors import UserError
from semacdr.models.views import contrast

CPU = torch.device("cpu")
NAMES = [name for name, _ in ENHANCED]
ALONE = {"c2dsr": {"weight": 1.0}, "tri_cdr": {"coarse_weight": 0.0, "fine_weight": 0.0}}  # without own contrasts
OPTIONS = {"semantics": True, "semantic_weight": 0.7, "semantic_temperature": 0.4}


def batch_with(inputs, books, movies):
    """A training batch whose distinct items are the given ones; its books are the target's, 30 in number."""
    batch = next(Batches(training_windows(inputs.history, 20), 64, CPU, distinct=100).ordered())
    items = {"target_items": torch.tensor(books), "source_items": torch.tensor(movies)}
    return type(batch)(**vars(batch) | {name: value.long() for name, value in items.items()})


def own_vectors(name, model):
    """(items of the scenario, d): the identities of the items."""
    if name == "tri_cdr":
        return model.own.weight
    return torch.cat([model.tables["target"].weight, model.tables["source"].weight])


def test_tri_cdr_has_the_items_semanticss_in_both_tables(world):
    model, _ = build(world, "tri_cdr", **OPTIONS)
    prepared, semantics = model.prepare(), sum(model.semantic())
    for table, enhanced in ((model.own, prepared.own), (model.mixed, prepared.mixed)):
        torch.testing.assert_close(enhanced, table.weight + semantics)


@pytest.mark.parametrize("output", ["untied", "tied"])
def test_c2dsr_has_the_items_semanticss_in_all_three_tables_before_graph_and_sequence(world, output):
    model, _ = build(world, "c2dsr", **OPTIONS, output=output)
    model.eval()
    prepared, semantics = model.prepare(), sum(model.semantic())
    parts = {"target": semantics[:30], "source": semantics[30:], "mixed": semantics}
    enhanced = {name: model.tables[name].weight + part for name, part in parts.items()}
    for name, found in prepared.inputs.items():
        x, propagation = enhanced[name], model.propagations[name]
        expected = (x + propagation.adjacency.to_dense() @ x + propagation.biases[0]) / 2 + x
        torch.testing.assert_close(found, expected)
    for name, found in prepared.outputs.items():  # an untied softmax does not use item embeddings
        torch.testing.assert_close(found, model.heads[name].weight if output == "untied" else enhanced[name])


@pytest.mark.parametrize("name", NAMES)
def test_eq_3_aligns_the_views_of_the_batchs_items(world, name):
    model, inputs = build(world, name, **OPTIONS, **ALONE[name])
    prepared, (inner, agnostic) = model.prepare(), model.semantic()
    without = model.states_and_auxiliary_loss(prepared, batch_with(inputs, [], []))[1]
    books, movies = [3, 7, 29, 11], [0, 24, 9]
    found = model.states_and_auxiliary_loss(prepared, batch_with(inputs, books, movies))[1] - without
    expected = 0.0
    for items in (books, [30 + movie for movie in movies]):
        for view in (own_vectors(name, model), inner):
            expected += contrast(view[items], agnostic[items], 0.4)
    torch.testing.assert_close(found, 0.7 * expected, rtol=1e-4, atol=1e-5)
    assert {id(p) for p in model.semantic_parameters()} == {id(p) for p in model.semantic.parameters()}


def test_the_weight_of_eq_3_is_beside_the_published_loss(world):
    """C2DSR's other losses are divided by lambda, so that the target steps' loss needs no factor."""
    found = []
    for lambda_ in (0.5, 1.0):
        model, inputs = build(world, "c2dsr", **OPTIONS, weight=lambda_)
        prepared, losses = model.prepare(), []
        for items in ([1, 2, 3], []):
            torch.manual_seed(0)  # for infomax's corrupted items
            losses.append(model.states_and_auxiliary_loss(prepared, batch_with(inputs, items, items))[1])
        found.append((losses[0] - losses[1]).item() * lambda_ / model.semantic.loss(
            prepared.views, batch_with(inputs, [1, 2, 3], [1, 2, 3])).item())  # fmt: skip
    assert found == pytest.approx([1, 1], abs=1e-3)


@pytest.mark.parametrize("name", NAMES)
def test_only_the_enhanced_form_asks_for_semantics(world, tmp_path, name):
    module = models.load(name)
    assert models.required_inputs(module, module.Settings()) == ()
    assert models.required_inputs(module, module.Settings(semantics=True)) == ("agnostic", "embeddings")
    with pytest.raises(UserError, match="this model needs --agnostic"):
        world.train(name, tmp_path / "none", "--model-settings", json.dumps({"dim": 16, "semantics": True}))
    ranks = []
    for settings in ({}, {"semantics": True}):
        trained = world.train(name, tmp_path / f"with{len(settings)}", **settings)
        ranks.append(world.rank(name, trained, trained / "ranks.parquet")["rank"].to_numpy())
    assert not np.array_equal(*ranks)

"""Item vectors of a trained model: the nodes after the graphs."""

import polars as pl
import pytest
import torch

from semacdr.errors import UserError
from semacdr.models.base import Semantics
from semacdr.stages import vectors
from semacdr.stages._direction import trained_of
from semacdr.storage import tables
from semacdr.training.inputs import load_graph

LIGHT = '{"dim": 16, "convolution": "light", "self_information": "residual", "inner": false, "agnostic": false}'


def options(world, name, trained):
    return [*world.inputs(name), "--run", str(trained), "--output", str(trained / "vectors.parquet")]


@pytest.fixture(scope="module")
def light(world, tmp_path_factory):
    """A run whose spaces are X + A X of the identity's vectors X, and its vectors by space."""
    trained = world.train("semacdr", tmp_path_factory.mktemp("light"), "--model-settings", LIGHT, "--epochs", "1")
    vectors.main(options(world, "semacdr", trained))
    return trained, tables.read(trained / "vectors.parquet", "vectors")


def test_spaces_are_the_propagated_nodes_of_all_items_in_order(world, light):
    trained, (table, meta) = light
    frame = pl.from_arrow(table)
    assert meta["release"] == "test" and (meta["source"], meta["target"]) == ("movie", "book")
    assert (meta["model"], meta["seed"]) == ("semacdr", "3")
    model = trained_of(vectors.arguments(options(world, "semacdr", trained)), 1).model
    identity, users = model.identity.weight.detach(), model.user_identity.weight.detach()
    graphs = {name: load_graph(world.folder / f"graphs/{name}.parquet").to_dense().double() for name in
              ("source", "target", "mixed")}  # fmt: skip
    expected = {
        "domain_graphs": identity + torch.cat([graphs["target"] @ identity[:30], graphs["source"] @ identity[30:]]),
        "mixed_graph": identity + (graphs["mixed"] @ torch.cat([identity, users]))[:55],
    }
    for space, rows in expected.items():
        part = frame.filter(pl.col("space") == space)
        assert part["item"].to_list() == list(range(55))
        assert part["domain"].to_list() == ["book"] * 30 + ["movie"] * 25
        torch.testing.assert_close(torch.tensor(part["vector"].to_list()), rows.float(), rtol=0, atol=1e-6)


def test_without_a_source_sequence_there_is_the_mixed_graph_alone(world, tmp_path):
    trained = world.train(
        "semacdr", tmp_path, "--model-settings", '{"dim": 16, "cross_domain": false}', "--epochs", "1"
    )
    vectors.main(options(world, "semacdr", trained))
    assert set(tables.read(tmp_path / "vectors.parquet", "vectors")[0]["space"].to_pylist()) == {"mixed_graph"}


def test_a_system_of_one_domain_has_no_such_vectors(world, tmp_path):
    trained = world.train("sasrec", tmp_path, "--epochs", "1")
    with pytest.raises(UserError, match="sasrec has no vectors of source and target items in one space"):
        vectors.main(options(world, "sasrec", trained))


def test_the_first_categories():
    membership = torch.tensor([[0.0, 1.0, 1.0, 0.0, 0.0], [1.0, 0.0, 0.0, 0.5, 0.5]])
    first = Semantics((2, 3), membership).first(1)
    assert first.sizes == (2,) and torch.equal(first.membership, membership[:, :2])
    assert torch.equal(Semantics((2, 3), membership).first(2).membership, membership)
    for count in (0, 3):
        with pytest.raises(UserError, match=f"{count} categories are requested, but the taxonomy has 2"):
            Semantics((2, 3), membership).first(count)

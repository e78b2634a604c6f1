"""Personas as a model's input: what the tables say, and what is refused."""

import shutil

import numpy as np
import pyarrow as pa
import pytest
import torch
from direction_world import World

from semacdr.errors import UserError
from semacdr.storage import tables
from semacdr.training.inputs import DirectionPaths, load_inputs

CONTRACT = {"personas": "personas", "vectors": "persona_vectors", "communities": "communities"}


def load(world, visibility="causal", needs=("agnostic", "personas")):
    files = ("interactions", "items", "split", "embeddings", "agnostic")
    paths = DirectionPaths(*(world.folder / f"{name}.parquet" for name in files), personas=world.folder / "personas")
    return load_inputs(paths, needs, 20, visibility=visibility)


@pytest.fixture()
def own(world, tmp_path):
    """A copy of the world whose files a test may change."""
    shutil.copytree(world.folder, tmp_path / "own")
    return World(tmp_path / "own", world.items)


def change(world, name, edit, meta=None):
    path = world.folder / f"personas/{name}.parquet"
    table, found = tables.read(path, CONTRACT[name])
    tables.write(edit(table), path, CONTRACT[name], found | (meta or {}))


def replaced(name, edit):
    """Change a column of numbers."""
    return lambda table: table.set_column(
        table.column_names.index(name), name, pa.array(edit(table[name].to_numpy().copy()))
    )


def test_both_sides_are_the_rows_of_their_domain(world):
    inputs = load(world)
    table = tables.read(world.folder / "personas/personas.parquet", "personas")[0].to_pylist()
    vectors = tables.read(world.folder / "personas/vectors.parquet", "persona_vectors")[0]["vector"].to_pylist()
    for side, domain in ((inputs.personas.source, "movie"), (inputs.personas.target, "book")):
        rows = [(row, vector) for row, vector in zip(table, vectors, strict=True) if row["domain"] == domain]
        assert side.users.tolist() == [row["user"] for row, _ in rows]
        assert side.events.tolist() == [row["events"] for row, _ in rows]
        assert side.confidence.tolist() == [row["confidence"] for row, _ in rows]
        assert side.weights.tolist() == [row["weights"] for row, _ in rows]
        assert side.text.tolist() == [vector for _, vector in rows]
        assert (side.users.dtype, side.events.dtype) == (torch.int64, torch.int64)
    assert {"personas", "persona_vectors", "communities", "agnostic"} <= inputs.digests.keys()


def test_neighbours_are_places_among_source_personas(world):
    personas = load(world).personas
    rows = tables.read(world.folder / "personas/communities.parquet", "communities")[0].to_pylist()
    assert personas.neighbours.shape == personas.similarity.shape == (len(personas.target.users), 4)
    found = {
        (user, place + 1, int(personas.source.users[neighbour]), similarity)
        for user, near, similar in zip(
            personas.target.users.tolist(), personas.neighbours.tolist(), personas.similarity.tolist(), strict=True
        )
        for place, (neighbour, similarity) in enumerate(zip(near, similar, strict=True))
    }
    assert found == {tuple(row.values()) for row in rows}


def test_a_user_with_fewer_neighbours_has_none_in_the_last_places(own):
    change(own, "communities", lambda table: table.slice(2))  # user 0 keeps places 3 and 4
    change(own, "communities", replaced("place", lambda place: np.append([1, 2], place[2:]).astype(np.int32)))
    personas = load(own).personas
    assert (personas.neighbours[0, 2:] == -1).all() and (personas.similarity[0, 2:] == 0).all()
    assert (personas.neighbours[:, :2] >= 0).all() and (personas.neighbours[1:] >= 0).all()


def test_without_source_there_is_no_source_persona_and_no_community(world):
    personas, causal = load(world, "none").personas, load(world).personas
    assert len(personas.source.users) == 0 and personas.source.weights.shape == (0, 6)
    assert (personas.neighbours == -1).all() and (personas.similarity == 0).all()
    assert personas.target.text.equal(causal.target.text)


def test_no_community_at_all_is_one_empty_place(own):
    change(own, "communities", lambda table: table.slice(0, 0))
    personas = load(own).personas
    assert personas.neighbours.shape == (len(personas.target.users), 1) and (personas.neighbours == -1).all()


@pytest.mark.parametrize(
    ("name", "column", "edit", "why"),
    [
        (
            "communities",
            "neighbour",
            lambda x: np.append(x[1:], 99).astype(np.int32),
            "user 99 has no persona in the source",
        ),
        ("communities", "user", lambda x: x + np.int32(40), "user 40 has no persona in the target domain"),
        ("communities", "place", lambda x: x + np.int32(1), "the places of a user are not 1, 2"),
        ("communities", "similarity", lambda x: x * np.float32("nan"), "a similarity is not finite"),
    ],
)
def test_rows_that_do_not_fit_are_refused(own, name, column, edit, why):
    change(own, name, replaced(column, edit))
    with pytest.raises(UserError, match=why):
        load(own)


def chained(world):
    """Let each table be made from the one before it, as if its stage had run on what was changed."""
    found = {}
    for name, contract in CONTRACT.items():
        change(world, name, lambda table: table, found)
        found |= tables.made_from(**{contract: tables.read(world.folder / f"personas/{name}.parquet", contract)[1]})


def test_vectors_of_other_users_are_refused(own):
    change(own, "vectors", replaced("user", lambda x: x + np.int32(40)))
    chained(own)
    with pytest.raises(UserError, match=r"vectors\.parquet: its rows are not those of the personas"):
        load(own)


def test_a_user_in_his_own_community_is_refused(own):
    change(own, "communities", lambda t: replaced("neighbour", lambda _: t["user"].to_numpy().copy())(t))
    with pytest.raises(UserError, match=r"communities\.parquet: user 0 is in his own community"):
        load(own)


def test_domains_in_the_order_of_another_direction_are_refused(own):
    for name in ("personas", "vectors"):
        change(own, name, lambda table: table.take(np.arange(len(table))[::-1]))
    chained(own)
    with pytest.raises(UserError, match="its domains are not first 'movie', then 'book'"):
        load(own)


@pytest.mark.parametrize("name", CONTRACT)
@pytest.mark.parametrize(
    ("meta", "why"),
    [
        ({"source": "book", "target": "movie"}, "its source is 'book', but the split's is 'movie'"),
        ({"scenario": "other"}, "its scenario is 'other'"),
        ({"made_from_split": "0" * 16}, "was made from another split table"),
        ({"made_from_agnostic": "0" * 16}, "was made from another agnostic table"),
    ],
)
def test_a_table_of_other_data_is_refused(own, name, meta, why):
    change(own, name, lambda table: table, meta)
    with pytest.raises(UserError, match=rf"{name}\.parquet: {why}"):
        load(own)


def test_vectors_and_communities_of_other_personas_are_refused(own):
    change(own, "personas", replaced("confidence", lambda x: x / 2))
    with pytest.raises(
        UserError, match=r"vectors\.parquet: was made from another personas table.*run stage persona_vec"
    ):
        load(own)

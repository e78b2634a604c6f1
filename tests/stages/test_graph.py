"""The graphs of a direction: their edges, no history beyond training, and the adjacency as by numpy."""

import importlib.util
import logging
import sys
import tempfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from tiny_dataset import World, neighbours, read, worlds

from semacdr.errors import UserError
from semacdr.stages import graph
from semacdr.storage import tables

needs_dgl = pytest.mark.skipif(importlib.util.find_spec("dgl") is None, reason="dgl is not installed")
NAMES = ("source", "target", "mixed")
COUNTED = ("source_counted", "target_counted")
SEQUENCES = ("source_sequence", "target_sequence", "mixed_sequence")


def run(folder, world, *options):
    paths = world.write(folder)
    argv = [part for name, path in paths.items() for part in (f"--{name}", str(path))]
    graph.main([*argv, "--output", str(folder / "graphs"), *options])
    return folder / "graphs"


def adjacency(output, name):
    """The stored adjacency as a dense matrix."""
    path = output / f"{name}.parquet"
    frame, nodes = read(path, "adjacency"), int(tables.read(path, "adjacency")[1]["nodes"])
    assert frame.rows() == sorted(set(frame.rows()))
    dense = np.zeros((nodes, nodes))
    dense[frame["row"], frame["column"]] = frame["weight"]
    return dense


def loaded(path):
    """The stored adjacency as training loads it, as a dense matrix; the graph stage needs no torch, training does."""
    inputs = pytest.importorskip("semacdr.training.inputs", exc_type=ImportError)
    return inputs.load_graph(path).to_dense().numpy()


def pairs(dense):
    """The edges between two different nodes."""
    return {(int(row), int(column)) for row, column in np.argwhere(dense) if row != column}


def edges(matrix):
    """The edges of an adjacency in scipy.sparse: each once, and each of value 1 or more."""
    found = matrix.tocoo()
    assert (found.data >= 1).all()
    ends = list(zip(found.row.tolist(), found.col.tolist(), strict=True))
    assert len(ends) == len(set(ends))
    return set(ends)


def both_ways(*edges):
    return {*edges, *((b, a) for a, b in edges)}


def tiny():
    """User 0 trains on films 0, 1, 2 and books 0, 1; user 1 on film 2 and book 2."""
    films = [(0, "film", item, item) for item in range(5)]  # 3, on day 3, is the validation event
    films += [(1, "film", item, day) for item, day in ((2, 5), (4, 6), (5, 6))]  # film 4 of day 6 is
    books = [(0, "book", item, day) for item, day in ((0, 0), (1, 2), (3, 3), (4, 4))]
    return World([*films, *books, (1, "book", 2, 5), (1, "book", 5, 6)], books=7, films=6)


def test_edges_by_hand(tmp_path):
    output = run(tmp_path, tiny())
    assert pairs(adjacency(output, "source")) == both_ways((0, 1))
    assert pairs(adjacency(output, "target")) == both_ways((0, 1), (0, 2), (1, 2))
    user_0, user_1 = 13, 14  # after 7 books and 6 films
    films_and_books = [(user_0, 7), (user_0, 8), (user_0, 9), (user_0, 0), (user_0, 1), (user_1, 9), (user_1, 2)]
    assert pairs(adjacency(output, "mixed")) == both_ways(*films_and_books)


def test_sequence_edges_join_what_follows_each_other_in_a_user_s_own_order(tmp_path):
    output = run(tmp_path, tiny())
    assert pairs(adjacency(output, "source_sequence")) == both_ways((0, 1))
    assert pairs(adjacency(output, "target_sequence")) == both_ways((0, 1), (1, 2))  # 0 and 2 are two steps apart
    merged = [(7, 0), (0, 8), (8, 9), (9, 1), (9, 2)]  # by day, of one day the target event first
    assert pairs(adjacency(output, "mixed_sequence")) == both_ways(*merged)


def test_counted_edges_weigh_by_the_users_who_interacted_with_both(tmp_path):
    events = [(user, "film", item, day) for user in range(3) for day, item in enumerate((0, 1, 4, 5))]
    events += [(3, "film", item, day) for day, item in enumerate((0, 2, 4, 5))]
    events += [(user, "book", 0, 0) for user in range(4)]
    output = run(tmp_path, World(events, books=2, films=6))
    counts = np.eye(6)
    counts[0, 1] = counts[1, 0] = 3
    counts[0, 2] = counts[2, 0] = 1
    degree = counts.sum(1)
    expected = counts / np.sqrt(np.outer(degree, degree))
    np.testing.assert_allclose(adjacency(output, "target_counted"), expected, rtol=1e-6)
    assert pairs(adjacency(output, "target_counted")) == pairs(adjacency(output, "target"))


def test_items_without_an_edge_are_nodes(tmp_path):
    output = run(tmp_path, tiny())
    sizes = {"source": 7, "target": 6, "mixed": 7 + 6 + 2}
    for name, size in sizes.items():
        dense = adjacency(output, name)
        assert dense.shape == (size, size)
        alone = np.flatnonzero((dense > 0).sum(1) == 1)
        assert np.array_equal(dense[alone, alone], np.ones(len(alone)))
    assert set(np.flatnonzero((adjacency(output, "target") > 0).sum(1) == 1)) == {3, 4, 5}


def test_a_direction_without_any_source_event_in_training_has_an_empty_graph(tmp_path):
    world = World([(0, "film", item, item) for item in range(4)] + [(0, "book", 1, 9)])
    output = run(tmp_path, world)
    assert np.array_equal(adjacency(output, "source"), np.eye(8))
    assert loaded(output / "source.parquet").shape == (8, 8)


def test_only_the_last_events_of_a_long_history_join_items(tmp_path):
    films = [(0, "film", item, day) for day, item in enumerate((5, 4, 3, 2, 1, 0))]  # trains on 5, 4, 3, 2
    films += [(1, "film", item, 0) for item in (5, 6, 7)]  # trains on 5
    books = [(0, "book", item, item) for item in range(4)]
    output = run(tmp_path, World(films + books), "--max-history", "2")
    assert pairs(adjacency(output, "target")) == both_ways((3, 2))
    assert pairs(adjacency(output, "source")) == both_ways((2, 3))
    assert len(pairs(adjacency(output, "mixed"))) == 2 * (4 + 4 + 1)  # every event is an edge there
    longer = run(tmp_path, World(films + books), "--max-history", "3")
    assert pairs(adjacency(longer, "target")) == both_ways((3, 2), (4, 3), (4, 2))


@settings(deadline=None, max_examples=25)
@given(worlds())
def test_graphs_hold_what_training_may_see_and_nothing_else(world):
    with tempfile.TemporaryDirectory() as folder:
        history = world.history(Path(folder))
    if not history.training().any():  # all users are cold, and nobody has an earlier source event
        with pytest.raises(UserError, match=r"no user has an event before .* lower split\.cold_users"):
            next(graph.build(history, 100))
        return
    built = dict(graph.build(history, 100))
    for name, domain in (("source", world.source), ("target", world.target)):
        assert edges(built[name]) == neighbours(world, domain)
        assert built[name].shape == (world.sizes[domain],) * 2
        assert edges(built[f"{name}_counted"]) == neighbours(world, domain)
    offset = sum(world.sizes.values())
    events = {(offset + user, item) for user, seen in world.training().items() for _, _, item in seen}
    assert edges(built["mixed"]) == both_ways(*events)
    assert built["mixed"].shape == built["mixed_sequence"].shape == (offset + world.users,) * 2


@pytest.mark.parametrize("name", NAMES)
def test_the_adjacency_is_the_symmetric_normalisation(tmp_path, name):
    output = run(tmp_path, tiny())
    stored = adjacency(output, name)
    loops = (stored > 0).astype(float)
    assert np.array_equal(np.diag(loops), np.ones(len(loops)))
    scale = np.diag(loops.sum(1) ** -0.5)
    np.testing.assert_allclose(stored, scale @ loops @ scale, rtol=1e-6)
    assert np.array_equal(stored, stored.T)
    np.testing.assert_array_equal(loaded(output / f"{name}.parquet"), stored.astype(np.float32))


@needs_dgl
def test_the_dgl_graphs_reload_with_the_edges_of_the_adjacency(tmp_path):
    import dgl

    output = run(tmp_path, tiny())
    for name in NAMES:
        (stored,), _ = dgl.load_graphs(str(output / f"{name}.bin"))
        if name == "mixed":
            assert stored.canonical_etypes == [graph.ITEM_USER, graph.USER_ITEM]
            assert (stored.num_nodes("item"), stored.num_nodes("user")) == (13, 2)
            stored = dgl.to_homogeneous(stored)
        ends = list(zip(*(end.tolist() for end in stored.edges()), strict=True))
        assert len(ends) == len(set(ends))
        assert set(ends) == pairs(adjacency(output, name)) != set()
        assert stored.num_nodes() == len(adjacency(output, name))


@needs_dgl
@settings(deadline=None, max_examples=25)
@given(worlds())
def test_the_adjacency_has_the_edges_that_dgl_finds(world):
    import dgl
    import torch

    with tempfile.TemporaryDirectory() as folder:
        history = world.history(Path(folder))
    if not history.training().any():
        return
    built, user, training = dict(graph.build(history, 100)), history.user(), history.training()
    for name, is_target, items in (("source", False, history.source_items), ("target", True, history.target_items)):
        chosen = training & (history.is_target == is_target)
        ends = torch.from_numpy(user[chosen]), torch.from_numpy(history.item[chosen] - items.start)
        both = {graph.USER_ITEM: ends, graph.ITEM_USER: ends[::-1]}
        events = dgl.heterograph(both, num_nodes_dict={"user": history.users, "item": len(items)})
        found = dgl.remove_self_loop(dgl.metapath_reachable_graph(events, ["interacted", "interacts"]))
        assert edges(built[name]) == set(zip(*(end.tolist() for end in found.edges()), strict=True))


@needs_dgl
@pytest.mark.skipif(not Path("/dev/full").exists(), reason="this system has no /dev/full")
@pytest.mark.parametrize("name", ["source.parquet", "source.bin", "mixed.bin"])
def test_a_full_disk_is_one_line_with_the_file(tmp_path, name):
    """S10: DGL's traceback did not say what was wrong."""
    (tmp_path / "graphs").mkdir()
    (tmp_path / f"graphs/.new.{name}").symlink_to("/dev/full")
    with pytest.raises(UserError, match=f"graphs/{name}: cannot be written.*no space left on device") as caught:
        run(tmp_path, tiny())
    assert "\n" not in str(caught.value)


def test_graphs_of_another_split_are_refused(tmp_path):
    paths = tiny().write(tmp_path)
    table, meta = tables.read(paths["split"], "split")
    for name in ("interactions", "items"):
        tables.write(table, paths["split"], "split", meta | {f"made_from_{name}": "0" * 16})
        argv = [part for kind, path in paths.items() for part in (f"--{kind}", str(path))]
        with pytest.raises(UserError, match=rf"split\.parquet: was made from another {name} table .* run stage split"):
            graph.main([*argv, "--output", str(tmp_path / "graphs")])


def test_without_dgl_the_tables_are_the_same_and_the_log_says_what_is_left_out(tmp_path, monkeypatch, caplog):
    caplog.set_level(logging.INFO)
    output = run(tmp_path / "a", tiny())
    monkeypatch.setitem(sys.modules, "dgl", None)
    without = run(tmp_path / "b", tiny())
    assert "the DGL files are left out, as dgl cannot be imported" in caplog.text
    switched_off = run(tmp_path / "c", tiny(), "--no-dgl")
    names = {path.name for path in output.iterdir() if path.suffix == ".parquet"}
    for folder in (without, switched_off):
        assert {path.name for path in folder.iterdir()} == names
        for name in names:
            assert (folder / name).read_bytes() == (output / name).read_bytes(), name


def test_renumbering_the_users_changes_no_item_graph(tmp_path):
    events = [(user, domain, (3 * user + item) % 8, item) for user in range(5) for domain in ("book", "film")
              for item in range(3 + user % 3)]  # fmt: skip
    place = [3, 0, 4, 2, 1]
    one = run(tmp_path / "a", World(events))
    other = run(tmp_path / "b", World([(place[user], *event) for user, *event in events]))
    for name in ("source", "target"):
        read_both = [tables.read(folder / f"{name}.parquet", "adjacency") for folder in (one, other)]
        assert read_both[0][0].equals(read_both[1][0])
        assert read_both[0][1]["digest"] == read_both[1][1]["digest"]
    order = [*range(16), *(16 + place[user] for user in range(5))]
    assert np.array_equal(adjacency(one, "mixed"), adjacency(other, "mixed")[np.ix_(order, order)])


def test_the_same_input_gives_the_same_bytes(tmp_path):
    one, two = run(tmp_path / "a", tiny()), run(tmp_path / "b", tiny())
    for path in sorted(one.iterdir()):
        assert path.read_bytes() == (two / path.name).read_bytes(), path.name
    names = {f"{name}.parquet" for name in [*NAMES, *COUNTED, *SEQUENCES]}
    assert {path.name for path in one.iterdir() if path.suffix == ".parquet"} == names


def test_the_adjacency_says_what_it_is(tmp_path):
    _, meta = tables.read(run(tmp_path, tiny()) / "mixed.parquet", "adjacency")
    assert meta.pop("made_from_split") == tables.read(tmp_path / "split.parquet", "split")[1]["digest"]
    assert {key: value for key, value in meta.items() if key != "digest"} == {
        "release": "handmade",
        "scenario": "book_film",
        "source": "book",
        "target": "film",
        "nodes": "15",
        "norm": "D^-1/2 (A + I) D^-1/2",
    }
    assert loaded(run(tmp_path, tiny()) / "mixed.parquet").dtype == np.float32

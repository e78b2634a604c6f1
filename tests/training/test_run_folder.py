"""A run's files must belong to each other and to the data; otherwise an error says what differs."""

import json
import shutil

import numpy as np
import polars as pl
import pyarrow as pa
import pytest
from direction_world import META, make_world, random_events

from semacdr.errors import UserError
from semacdr.stages import rank, split
from semacdr.storage import tables
from semacdr.training import run_folder


@pytest.fixture(scope="module")
def trained(world, tmp_path_factory):
    """A run of SemaCDR on the world."""
    return world.train("semacdr", tmp_path_factory.mktemp("run") / "semacdr/seed3", "--epochs", "1")


@pytest.fixture
def run(trained, tmp_path):
    """A copy of the run that a test may change."""
    return shutil.copytree(trained, tmp_path / "run")


def changed(run, *path, value):
    """Write another value into settings.json."""
    content = json.loads((run / "settings.json").read_text())
    part = content
    for name in path[:-1]:
        part = part[name]
    part[path[-1]] = value
    (run / "settings.json").write_text(json.dumps(content))


def ranked(world, run, tmp_path):
    files = {"candidates": world.folder / "candidates.parquet", "run": run, "output": tmp_path / "ranks.parquet"}
    rank.main([*world.inputs("semacdr"), *(str(part) for key, file in files.items() for part in (f"--{key}", file))])


def test_what_is_written_is_what_is_read(world, trained, tmp_path):
    run = run_folder.read(trained)
    assert (run.system.name, run.system.training.epochs, run.system.settings.dim) == ("semacdr", 1, 16)
    content = json.loads((trained / "settings.json").read_text())
    assert {name: content[name] for name in ("release", "scenario", "source", "target", "model", "seed", "tuned")} == {
        "release": "test", "scenario": "small", "source": "movie", "target": "book", "model": "semacdr", "seed": 3,
        "tuned": None}  # fmt: skip
    assert "variant" not in content and content["training"]["deterministic"] is False
    assert content["data"] == {"users": 40, "source items": 25, "target items": 30}
    graphs = {f"{name}_graph" for name in ("source", "target", "mixed")}
    assert content["made_from"].keys() == graphs | {"interactions", "items", "split", "embeddings", "agnostic"}
    ranked(world, trained, tmp_path)
    meta = tables.read(tmp_path / "ranks.parquet", "ranks")[1]
    assert (meta["model"], meta["seed"], meta["run"], meta["source"]) == ("semacdr", "3", "semacdr/seed3", "movie")
    made_from = {name: meta[f"made_from_{name}"] for name in content["made_from"]}
    assert made_from == content["made_from"] and "made_from_candidates" in meta and "variant" not in meta


def test_what_tuning_chose_is_written_as_it_is_given(world, tmp_path):
    tuned = {"names": ["learning_rate"], "other_data": None}
    folder = world.train("popularity", tmp_path, "--tuned", json.dumps(tuned))
    assert json.loads((folder / "settings.json").read_text())["tuned"] == tuned


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (("settings", "norm"), "pre"), (("seed",), 4), (("source",), "book"), (("training", "max_length"), 10),
        (("model",), "sasrec"), (("training", "learning_rate"), 0.5),
    ],
)  # fmt: skip
def test_settings_that_the_checkpoint_was_not_trained_with_are_refused(world, run, tmp_path, path, value):
    changed(run, *path, value=value)
    if path == ("model",):
        changed(run, "settings", value={})
    with pytest.raises(UserError, match=r"settings\.json: these are not the settings that .*checkpoint"):
        ranked(world, run, tmp_path)


def test_the_checkpoint_of_another_run_is_refused(world, run, tmp_path):
    other = world.train("semacdr", tmp_path / "other", "--epochs", "1", "--seed", "4")
    shutil.copy(other / "checkpoint.safetensors", run)
    with pytest.raises(UserError, match=r"checkpoint\.safetensors: is not the checkpoint that .*settings\.json"):
        ranked(world, run, tmp_path)


def test_a_flipped_bit_of_the_checkpoint_is_found(world, run, tmp_path):
    content = bytearray((run / "checkpoint.safetensors").read_bytes())
    content[-3] ^= 1
    (run / "checkpoint.safetensors").write_bytes(content)
    with pytest.raises(UserError, match=r"checkpoint\.safetensors: is not the checkpoint"):
        ranked(world, run, tmp_path)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (b"{}", "has no valid entry 'model'"), (b"[]", "has no valid entry 'model'"), (b"", "cannot be read"),
        (b'{"model": "sasrec"}', "has no valid entry 'seed'"), (b'{"a": "\xff"}', "cannot be read"),
        (None, "training.max_length: must be a whole number of at least 1|training.max_length: must be a whole number"),
    ],
)  # fmt: skip
def test_a_settings_file_that_is_none_is_refused(world, run, tmp_path, text, message):
    if text is None:
        changed(run, "training", "max_length", value="twenty")
    else:
        (run / "settings.json").write_bytes(text)
    with pytest.raises(UserError, match=rf"settings\.json: ?({message})"):
        ranked(world, run, tmp_path)


def test_a_missing_or_broken_checkpoint_is_refused(world, run, tmp_path):
    (run / "checkpoint.safetensors").write_bytes(b"none")
    with pytest.raises(UserError, match=r"checkpoint\.safetensors: cannot be read as a checkpoint"):
        ranked(world, run, tmp_path)
    (run / "checkpoint.safetensors").unlink()
    with pytest.raises(UserError, match=r"checkpoint\.safetensors: cannot be read as a checkpoint"):
        ranked(world, run, tmp_path)


def test_one_more_user_is_said_to_be_one_more_user(world, events, run, tmp_path):
    one = events.filter(pl.col("user") == 0).with_columns(user=pl.lit(40, pl.Int64))
    other = make_world(tmp_path / "more", pl.concat([events, one]))
    with pytest.raises(UserError, match="was trained on 40 users, the data now have 41; train again"):
        ranked(other, run, tmp_path)


def test_other_events_are_refused(world, run, tmp_path):
    other = make_world(tmp_path / "other", random_events(seed=9))
    with pytest.raises(UserError, match="was trained on another interactions table than the one given"):
        ranked(other, run, tmp_path)


def copied(world, tmp_path):
    """A copy of the world that a test may change."""
    return type(world)(shutil.copytree(world.folder, tmp_path / "world"), world.items)


def other_vectors(world, change, meta=META):
    """Change the text vectors (55, 12) of a world."""
    table, _ = tables.read(world.folder / "embeddings.parquet", "embeddings")
    vectors = change(tables.matrix(table["vector"]).copy())
    table = pa.table({"item": table["item"], "vector": tables.vectors(vectors)})
    tables.write(table, world.folder / "embeddings.parquet", "embeddings", meta)


def test_permuted_text_vectors_are_refused_in_ranking(world, run, tmp_path):
    other = copied(world, tmp_path)
    other_vectors(other, lambda vectors: vectors[::-1].copy())
    with pytest.raises(UserError, match="was trained on another embeddings table than the one given"):
        ranked(other, run, tmp_path)


def test_text_vectors_of_another_scenario_are_refused_in_training(world, tmp_path):
    other = copied(world, tmp_path)
    other_vectors(other, lambda vectors: vectors, META | {"scenario": "large"})
    with pytest.raises(UserError, match=r"embeddings\.parquet: its scenario is 'large', but the split's is 'small'"):
        other.train("semacdr", tmp_path / "run")


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_text_vectors_that_are_not_finite_name_their_file(world, tmp_path, value):
    def change(vectors):
        vectors[7, 3] = value
        return vectors

    other = copied(world, tmp_path)
    other_vectors(other, change)
    with pytest.raises(UserError, match=r"embeddings\.parquet: the vector of item 7 is not finite"):
        other.train("semacdr", tmp_path / "run")


def test_graphs_of_the_other_direction_are_refused(world, tmp_path):
    other = copied(world, tmp_path)
    for one, two in (("source", "target"), ("target", "source")):
        shutil.copy(world.folder / f"graphs/{one}.parquet", other.folder / f"graphs/{two}.parquet")
    with pytest.raises(UserError, match=r"graphs/source\.parquet: has 30 nodes instead of 25"):
        other.train("semacdr", tmp_path / "run")


@pytest.mark.parametrize(
    ("reverse", "change", "why"),
    [
        (False, {"source": "book", "target": "movie"}, "its source is 'book', but the split's is 'movie'"),
        (True, {}, "the rows of the adjacency table are not sorted"),
    ],
)
def test_a_graph_of_another_direction_or_out_of_order_is_refused(world, tmp_path, reverse, change, why):
    other = copied(world, tmp_path)
    path = other.folder / "graphs/mixed.parquet"
    table, meta = tables.read(path, "adjacency")
    table = table.take(np.arange(len(table))[::-1]) if reverse else table
    tables.write(table, path, "adjacency", meta | change)
    with pytest.raises(UserError, match=rf"mixed\.parquet: {why}"):
        other.train("semacdr", tmp_path / "run")


def test_the_other_direction_is_refused(world, run, tmp_path):
    other = copied(world, tmp_path)
    split.main(
        [
            *other.inputs("sasrec")[:4],
            "--source",
            "book",
            "--target",
            "movie",
            "--candidates",
            "5",
            "--output",
            str(other.folder),
        ]
    )
    run = world.train("sasrec", tmp_path / "sasrec", "--epochs", "1")
    with pytest.raises(UserError, match=r"was trained for source 'movie', .*split\.parquet is of 'book'"):
        other.rank("sasrec", run, tmp_path / "ranks.parquet")


@pytest.mark.parametrize("option", ["--epochs", "--batch-size", "--max-length", "--threads"])
def test_none_of_what_there_must_be_one_of_is_refused(world, tmp_path, option):
    with pytest.raises(
        UserError, match=rf"train\.{option[2:].replace('-', '_')}: must be a whole number of at least 1"
    ):
        world.train("sasrec", tmp_path, option, "0")


def test_ranking_in_batches_of_none_is_refused(world, run, tmp_path):
    with pytest.raises(UserError, match=r"rank\.batch_size: must be a whole number of at least 1, not 0"):
        world.rank("semacdr", run, tmp_path / "ranks.parquet", "--batch-size", "0")


def test_users_with_three_events_each_leave_nothing_to_learn_from(tmp_path):
    """A single training event gives no step: the next event is the validation event (F5)."""
    events = random_events(users=12).sort("user", "domain", "timestamp", "item")
    events = (
        events.group_by("user", "domain", maintain_order=True).head(3).select("user", "item", "domain", "timestamp")
    )
    few = make_world(tmp_path / "few", events)
    few.train("popularity", tmp_path / "popularity")
    with pytest.raises(UserError, match="no user has two training events in the target domain"):
        few.train("sasrec", tmp_path / "sasrec")

"""A run on all events: the epochs that validation chose, all events in training, never taken for an evaluated run."""

import json

import numpy as np
import pytest
from served import lay_out, train, train_final

from semacdr.data.history import NONE, load_history
from semacdr.errors import UserError
from semacdr.stages import final, final_split, rank
from semacdr.storage import tables


@pytest.fixture(scope="module")
def scenario(world, tmp_path_factory):
    return lay_out(world, tmp_path_factory.mktemp("final"))


def test_all_events_are_for_training(scenario, world):
    run = train_final(scenario, train(world, scenario, "popularity"))
    folder = scenario / "movie_to_book"
    files = scenario / "interactions.parquet", scenario / "items.parquet"
    held_out = load_history(*files, folder / "split.parquet")
    everything = load_history(*files, folder / "final/split.parquet")
    assert everything.training().all() and len(everything.item) == len(held_out.item)
    assert (everything.valid == NONE).all() and (everything.test == NONE).all()
    counts = np.bincount(everything.item[everything.is_target], minlength=30)
    from safetensors.torch import load_file

    assert load_file(run / "checkpoint.safetensors")["counts"].tolist() == counts.tolist()


def test_the_epochs_are_those_that_validation_chose(scenario, world, tmp_path):
    run = train(world, scenario, "sasrec")
    cost = json.loads((run / "cost.json").read_text())
    evaluated = json.loads((run / "settings.json").read_text())
    written = json.loads((train_final(scenario, run) / "settings.json").read_text())
    assert written["final"] == {"epochs": cost["best_epoch"], "evaluated": evaluated["checkpoint"]}
    assert {name: written[name] for name in ("model", "seed", "settings", "training")} == {
        name: evaluated[name] for name in ("model", "seed", "settings", "training")
    }


def test_the_same_run_gives_the_same_bytes(scenario, world):
    run = train(world, scenario, "semacdr")
    first = (train_final(scenario, run) / "checkpoint.safetensors").read_bytes()
    assert (train_final(scenario, run) / "checkpoint.safetensors").read_bytes() == first


def test_a_run_on_all_events_cannot_be_ranked(scenario, world, tmp_path):
    """Its split holds nothing out, so there is nothing to rank, and an evaluated split does not fit it."""
    run = train_final(scenario, train(world, scenario, "sasrec"))
    argv = ["--interactions", str(scenario / "interactions.parquet"), "--items", str(scenario / "items.parquet")]
    argv += [
        "--candidates",
        str(world.folder / "candidates.parquet"),
        "--run",
        str(run),
        "--output",
        str(tmp_path / "r"),
    ]
    with pytest.raises(UserError, match="was trained on another split table"):
        rank.main([*argv, "--split", str(scenario / "movie_to_book/split.parquet")])


def test_a_split_that_holds_out_events_is_refused(scenario, world, tmp_path):
    run = train(world, scenario, "sasrec")
    argv = ["--interactions", str(scenario / "interactions.parquet"), "--items", str(scenario / "items.parquet")]
    argv += ["--split", str(scenario / "movie_to_book/split.parquet"), "--run", str(run), "--output", str(tmp_path)]
    with pytest.raises(UserError, match="holds out events; give the split of stage final_split"):
        final.main(argv)


def test_a_final_split_with_other_roles_is_refused(scenario, tmp_path):
    output = tmp_path / "split.parquet"
    files = ["--interactions", str(scenario / "interactions.parquet"), "--items", str(scenario / "items.parquet")]
    final_split.main([*files, "--source", "movie", "--target", "book", "--output", str(output)])
    table, meta = tables.read(output, "split")
    roles = table["role"].to_pylist()
    changed = table.set_column(2, "role", [["test", *roles[1:]]])
    tables.write(changed, output, "split", meta)
    with pytest.raises(UserError, match="holds out events, but says that it does not"):
        load_history(scenario / "interactions.parquet", scenario / "items.parquet", output)

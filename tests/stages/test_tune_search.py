"""Stage tune_search on the small world: real trials, killed and resumed; training gets the chosen settings."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch

from semacdr.errors import UserError
from semacdr.stages import tune_search

SPACE = {"learning_rate": {"low": 0.001, "high": 0.02, "log": True}, "dropout": {"low": 0.0, "high": 0.6}}
SOURCES = Path(tune_search.__file__).parents[2]
UNLIKE = ("seconds", "cpu_seconds", "date")  # these differ between runs


def options(world, folder, name="sasrec", trials=4, **more):
    """The stage's command line on a world; trials end without a time limit, so they are the same each time."""
    training = {"loss": more.pop("loss", "ce"), "max_length": 20, "batch_size": 16}
    given = {"model": name, "model-settings": '{"dim": 16}', "name": name, "key": f"{name}-ce"}
    given |= {"space": json.dumps(SPACE), "trials": trials, "trial-seconds": 600, "epochs": 4}
    given |= {"training": json.dumps(training), "random-trials": 2, "prune-after-epoch": 1}
    given |= {"threads": 1, "device": "cpu"}
    given |= {"storage": folder / "trials.sqlite", "output": folder / "found.json"} | more
    return [*world.inputs(name), *(str(part) for key, value in given.items() for part in (f"--{key}", value))]


def run(world, folder, **more):
    tune_search.main(options(world, folder, **more))
    return json.loads((folder / "found.json").read_text())


def alike(found):
    return found | {"found": {key: value for key, value in found["found"].items() if key not in UNLIKE}}


@pytest.fixture(scope="module")
def whole(world, tmp_path_factory):
    return run(world, tmp_path_factory.mktemp("whole"))


def test_what_is_chosen_trains_to_the_value_that_was_found(world, whole, tmp_path):
    chosen = ["--learning-rate", str(whole["training"]["learning_rate"]), "--loss", "ce", "--seed", "1"]
    world.train("sasrec", tmp_path, *chosen, "--epochs", "4", dim=16, **whole["settings"])
    values = [float(line.split("\t")[2]) for line in (tmp_path / "history.tsv").read_text().splitlines()[1:]]
    assert max(values) == pytest.approx(whole["found"]["value"], rel=1e-6)
    assert len(values) == whole["found"]["epochs"] and values.index(max(values)) + 1 == whole["found"]["best_epoch"]
    counts = [whole["found"][name] for name in ("finished", "pruned", "failed", "ended_by_time")]
    assert sum(counts[:3]) == 4 and counts[3] == 0
    assert whole["found"]["first"] <= whole["found"]["value"]


def test_training_with_the_found_settings_equals_training_with_them_given(world, whole, tmp_path):
    chosen = ["--learning-rate", str(whole["training"]["learning_rate"]), "--loss", "ce", "--seed", "1"]
    world.train("sasrec", tmp_path / "a", *chosen, "--epochs", "2", dim=16, **whole["settings"])
    (tmp_path / "found.json").write_text(json.dumps(whole))
    given = ["--loss", "ce", "--seed", "1", "--proposed", f"{tmp_path}/found.json"]
    world.train("sasrec", tmp_path / "b", *given, "--epochs", "2", dim=16)
    for name in ("checkpoint.safetensors", "history.tsv", "settings.json"):
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes()


def test_the_loss_is_chosen_with_the_rest_and_trained_with(world, tmp_path):
    space = SPACE | {"loss": {"choices": ["sampled_softmax", "ce"]}}
    found = run(world, tmp_path, space=json.dumps(space), loss="bce")
    loss = found["training"]["loss"]
    assert found["loss"] == "bce" and loss in ("sampled_softmax", "ce")  # without tuning, and with it
    world.train(
        "sasrec", tmp_path / "a", "--seed", "1", "--proposed", f"{tmp_path}/found.json", "--epochs", "4", dim=16
    )
    settings = json.loads((tmp_path / "a/settings.json").read_text())
    assert settings["training"]["loss"] == loss
    values = [float(line.split("\t")[2]) for line in (tmp_path / "a/history.tsv").read_text().splitlines()[1:]]
    assert max(values) == pytest.approx(found["found"]["value"], rel=1e-6)


def test_a_non_learned_system_is_tuned_by_building_and_validating_it(world, tmp_path):
    space = {"window": {"low": 1, "high": 30}, "decay": {"low": 0.0, "high": 1.0}}
    training = {"training": '{"loss": null, "max_length": 20}', "model-settings": "{}", "key": "seq_rules"}
    found = run(world, tmp_path, name="seq_rules", space=json.dumps(space), trials=5, **training)
    assert found["loss"] is None and found["training"] == {} and found["settings"].keys() == space.keys()
    assert (found["found"]["finished"], found["found"]["epochs"], found["found"]["best_epoch"]) == (5, 1, 1)
    assert found["found"]["first"] < found["found"]["value"]
    world.train("seq_rules", tmp_path / "a", "--seed", "1", "--proposed", f"{tmp_path}/found.json")
    (line,) = (tmp_path / "a/history.tsv").read_text().splitlines()[1:]
    assert float(line.split("\t")[2]) == pytest.approx(found["found"]["value"], rel=1e-6)


def test_seconds_of_pretraining_are_recorded_separately_and_belong_to_training(world, tmp_path):
    world.train("tri_cdr", tmp_path, "--seed", "1", "--epochs", "1", dim=16, pretraining=3)
    cost = json.loads((tmp_path / "cost.json").read_text())
    assert 0 < cost["pretraining_seconds"] < cost["training_seconds"] < cost["best_seconds"]


@pytest.mark.parametrize(
    ("found", "words"),
    [
        ({"model": "cl4srec", "training": {}, "settings": {}}, "has settings of cl4srec, not of sasrec"),
        ({"model": "sasrec", "training": {}}, "cannot be read as a file of stage tune_search: KeyError"),
        (
            {"model": "sasrec", "training": {}, "settings": {"droput": 0.1}},
            "sasrec.droput: there is no setting 'droput'",
        ),
    ],
)
def test_a_proposal_that_is_none_of_the_system(world, tmp_path, found, words):
    (tmp_path / "found.json").write_text(json.dumps(found))
    with pytest.raises(UserError, match=f"found.json: .*{words}"):
        world.train("sasrec", tmp_path, "--seed", "1", "--proposed", f"{tmp_path}/found.json", dim=16)


@pytest.mark.slow
def test_a_killed_search_ends_as_one_that_was_not(world, whole, tmp_path):
    log = tmp_path / "log"
    with log.open("w") as file, subprocess.Popen(
        [sys.executable, "-m", "semacdr.stages.tune_search", *options(world, tmp_path)],
        stderr=file, env=os.environ | {"PYTHONPATH": str(SOURCES)},
    ) as process:  # fmt: skip
        deadline = time.monotonic() + 300
        while "trial 3 of 4" not in log.read_text():
            assert process.poll() is None and time.monotonic() < deadline, log.read_text()
            time.sleep(0.01)
        process.send_signal(signal.SIGKILL)
    assert not (tmp_path / "found.json").exists()
    assert alike(run(world, tmp_path)) == alike(whole)
    text = log.read_text()
    assert "trial 1 of 4: learning rate 0.001, dropout 0.5" in text and "trial 2 finished: validation NDCG@10" in text


def test_other_data_begin_anew_and_the_same_run_no_trial(world, whole, tmp_path, monkeypatch):
    first = run(world, tmp_path, trials=2)
    monkeypatch.setattr(tune_search, "fit", lambda *_: pytest.fail("a trial ran"))
    assert alike(run(world, tmp_path, trials=2)) == alike(first)
    monkeypatch.setattr(
        tune_search.systems, "machine_of", lambda device, training, threads: (torch.device("cpu"), threads)
    )  # on any CPUs
    for more in (
        {"trial-seconds": 601},
        {"code": SOURCES / "semacdr/stages/tune_search.py"},
        {"model-settings": '{"dim": 8}'},
        {"threads": 2},
    ):
        with pytest.raises(pytest.fail.Exception):
            run(world, tmp_path, trials=2, **more)


def test_a_trial_ends_when_its_seconds_are_used_up(world, tmp_path):
    found = run(world, tmp_path, trials=2, **{"trial-seconds": 1e-6})["found"]
    assert (found["finished"], found["ended_by_time"], found["epochs"]) == (2, 2, 1)


def test_pretraining_counts_and_is_cut(world, tmp_path, caplog):
    def pretraining(folder, seconds):
        with caplog.at_level("INFO", logger="semacdr"):
            caplog.clear()
            settings = '{"dim": 16, "pretraining": 3}'
            given = {"trial-seconds": seconds, "model-settings": settings}
            found = run(world, folder, name="tri_cdr", trials=1, epochs=2, **given)["found"]
        lines = [message for message in caplog.messages if message.startswith("pre-training epoch")]
        return len(lines), found["epochs"], found["ended_by_time"]

    assert pretraining(tmp_path / "whole", 600) == (3, 2, 0)
    assert pretraining(tmp_path / "cut", 1e-6) == (1, 1, 1)


def test_the_mean_over_seeds_is_judged(world, tmp_path):
    def values(*seeds):
        folder = tmp_path / "-".join(seeds)
        argv = options(world, folder, trials=1)
        tune_search.main([*argv, "--seeds", *seeds])
        return json.loads((folder / "found.json").read_text())["found"]["value"]

    assert values("1", "2") == pytest.approx((values("1") + values("2")) / 2)


def test_a_trial_ended_by_time_if_one_of_its_seeds_did(world, tmp_path, monkeypatch):
    stoppers = iter([tune_search.TrialStopper(1e-6), tune_search.TrialStopper(600)])
    monkeypatch.setattr(tune_search, "TrialStopper", lambda *_: next(stoppers))
    argv = options(world, tmp_path, trials=1)
    tune_search.main([*argv, "--seeds", "1", "2"])
    assert json.loads((tmp_path / "found.json").read_text())["found"]["ended_by_time"] == 1


def test_an_enhanced_system_is_tuned_with_its_inputs(world, tmp_path):
    with pytest.raises(UserError, match="this model needs --agnostic"):
        run(world, tmp_path, name="c2dsr", **{"model-settings": '{"dim": 16, "semantics": true}'})
    files = {"agnostic": world.folder / "agnostic.parquet", "embeddings": world.folder / "embeddings.parquet"}
    space = json.dumps({"semantic_learning_rate": {"low": 0.0001, "high": 0.01, "log": True}})
    files["model-settings"] = '{"dim": 16, "semantics": true}'
    found = run(world, tmp_path, name="c2dsr", trials=1, space=space, **files)
    assert found["training"] == {"semantic_learning_rate": 0.001}


def test_a_trial_that_needs_too_much_memory_fails_alone(world, tmp_path, monkeypatch):
    fit, calls = tune_search.fit, []

    def the_second_does_not_fit(*given):
        calls.append(given)
        if len(calls) == 2:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return fit(*given)

    monkeypatch.setattr(tune_search, "fit", the_second_does_not_fit)
    found = run(world, tmp_path, trials=3)["found"]
    assert (found["finished"], found["failed"], len(calls)) == (2, 1, 3)


def test_an_empty_space_is_refused(world, tmp_path):
    with pytest.raises(UserError, match=r"tune\.space has no setting of sasrec"):
        run(world, tmp_path, space="{}")

"""An interrupted training continues and ends with the same bytes; a state of another training is never used."""

import errno
import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import polars as pl
import pytest
import torch
from direction_world import LEARNED_FORMS, make_world, random_events

from semacdr.errors import UserError
from semacdr.models import load
from semacdr.runtime.cli import log
from semacdr.stages import train
from semacdr.training import engine, saved_state
from semacdr.training.saved_state import NAME, SavedState
from semacdr.training.trainer import Trainer

WARM_UP = ("--warmup-steps", "7")  # of 9: the number of steps so far matters after a break
SAME = ("checkpoint.safetensors", "history.tsv", "settings.json")


class Killed(BaseException):
    """In place of a kill: no code of the training sees it."""


def bytes_of(folder):
    return {name: (folder / name).read_bytes() for name in SAME}


def interrupted(monkeypatch, world, name, folder, after, **settings):
    """Train a system, but end right after the given number of kept states, each of which is written."""
    keep, kept = SavedState.keep, []

    def stop(self, state):
        keep(self, state)
        kept.append(state)
        if len(kept) == after:
            raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(SavedState, "keep", stop)
        with pytest.raises(Killed):
            world.train(name, folder, "--save-minutes", "0", *WARM_UP, **settings)
    assert (folder / NAME).is_file() and not (folder / SAME[0]).exists()


@pytest.mark.parametrize(
    ("name", "settings"),
    [
        ("sasrec", {}),
        ("semacdr", {}),
        *(
            pytest.param(*form, marks=pytest.mark.slow)
            for form in LEARNED_FORMS
            if form[0] not in ("sasrec", "semacdr")
        ),
    ],
    ids=str,
)
@pytest.mark.parametrize("after", [1, 2])
def test_a_training_continues_and_ends_with_the_same_bytes(world, tmp_path, monkeypatch, name, settings, after):
    whole = world.train(name, tmp_path / "whole", *WARM_UP, **settings)
    assert not (whole / NAME).exists()
    interrupted(monkeypatch, world, name, tmp_path / "part", after, **settings)
    again = world.train(name, tmp_path / "part", "--save-minutes", "0", *WARM_UP, **settings)
    assert bytes_of(again) == bytes_of(whole)
    assert not (tmp_path / "part" / NAME).exists()


def test_pre_training_continues_too(world, tmp_path, monkeypatch):
    settings = {"pretraining": 3}
    whole = world.train("tri_cdr", tmp_path / "whole", *WARM_UP, **settings)
    for after in (2, 3, 4):  # within pre-training, at its end, after the first epoch of training
        folder = tmp_path / str(after)
        interrupted(monkeypatch, world, "tri_cdr", folder, after, **settings)
        assert bytes_of(world.train("tri_cdr", folder, *WARM_UP, **settings)) == bytes_of(whole)


def test_a_state_of_another_training_or_damaged_is_not_used(world, tmp_path, monkeypatch, caplog):
    whole = world.train("sasrec", tmp_path / "whole", *WARM_UP)
    other = world.train("sasrec", tmp_path / "other", *WARM_UP, dropout=0.3)
    folder = tmp_path / "part"
    interrupted(monkeypatch, world, "sasrec", folder, 2)
    content = (folder / NAME).read_bytes()
    with caplog.at_level("INFO", log.name):
        assert bytes_of(world.train("sasrec", folder, *WARM_UP, dropout=0.3)) == bytes_of(other)
        assert "belongs to other settings, data or code; training starts again" in caplog.text
        for place in (3, 70, len(content) // 2, len(content) - 1):
            (folder / NAME).write_bytes(content[:place] + bytes([content[place] ^ 1]) + content[place + 1 :])
            assert bytes_of(world.train("sasrec", folder, *WARM_UP)) == bytes_of(whole)
        for damaged in (b"", content[:100], content[: len(content) // 2]):
            (folder / NAME).write_bytes(damaged)
            assert bytes_of(world.train("sasrec", folder, *WARM_UP)) == bytes_of(whole)
    assert caplog.text.count("is damaged; training starts again") == 7


def test_the_key_names_everything_that_decides_the_bytes(tmp_path, monkeypatch):
    cpu = torch.device("cpu")
    key = saved_state.key_of({"seed": 1}, 1, cpu)
    assert key == saved_state.key_of({"seed": 1}, 1, cpu)
    others = {saved_state.key_of({"seed": 2}, 1, cpu), saved_state.key_of({"seed": 1}, 2, cpu)}
    others.add(saved_state.key_of({"seed": 1}, 1, torch.device("meta")))
    with monkeypatch.context() as patch:
        patch.setattr(torch, "__version__", "0")
        others.add(saved_state.key_of({"seed": 1}, 1, cpu))
    for content in ("one = 1\n", "one = 2\n"):
        (tmp_path / "module.py").write_text(content)
        monkeypatch.setattr(saved_state.semacdr, "__file__", str(tmp_path / "__init__.py"))
        others.add(saved_state.key_of({"seed": 1}, 1, cpu))
    assert len(others | {key}) == 7


def test_a_state_of_other_data_is_not_used(world, tmp_path, monkeypatch, caplog):
    other = make_world(tmp_path, random_events(seed=5))
    whole = other.train("sasrec", tmp_path / "whole", *WARM_UP)
    interrupted(monkeypatch, world, "sasrec", tmp_path / "run", 2)
    with caplog.at_level("INFO", log.name):
        assert bytes_of(other.train("sasrec", tmp_path / "run", *WARM_UP)) == bytes_of(whole)
    assert "belongs to other settings, data or code" in caplog.text


def test_states_are_written_only_now_and_then(tmp_path, monkeypatch):
    clock = [100.0]
    monkeypatch.setattr(time, "monotonic", lambda: clock[0])
    saved = SavedState(tmp_path, "key", 5)
    for seconds, written in ((200, False), (200, True), (299, False), (1, True)):
        saved.path.unlink(missing_ok=True)
        clock[0] += seconds
        saved.keep({"epoch": clock[0]})
        assert saved.path.exists() == written
    assert saved.read() == {"epoch": clock[0]}


def test_a_state_that_cannot_be_written_does_not_end_the_training(world, tmp_path, monkeypatch, caplog):
    whole = world.train("sasrec", tmp_path / "whole")

    def full(self, content):
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(Path, "write_bytes", full)
        other = world.train("sasrec", tmp_path / "other", "--save-minutes", "0")
    assert bytes_of(other) == bytes_of(whole)
    assert caplog.text.count(f"is not saved: {other / NAME}: cannot be written: no space left on device") == 3


@pytest.mark.parametrize("sent", [signal.SIGTERM, signal.SIGKILL])
def test_a_stopped_process_continues(world, tmp_path, sent):
    """SIGTERM saves the last epoch's state at once; after SIGKILL the state is the last that was written."""
    argv = [*world.inputs("sasrec"), "--model", "sasrec", "--seed", "3", "--threads", "1", "--loss", "bce"]
    argv += ["--model-settings", json.dumps({"dim": 16}), "--epochs", "60", "--patience", "60", "--batch-size", "8"]
    whole, part = tmp_path / "whole", tmp_path / "part"
    train.main([*argv, "--output", str(whole)])
    minutes = "60" if sent == signal.SIGTERM else "0"
    command = [sys.executable, "-m", "semacdr.stages.train", *argv, "--output", str(part), "--save-minutes", minutes]
    source = str(Path(engine.__file__).parents[2])
    environment = os.environ | {"PYTHONPATH": source, "CUDA_VISIBLE_DEVICES": "", "OMP_NUM_THREADS": "1"}
    running = subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env=environment)
    for line in running.stderr:
        if "epoch 7:" in line:
            running.send_signal(sent)
            break
    rest = running.stderr.read()
    assert running.wait(60) == (128 + sent if sent == signal.SIGTERM else -sent), rest
    again = subprocess.run(command, capture_output=True, text=True, env=environment, check=True)
    assert int(re.search(r"continues after epoch (\d+)", again.stderr)[1]) >= 6
    assert {name: (part / name).read_bytes() for name in SAME} == bytes_of(whole)


def test_a_loss_that_is_not_finite_ends_the_training_and_keeps_the_last_good_state(world, tmp_path, monkeypatch):
    """The message names epoch, step and the largest parameters."""
    model, steps = load("sasrec").Model, []
    original = model.states

    def states(self, prepared, batch):
        found = original(self, prepared, batch)
        if self.training:
            steps.append(1)
            return found * torch.nan if len(steps) == 5 else found
        return found

    monkeypatch.setattr(model, "states", states)
    with pytest.raises(UserError) as raised:
        world.train("sasrec", tmp_path / "run")  # 3 steps in an epoch
    found = re.search(
        r"epoch (\d+): training diverged: the loss of step (\d+) of this epoch's 3 is nan", str(raised.value)
    )
    assert found and found.groups() == ("2", "2") and "largest absolute values" in str(raised.value)
    assert "learning_rate" in str(raised.value) and "inf" not in str(raised.value)  # parameters before the step
    content = (tmp_path / "run" / NAME).read_bytes()
    assert not (tmp_path / "run" / SAME[0]).exists()
    values, tensors = saved_state.unpack(content[64:])
    kept = saved_state.joined(values["training"], tensors)
    assert len(kept["progress"]["epochs"]) == 1
    assert all(value.isfinite().all() for value in kept["model"].values())


def test_parameters_that_are_not_finite_after_the_last_step_of_pre_training_are_not_saved(world, tmp_path, monkeypatch):
    step, steps = Trainer.step, []

    def spoiled(self, loss):
        found = step(self, loss)
        steps.append(1)
        if len(steps) == 6:
            with torch.no_grad():
                next(self.model.parameters())[0] = torch.nan
        return found

    monkeypatch.setattr(Trainer, "step", spoiled)
    with pytest.raises(
        UserError, match=r"^pre-training epoch 2: training diverged: the last step of this epoch; largest"
    ):
        world.train("tri_cdr", tmp_path / "run", pretraining=3)
    values, tensors = saved_state.unpack((tmp_path / "run" / NAME).read_bytes()[64:])
    kept = saved_state.joined(values["training"], tensors)
    assert kept["progress"]["pretrained"] == 1 and all(value.isfinite().all() for value in kept["model"].values())


def test_a_second_training_in_the_same_folder_is_refused(world, tmp_path):
    folder = tmp_path / "run"
    with saved_state.alone(folder), pytest.raises(UserError, match="another process trains in this folder"):
        world.train("sasrec", folder)
    world.train("sasrec", folder)
    assert not (folder / saved_state.LOCK).exists()


def test_seconds_of_both_parts_are_counted(world, tmp_path, monkeypatch):
    folder = tmp_path / "run"
    interrupted(monkeypatch, world, "sasrec", folder, 2)
    values, _ = saved_state.unpack((folder / NAME).read_bytes()[64:])
    saved = SavedState(folder, values["key"], 0)
    saved.latest = saved.read()
    saved.latest["progress"]["seconds"]["training"] = 1000.0
    saved.write()
    world.train("sasrec", folder, *WARM_UP)
    assert json.loads((folder / "cost.json").read_text())["training_seconds"] > 1000
    assert pl.read_csv(folder / "history.tsv", separator="\t")["epoch"].to_list() == [1, 2, 3]

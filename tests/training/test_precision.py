"""Precision and determinism: what bfloat16 changes, what remains float32, and what is refused."""

import os

import pytest
import torch
from direction_world import LEARNED, build
from safetensors.torch import load_file

from semacdr.errors import UserError
from semacdr.models import load
from semacdr.stages import train
from semacdr.training import device, trainer
from semacdr.training.settings import Training
from semacdr.training.trainer import Trainer

CPU = torch.device("cpu")
FLOAT32 = ("lightgcn", "svdpp")  # sums of embeddings: they have no matrix product that autocast applies to


def first_loss(world, name, **training):
    """The loss of a first batch and the gradients, of a system that draws the same numbers each time."""
    model, inputs = build(world, name)
    settings = Training(loss=load(name).LOSS, batch_size=64, max_length=20, **training)
    trainer = Trainer(model, inputs.history, settings, 0, CPU)
    torch.manual_seed(1)
    model.train()
    loss = trainer.loss(next(trainer.shuffled()))
    loss.backward()
    return loss.detach(), [parameter.grad for parameter in model.parameters() if parameter.grad is not None]


@pytest.mark.parametrize("name", LEARNED)
def test_bfloat16_is_near_float32_and_losses_and_gradients_stay_float32(world, name):
    """Autocast is the same on the CPU, where the train stage refuses it, as it would be slower there."""
    full, gradients = first_loss(world, name)
    half, others = first_loss(world, name, precision="bfloat16")
    assert half.dtype == torch.float32 and {gradient.dtype for gradient in others} == {torch.float32}
    if name not in FLOAT32:
        assert half != full  # something was in bfloat16
    torch.testing.assert_close(half, full, rtol=0.02, atol=0)
    assert len(gradients) == len(others) and all(gradient.isfinite().all() for gradient in others)


def test_the_loss_over_steps_takes_float32_states(world, monkeypatch):
    found = []

    def step_loss(name, states, items, *more):
        found.append((states.dtype, items.dtype))
        return states.sum() + items.sum()

    monkeypatch.setattr(trainer, "step_loss", step_loss)
    first_loss(world, "semacdr", precision="bfloat16")
    assert found == [(torch.float32, torch.float32)]


def test_the_stage_refuses_bfloat16_on_a_cpu(world, tmp_path):
    with pytest.raises(UserError, match=r"precision bfloat16 is for CUDA.* on cpu: set train\.precision to float32"):
        world.train("sasrec", tmp_path / "a", "--precision", "bfloat16", "--device", "cpu")
    assert not (tmp_path / "a").exists()


@pytest.mark.parametrize(("option", "value"), [("--precision", "float16"), ("--visibility", "some")])
def test_an_unknown_choice_is_refused(world, tmp_path, option, value):
    with pytest.raises(UserError, match=rf"train\.{option[2:]}: must be one of .*, not '{value}'"):
        world.train("sasrec", tmp_path / "a", option, value)


@pytest.fixture
def cuda(monkeypatch):
    """What be_deterministic sets for a CUDA device, undone afterwards."""
    monkeypatch.setenv("CUBLAS_WORKSPACE_CONFIG", "")
    yield torch.device("cuda")
    torch.use_deterministic_algorithms(False)


def test_deterministic_sets_torch_for_cuda_and_warns_of_its_price(cuda, caplog):
    device.be_deterministic(cuda)
    assert torch.are_deterministic_algorithms_enabled()
    assert os.environ["CUBLAS_WORKSPACE_CONFIG"] == ":4096:8"
    assert "this costs time" in caplog.text


def test_deterministic_changes_nothing_on_a_cpu(world, tmp_path):
    plain, deterministic = (world.train("sasrec", tmp_path / name, *more, "--device", "cpu")
                   for name, more in (("a", ()), ("b", ("--deterministic",))))  # fmt: skip
    assert not torch.are_deterministic_algorithms_enabled()
    states = [load_file(folder / "checkpoint.safetensors") for folder in (plain, deterministic)]
    assert all(torch.equal(values, states[1][name]) for name, values in states[0].items())
    assert '"deterministic": true' in (deterministic / "settings.json").read_text()


def test_an_operation_that_cannot_be_deterministic_is_an_error_that_says_what_to_do(world, tmp_path, monkeypatch):
    def fit(*args, **named):
        raise RuntimeError("put_ does not have a deterministic implementation, but you set ...")

    monkeypatch.setattr(train, "fit", fit)
    with pytest.raises(UserError, match=r"sasrec .* put_ does not .* train\.deterministic"):
        world.train("sasrec", tmp_path / "a", "--deterministic")
    with pytest.raises(RuntimeError, match="put_"):
        world.train("sasrec", tmp_path / "b")

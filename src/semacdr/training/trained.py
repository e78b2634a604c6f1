"""Load a trained model with its data, for the stages after training."""

from dataclasses import dataclass
from pathlib import Path

import torch

from semacdr.data.history import History
from semacdr.errors import UserError
from semacdr.models.base import Model
from semacdr.runtime.machine import use_threads
from semacdr.training import inputs, run_folder
from semacdr.training.device import device_of
from semacdr.training.system import System


@dataclass(frozen=True)
class Trained:
    """A model with its checkpoint's parameters, in float64 on its device."""

    model: Model
    system: System
    history: History
    device: torch.device
    meta: dict[str, str]  # for the metadata of tables made with the model


def load_trained(
    paths: inputs.DirectionPaths, folder: Path, device_name: str | None, threads: int, history: History | None = None
) -> Trained:
    """The trained model in a run's folder; a UserError if its files cannot be read or do not belong to the data.

    With a `history` no events are read, so that interactions and split may be missing.
    """
    run = run_folder.read(folder)
    use_threads(threads)
    device = device_of(device_name)
    given = run.system.load_inputs(paths, history)
    run.check_data(paths, given)
    model = run.system.module.Model(given, run.system.settings)
    try:
        model.load_state_dict(run.state)
    except RuntimeError as error:
        raise UserError(f"{run.checkpoint}: was written by other code; train again. {error}") from error
    meta = inputs.origin(given.history) | {f"made_from_{name}": digest for name, digest in given.digests.items()}
    meta |= {"model": run.system.name, "seed": str(run.content["seed"]), "run": "/".join(folder.resolve().parts[-2:])}
    return Trained(model.double().to(device).eval(), run.system, given.history, device, meta)

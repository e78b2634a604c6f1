"""Load a trained model with its data, for the stages after training."""

import argparse
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


def add_arguments(cli: argparse.ArgumentParser) -> None:
    """Add the options of a stage that reads a trained model: what train read, and what it wrote."""
    inputs.add_arguments(cli)
    cli.add_argument("--run", type=Path, required=True, help="folder of the training run")
    cli.add_argument("--device", help="default: cuda if torch sees a GPU, else cpu")


def load_trained(args: argparse.Namespace, threads: int) -> Trained:
    """The trained model of a command line; a UserError if its files cannot be read or do not belong to the data."""
    run = run_folder.read(args.run)
    use_threads(threads)
    device, paths = device_of(args.device), inputs.paths_of(args)
    given = run.system.load_inputs(paths)
    run.check_data(paths, given)
    model = run.system.module.Model(given, run.system.settings)
    try:
        model.load_state_dict(run.state)
    except RuntimeError as error:
        raise UserError(f"{run.checkpoint}: was written by other code; train again. {error}") from error
    meta = inputs.origin(given.history) | {f"made_from_{name}": digest for name, digest in given.digests.items()}
    meta |= {"model": run.system.name, "seed": str(run.content["seed"]), "run": "/".join(args.run.resolve().parts[-2:])}
    return Trained(model.double().to(device).eval(), run.system, given.history, device, meta)

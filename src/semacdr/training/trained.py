"""A trained system on its data: what the stages after training start from."""

import argparse
import json
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file

from semacdr import models
from semacdr.data.history import History
from semacdr.errors import UserError
from semacdr.models.base import Model
from semacdr.runtime.cli import resolve
from semacdr.runtime.machine import use_threads
from semacdr.training import inputs
from semacdr.training.device import device_of


@dataclass(frozen=True)
class Trained:
    """A system with its checkpoint's parameters, in float64 on its device."""

    model: Model
    history: History
    device: torch.device
    settings: dict  # settings.json

    @property
    def meta(self) -> dict[str, str]:
        """What a table made with it says of where it comes from."""
        return self.history.meta | {name: str(self.settings[name]) for name in ("model", "variant", "seed")}


def add_arguments(cli: argparse.ArgumentParser) -> None:
    """The options of a stage that takes a trained system: what train read, and what it wrote."""
    inputs.add_arguments(cli)
    cli.add_argument("--checkpoint", type=Path, required=True)
    cli.add_argument("--settings", type=Path, required=True, help="settings.json of the training run")
    cli.add_argument("--threads", type=int, help="default: all CPUs")
    cli.add_argument("--device", help="default: cuda where there is one, else cpu")


def load_trained(args: argparse.Namespace) -> Trained:
    """The system of those options; a UserError where its files cannot be read or are not of this data."""
    try:
        settings = json.loads(args.settings.read_text())
        state = load_file(args.checkpoint)
    except (OSError, json.JSONDecodeError, SafetensorError) as error:
        raise UserError(f"{args.settings} and {args.checkpoint}: no training run can be read there: {error}") from error
    module = models.load(settings["model"])
    use_threads(args.threads)
    device = device_of(args.device)
    own = resolve(module.Settings, settings["settings"], settings["model"])
    problem = inputs.load_problem(args, models.inputs(module, own), settings["training"]["max_length"], own)
    model = module.Model(problem, own)
    try:
        model.load_state_dict(state)
    except RuntimeError as error:
        raise UserError(f"{args.checkpoint}: was trained on other data or code; train again. {error}") from error
    return Trained(model.double().to(device).eval(), problem.history, device, settings)

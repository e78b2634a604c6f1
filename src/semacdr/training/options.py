"""What the stages that train are told on the command line: a system, its settings, how it is trained, and on what."""

import argparse
import dataclasses
import json
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

import torch

from semacdr import models
from semacdr.batching.windows import VISIBILITIES
from semacdr.errors import UserError
from semacdr.models.base import Model, Problem
from semacdr.models.losses import LOSSES
from semacdr.runtime.cli import resolve
from semacdr.runtime.machine import use_threads
from semacdr.training.device import PRECISIONS, check_precision, device_of
from semacdr.training.engine import Training
from semacdr.training.inputs import load_problem

TRAINING = {field.name for field in dataclasses.fields(Training)}
CHOICES = {"loss": LOSSES, "visibility": VISIBILITIES, "precision": PRECISIONS}


def add_arguments(cli: argparse.ArgumentParser) -> None:
    """The options of a system and its training."""
    cli.add_argument("--model", required=True, help="the system: a module of semacdr.models")
    cli.add_argument("--settings", type=json.loads, default={}, metavar="JSON", help="the system's own settings")
    cli.add_argument("--loss", choices=CHOICES["loss"], help="default: the one that the system was published with")
    for field in dataclasses.fields(Training):
        if field.name != "loss":
            option, choices = "--" + field.name.replace("_", "-"), CHOICES.get(field.name)
            told = f"default {field.default}"
            cli.add_argument(option, type=field.type, default=field.default, choices=choices, help=told)
    cli.add_argument("--threads", type=int, help="default: all CPUs")
    cli.add_argument("--device", help="default: cuda where there is one, else cpu")


@dataclass(frozen=True)
class System:
    """A system under settings, ready to be built and trained."""

    name: str
    own: Any  # its module's Settings
    training: Training

    @property
    def module(self) -> ModuleType:
        """The module of semacdr.models."""
        return models.load(self.name)

    def problem(self, args: argparse.Namespace) -> Problem:
        """What it is built from, out of the paths in `args`; see semacdr.training.inputs."""
        return load_problem(args, models.inputs(self.module, self.own), self.training.max_length, self.own)

    def build(self, problem: Problem, seed: int) -> Model:
        """The system before training, the same for the same seed."""
        torch.manual_seed(seed)
        return self.module.Model(problem, self.own)


def system(args: argparse.Namespace) -> System:
    """The system of those options; a UserError names a setting that it does not have."""
    module = models.load(args.model)
    own = resolve(module.Settings, args.settings, args.model)
    values = {field.name: getattr(args, field.name) for field in dataclasses.fields(Training)}
    return System(args.model, own, Training(**values | {"loss": args.loss or module.LOSS}))


def parts(chosen: dict[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """The chosen settings of training, and the system's own."""
    own = {name: value for name, value in chosen.items() if name not in TRAINING}
    return {name: value for name, value in chosen.items() if name in TRAINING}, own


def assign(chosen: dict[str, Any], system: System) -> System:
    """The system under chosen settings."""
    training, own = parts(chosen)
    return dataclasses.replace(
        system,
        training=dataclasses.replace(system.training, **training),
        own=dataclasses.replace(system.own, **own),
    )


def proposed(path: Path, system: System) -> System:
    """The system under the settings that stage tune wrote to a file; a UserError where that is none of this system."""
    try:
        found = json.loads(path.read_text())
        if found["model"] != system.name:
            raise UserError(f"{path}: settings of {found['model']}, not of {system.name}")
        return assign(found["training"] | found["settings"], system)
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise UserError(f"{path}: cannot be read as what stage tune writes of {system.name}: {error!r}") from error


def machine(args: argparse.Namespace) -> tuple[torch.device, int]:
    """The device to train on, and the number of threads, which torch is told; a UserError where it has no precision."""
    device = device_of(args.device)
    check_precision(args.precision, device)
    return device, use_threads(args.threads)

"""A model with its settings and its training."""

import dataclasses
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

import torch

from semacdr import models
from semacdr.data.history import History
from semacdr.errors import UserError
from semacdr.models.base import Model, ModelInputs
from semacdr.runtime.machine import use_threads
from semacdr.runtime.settings import resolve
from semacdr.training.device import check_precision, device_of
from semacdr.training.inputs import DirectionPaths, load_inputs
from semacdr.training.settings import Training


@dataclass(frozen=True)
class System:
    """A model under settings, ready to be built and trained."""

    name: str
    settings: Any  # an instance of the module's Settings
    training: Training

    @property
    def module(self) -> ModuleType:
        """The module of semacdr.models."""
        return models.load(self.name)

    @property
    def needs(self) -> tuple[str, ...]:
        """What the model needs besides the history."""
        return models.required_inputs(self.module, self.settings)

    def load_inputs(self, paths: DirectionPaths, history: History | None = None) -> ModelInputs:
        """What the model is built from; a UserError where `semacdr.training.inputs.load_inputs` raises one."""
        training = self.training
        return load_inputs(paths, self.needs, training.max_length, self.settings, training.visibility, history)

    def build(self, inputs: ModelInputs, seed: int) -> Model:
        """The untrained model, the same for the same seed."""
        torch.manual_seed(seed)
        return self.module.Model(inputs, self.settings)

    def choose(self, chosen: Mapping[str, Any]) -> "System":
        """The system under chosen settings of training and model; a UserError names one that is not valid."""
        training, own = split_settings(chosen)
        return dataclasses.replace(
            self,
            training=resolve(Training, dataclasses.asdict(self.training) | training, "train"),
            settings=resolve(type(self.settings), dataclasses.asdict(self.settings) | own, self.name),
        )


def system_of(model: str, settings: Mapping[str, Any], training: Training) -> System:
    """The system of a model; a UserError names a setting that the model does not have."""
    module = models.load(model)
    return System(model, resolve(module.Settings, settings, model), training)


def split_settings(chosen: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """The settings of training among the chosen ones, and those of the model."""
    known = {field.name for field in dataclasses.fields(Training)}
    training = {name: value for name, value in chosen.items() if name in known}
    return training, {name: value for name, value in chosen.items() if name not in known}


def read_proposed(path: Path, system: System) -> System:
    """The system under the settings that stage tune_search wrote to a file; a UserError for another model's file."""
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
        model, chosen = found["model"], found["training"] | found["settings"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise UserError(f"{path}: cannot be read as a file of stage tune_search: {error!r}") from error
    if model != system.name:
        raise UserError(f"{path}: has settings of {model}, not of {system.name}")
    try:
        return system.choose(chosen)
    except UserError as error:
        raise UserError(f"{path}: {error}") from error


def machine_of(device: str | None, training: Training, threads: int) -> tuple[torch.device, int]:
    """The device to train on and the number of torch's threads; a UserError for a precision that the device lacks.

    Without a device it is cuda if torch sees a GPU, else cpu.
    """
    found = device_of(device)
    check_precision(training.precision, found)
    return found, use_threads(threads)

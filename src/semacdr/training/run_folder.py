"""The folder of a training run: what stage train writes, and what later stages read from it.

settings.json and checkpoint.safetensors name each other: the settings hold the sha256 of the checkpoint, and the
checkpoint holds a digest of the settings. So replacing either file is detected.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file, save_file

from semacdr import models
from semacdr.data.history import History
from semacdr.errors import UserError
from semacdr.models.base import ModelInputs
from semacdr.runtime.settings import resolve
from semacdr.training.inputs import DIRECTION, DirectionPaths
from semacdr.training.settings import Training
from semacdr.training.system import System

CHECKPOINT, SETTINGS = "checkpoint.safetensors", "settings.json"
PROVENANCE = ("made_from", "data", "checkpoint")  # entries of settings.json that are not settings
NOTE = (*DIRECTION, "model", "seed")


def describe(system: System, inputs: ModelInputs, seed: int, tuned: Any) -> dict[str, Any]:
    """The content of settings.json, without the checkpoint's sha256."""
    history = inputs.history
    return {
        **{name: history.meta[name] for name in DIRECTION if name in history.meta},
        "model": system.name,
        "seed": seed,
        "tuned": tuned,
        "settings": asdict(system.settings),
        "training": asdict(system.training),
        "data": sizes(history),
        "made_from": inputs.digests,
    }


def sizes(history: History) -> dict[str, int]:
    """The numbers that shapes of parameters depend on."""
    return {
        "users": history.users,
        "source items": len(history.source_items),
        "target items": len(history.target_items),
    }


def write(folder: Path, settings: dict[str, Any], state: dict[str, torch.Tensor]) -> None:
    """Write checkpoint and settings; the same run writes the same bytes."""
    folder.mkdir(parents=True, exist_ok=True)
    note = {name: settings[name] for name in NOTE if name in settings} | {"settings": _digest(settings)}
    save_file(state, folder / CHECKPOINT, metadata={"semacdr": json.dumps(note)})
    settings = settings | {"checkpoint": _sha256(folder / CHECKPOINT)}
    (folder / SETTINGS).write_text(json.dumps(settings, indent=2) + "\n", encoding="utf-8")


@dataclass(frozen=True)
class RunFolder:
    """A training run as its folder describes it."""

    folder: Path
    system: System
    content: dict[str, Any]  # settings.json
    state: dict[str, torch.Tensor]  # the best epoch's parameters

    @property
    def checkpoint(self) -> Path:
        """The checkpoint's path."""
        return self.folder / CHECKPOINT

    def check_data(self, paths: DirectionPaths, inputs: ModelInputs) -> None:
        """Raise a UserError if the data are not those of the training; it says what differs."""
        self.check_sizes(paths.split, inputs.history)
        self.check_tables(inputs.digests)

    def check_sizes(self, split: Path, history: History) -> None:
        """Raise a UserError if direction or sizes of the data are not those of the training."""
        for name in DIRECTION:
            if self.content.get(name) != history.meta.get(name):
                raise UserError(
                    f"{self.folder}: was trained for {name} '{self.content.get(name)}', "
                    f"{split} is of '{history.meta.get(name)}'"
                )
        for name, count in sizes(history).items():
            if self.content["data"].get(name) != count:
                raise UserError(
                    f"{self.folder}: was trained on {self.content['data'].get(name)} {name}, "
                    f"the data now have {count}; train again"
                )

    def check_tables(self, digests: Mapping[str, str]) -> None:
        """Raise a UserError if a table, given by name and digest, is not the one of the training."""
        for name, digest in digests.items():
            if self.content["made_from"].get(name) != digest:
                raise UserError(
                    f"{self.folder}: was trained on another {name.replace('_', ' ')} table than the one given; "
                    "give that one or train again"
                )


def read(folder: Path) -> RunFolder:
    """The run in a folder; a UserError if a file cannot be read or is not what the other file says."""
    path, checkpoint = folder / SETTINGS, folder / CHECKPOINT
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise UserError(f"{path}: cannot be read as the settings of a training run: {error}") from error
    kinds = {"model": str, "seed": int, "settings": dict, "training": dict, "data": dict, "made_from": dict}
    for name, kind in {**kinds, "checkpoint": str}.items():
        if not isinstance(content, dict) or not isinstance(content.get(name), kind):
            raise UserError(f"{path}: has no valid entry '{name}'; train again")
    module = models.load(content["model"])
    settings = resolve(module.Settings, content["settings"], f"{path}: settings")
    training = resolve(Training, content["training"], f"{path}: training")
    try:
        with safe_open(checkpoint, framework="pt") as file:
            note = json.loads((file.metadata() or {}).get("semacdr", "{}"))
        state = load_file(checkpoint)
    except (OSError, ValueError, SafetensorError) as error:
        raise UserError(f"{checkpoint}: cannot be read as a checkpoint: {error}") from error
    if content["checkpoint"] != _sha256(checkpoint):
        raise UserError(f"{checkpoint}: is not the checkpoint that {path} describes; train again")
    if note.get("settings") != _digest(content):
        raise UserError(f"{path}: these are not the settings that {checkpoint} was trained with; train again")
    return RunFolder(folder, System(content["model"], settings, training), content, state)


def _digest(content: dict[str, Any]) -> str:
    """A digest of a run's settings, including direction, model and seed."""
    kept = {name: value for name, value in content.items() if name not in PROVENANCE}
    return hashlib.sha256(json.dumps(kept, sort_keys=True).encode()).hexdigest()


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()

"""Runs: a system with all its settings resolved, for one direction of one scenario. Equal records are one run."""

import dataclasses
import hashlib
import json
from dataclasses import dataclass
from typing import Any

from semacdr.plan.config import Config
from semacdr.plan.models import own_settings, published_loss, without_texts
from semacdr.plan.sections import kind
from semacdr.plan.systems import System, common_settings
from semacdr.plan.tuning import Chosen, Tuned
from semacdr.runtime.settings import as_json, resolve, types_of

READABLE = 60  # characters of a folder's name before the hash, at most


@dataclass(frozen=True)
class Record:
    """What is trained: the model, the complete training settings and own settings, and which of them tuning chose.

    The three are JSON texts with sorted keys, so that equality is identity.
    """

    model: str
    training: str
    settings: str
    tuned: str  # null, or {names, other_data}
    changes: tuple[str, ...] = dataclasses.field(default=(), compare=False)  # for the name alone

    @property
    def digest(self) -> str:
        """Eight hexadecimal digits that follow from the record."""
        text = json.dumps([self.model, self.training, self.settings, self.tuned])
        return hashlib.sha256(text.encode()).hexdigest()[:8]

    @property
    def folder(self) -> str:
        """The run's folder: what is trained, in words as far as there is room, and the digest."""
        loss = json.loads(self.training)["loss"] if published_loss(self.model) else None
        words = [self.model, *([loss] if loss else []), *self.changes]
        readable = words[0]
        for word in words[1:]:
            if len(readable) + len(word) < READABLE:
                readable += f"-{word}"
        return f"{readable}-{self.digest}"


def record(config: Config, tuned: Tuned, scenario: str, direction: str, system: System) -> Record:
    """The run of a system in a direction.

    A setting comes from the system itself, else from tuning, the scenario, the release, the config, or its class. In a
    scenario without texts, the settings that need texts are off, whatever gives them.
    A SettingError says where tuning has to choose a loss and has not.
    """
    base, common = training_base(config, scenario), common_settings(config, scenario)
    own = own_settings(system.model)
    off = {} if config.settings("train", scenario, "Planned").texts else without_texts(system.model)
    system = _switched_off(system, off)
    shared = {name: value for name, value in common.items() if name in types_of(own)}
    chosen = tuned.chosen(scenario, direction, system)
    loss = loss_of(system, chosen, tuned, scenario, direction)
    training = {**base, **chosen.training, **system.training, "loss": loss}
    settings = {**shared, **chosen.settings, **system.settings, **off}
    complete: Any = resolve(kind("train", "Training"), training, "train")
    if not system.learns:
        complete = dataclasses.replace(complete, loss=None)
    return Record(
        model=system.model,
        training=as_json(complete),
        settings=as_json(resolve(own, settings, system.model)),
        tuned=chosen.disclosure(),
        changes=_changes(system, base, dataclasses.asdict(resolve(own, {**shared, **off}, system.model))),
    )


def _switched_off(system: System, off: dict[str, Any]) -> System:
    """The system with its own settings among `off` changed; then it is its host, and is tuned as its host is."""
    own = {name: value for name, value in off.items() if name in system.settings}
    if not own:
        return system
    return dataclasses.replace(system, settings={**system.settings, **own}, tuning_group=None)


def untuned(system: System) -> System:
    """The system as tuning starts from it: a loss that tuning is to choose is the published one."""
    loss = None if system.loss == "tuned" else system.loss
    return dataclasses.replace(system, tuned=False, loss=loss)


def training_base(config: Config, scenario: str) -> dict[str, Any]:
    """The training settings that the config's sections give every system of a scenario."""
    names = types_of(kind("train", "Training"))
    return {name: value for name, value in config.values("train", scenario).items() if name in names}


def loss_of(system: System, chosen: Chosen, tuned: Tuned, scenario: str, direction: str) -> str:
    """The loss that a system is trained with."""
    if system.loss == "tuned":
        return tuned.chosen_loss(scenario, direction, system, chosen) or published_loss(system.model) or "bpr"
    return system.loss or published_loss(system.model) or "bpr"


def _changes(system: System, training: dict[str, Any], settings: dict[str, Any]) -> tuple[str, ...]:
    """The settings in which the system differs from the scenario, as words of a file name."""
    defaults = vars(kind("train", "Training")()) | training
    known = {**defaults, **settings}
    changed = {**system.training, **system.settings}
    words = (f"{name}_{value}".lower().replace("/", "_") for name, value in changed.items() if known.get(name) != value)
    return tuple(word for word in words if word.replace("_", "").replace(".", "").replace("-", "").isalnum())

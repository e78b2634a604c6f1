"""Tuned settings: which ones a system is trained with, what is tuned, and within which ranges.

resources/tuned/<scenario>.json holds the settings that a person copied from results/<scenario>/tuned.json.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from semacdr.errors import UserError
from semacdr.plan.config import Config
from semacdr.plan.models import own_settings, published_loss, setting_inputs, switches
from semacdr.plan.sections import kind
from semacdr.plan.systems import System
from semacdr.runtime.setting_errors import SettingError, known_name
from semacdr.runtime.settings import checked, switched_on, types_of, untunable

FILTERS = ("min_item_interactions", "min_user_interactions", "filter")
# Filters that older files do not name, as they had these values.
LATER = {"duplicates": "earliest", "users": "shared", "shared_ids": "refuse", "draw_seed": 0}


@dataclass(frozen=True)
class Chosen:
    """The settings that tuning chose for a system; `other_data`: the filters of the tuning data, where they differ.

    Where they were tuned on another scenario, `other_data` also names the scenario.
    """

    training: Mapping[str, Any] = field(default_factory=dict)
    settings: Mapping[str, Any] = field(default_factory=dict)
    other_data: Mapping[str, Any] | None = None
    found: bool = False

    def disclosure(self) -> str:
        """What a run's settings.json says of them, as JSON: null where there are none."""
        if not self.found:
            return "null"
        names = sorted([*self.training, *self.settings])
        return json.dumps({"names": names, "other_data": self.other_data}, sort_keys=True)


@dataclass(frozen=True)
class File:
    """A file of tuned settings: by direction and tuning key the entries, and the data that they were tuned on."""

    path: Path | None = None
    directions: Mapping[str, Mapping[str, Mapping[str, Any]]] = field(default_factory=dict)
    release: str | None = None
    filters: Mapping[str, Any] | None = None


def tuning_key(system: System) -> str:
    """The name under which settings are tuned: model, switched inputs, tuning group and loss.

    A system's ablations share its key, and so its settings.
    """
    switched = [name for name in switches(system.model) if switched_on(system.settings.get(name))]
    loss = system.loss or published_loss(system.model)
    return "-".join([system.model, *switched, *filter(None, (system.tuning_group, loss))])


class Tuned:
    """The tuned settings of all scenarios."""

    def __init__(self, config: Config, folders: tuple[Path, ...]) -> None:
        """`folders` may hold <scenario>.json, the first before the later."""
        self.config, self.folders = config, folders
        self._files: dict[str, File] = {}

    def planned(self, scenario: str) -> Any:
        """What a scenario's section train says of tuned settings."""
        return self.config.settings("train", scenario, "Planned")

    def source(self, scenario: str) -> str:
        """The scenario whose tuned settings a scenario uses: the one that train.tuned_from names, else itself."""
        named = self.planned(scenario).tuned_from
        known_name(named or scenario, self.config.scenarios, "scenario", "train", "tuned_from")
        return str(named or scenario)

    def file(self, scenario: str) -> File:
        """A scenario's own file; empty where there is none. A UserError names one that is damaged or of other data."""
        if scenario not in self._files:
            paths = [folder / f"{scenario}.json" for folder in self.folders]
            path = next((path for path in paths if path.exists()), None)
            self._files[scenario] = self._read(path, scenario) if path else File()
        return self._files[scenario]

    def _read(self, path: Path, scenario: str) -> File:
        try:
            content = json.loads(path.read_text(encoding="utf-8"))
            directions, of = content["directions"], content["scenario"]
            for entry in [entry for entries in directions.values() for entry in entries.values()]:
                entry["training"].items(), entry["settings"].items()
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            raise UserError(f"{path}: is not a copy of results/{scenario}/tuned.json: {error!r}") from error
        known = self.config.scenarios[scenario].directions
        if of != scenario or not directions.keys() <= known.keys():
            raise UserError(
                f"{path}: holds scenario {of}, {', '.join(directions)}; it must hold {scenario}, {', '.join(known)}"
            )
        return File(path, directions, content.get("release"), content.get("preprocess"))

    def filters(self, scenario: str) -> dict[str, Any]:
        """How a scenario's data are filtered."""
        preprocess = self.config.settings("preprocess", scenario)
        later = {name: getattr(preprocess, name) for name in LATER}
        changed = {name: value for name, value in later.items() if value != LATER[name]}
        return {name: getattr(preprocess, name) for name in FILTERS} | changed

    def same_data(self, scenario: str) -> bool:
        """Whether a scenario has the release and the filters that its settings were tuned on."""
        file = self.file(scenario)
        return (file.release, file.filters) == (self.config.scenarios[scenario].release, self.filters(scenario))

    def chosen(self, scenario: str, direction: str, system: System) -> Chosen:
        """The tuned settings that a system is trained with in a direction; empty where there are none to use."""
        asked, source = (
            system.tuned if system.tuned is not None else self.planned(scenario).tuned,
            self.source(scenario),
        )
        named = source != scenario  # whoever names another scenario's settings wants them on other data
        if asked is False or (asked is None and not named and not self.same_data(scenario)):
            return Chosen()
        file = self.file(source)
        if named and file.path is None:
            folder = self.folders[0]
            raise SettingError(
                ("train", "tuned_from"), f"{source} has no tuned settings: there is no {folder}/{source}.json"
            )
        place = list(self.config.scenarios[scenario].directions).index(direction)
        direction = list(self.config.scenarios[source].directions)[place]
        entry = file.directions.get(direction, {}).get(tuning_key(system))
        if entry is None:
            return Chosen()
        if not named and file.release not in (None, self.config.scenarios[scenario].release):
            raise UserError(
                f"{file.path}: tuned on release {file.release}, but scenario {scenario} has release"
                f" {self.config.scenarios[scenario].release}; set train.tuned to false or null, or remove the file"
            )
        other = file.filters if file.filters is not None and file.filters != self.filters(scenario) else None
        if named:
            other = {"scenario": source, **(file.filters or {})}
        where = (direction, tuning_key(system))
        try:
            training = checked(kind("train", "Training"), entry["training"], *where, "training")
            settings = checked(own_settings(system.model), entry["settings"], *where, "settings")
        except SettingError as error:
            raise UserError(f"{file.path}: {error}") from error
        return Chosen(training, settings, other, True)

    def chosen_loss(self, scenario: str, direction: str, system: System, chosen: Chosen) -> str | None:
        """The loss that tuning chose for a system with `loss: tuned`; a UserError where it has not been tuned."""
        if not chosen.found:
            raise UserError(
                f"config: '{tuning_key(system)}' has `loss: tuned`, but {direction} has no tuned settings of it: make"
                f" results/{scenario}/tuned.json (examples/tune_loss.yaml), copy it to resources/tuned/{scenario}.json"
            )
        return chosen.training.get("loss")


def ranges(config: Config, scenario: str, name: str, system: System) -> dict[str, Any]:
    """The entries of tune.space for a system named `name`: the common ones, then its own; null removes one.

    The common ones are for training, so they do not apply to a non-learned system.
    """
    given = config.settings("tune", scenario, "Planned").space
    common = dict(given.get("common", {})) if system.learns else {}
    if system.loss != "tuned":
        common.pop("loss", None)
    return {key: value for key, value in (common | given.get(name, {})).items() if value is not None}


def space(config: Config, scenario: str, name: str, system: System, names: list[str]) -> dict[str, Any]:
    """The ranges of a system named `name` in the tuned experiment; a SettingError where one cannot be tuned."""
    path = ("tune", "space")
    given = config.settings("tune", scenario, "Planned").space
    for key in given:
        known_name(key, ["common", *names], "system", *path, str(key))
    training = types_of(kind("train", "Training")) if system.learns else {}
    known = {*training, *types_of(own_settings(system.model))}
    if system.loss != "tuned":
        known.discard("loss")
    found = ranges(config, scenario, name, system)
    for key in found:
        where = (*path, name if key in given.get(name, {}) else "common", key)
        open_loss = "; only a system with `loss: tuned` leaves its loss open" if key == "loss" else ""
        known_name(key, known, f"setting of {name}", *where, hint=open_loss)
        if key in untunable(kind("train", "Training")) or key in setting_inputs(system.model):
            raise SettingError(where, "is the same for all systems, or makes another system: it cannot be tuned")
        if key in system.training or key in system.settings:
            raise SettingError(("tune", "space", name, key), f"{name} sets {key} itself; set it to null here")
    return found

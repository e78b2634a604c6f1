"""Systems: a model, how it is trained, and its own settings, as the config gives them."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import Any, Literal

from semacdr.plan.config import Config, as_mapping, check_name
from semacdr.plan.models import models, own_settings, published_loss, switches
from semacdr.plan.sections import Seeds, kind
from semacdr.runtime.setting_errors import SettingError, known_name
from semacdr.runtime.settings import check, checked, types_of

IDENTITY = {  # what an entry of train.systems says beside training settings
    "model": str,
    "variant": str,
    "tuning_group": str,
    "loss": Literal["bpr", "bce", "gbce", "sampled_softmax", "ce", "tuned"],
    "seeds": Seeds,
    "tuned": bool | None,
    "final": bool,
    "listed": bool,
    "settings": dict,
}


@dataclass(frozen=True)
class System:
    """An entry of train.systems, or a variant of an experiment; `training` and `settings` are what it sets itself."""

    model: str
    variant: str = "full"
    tuning_group: str | None = None  # tuned apart from the model's other groups
    loss: str | None = None  # None: the published one; `tuned`: the one that tuning chose
    seeds: tuple[int, ...] | None = None
    tuned: bool | None = None
    final: bool = False  # whether plain `snakemake` also trains it on all events and packs it
    listed: bool = True  # whether it is a row of result tables that do not choose their rows (metrics.systems: all)
    training: Mapping[str, Any] = field(default_factory=dict)
    settings: Mapping[str, Any] = field(default_factory=dict)

    @property
    def learns(self) -> bool:
        """Whether it is trained; a non-learned baseline has no loss."""
        return published_loss(self.model) is not None

    @property
    def label(self) -> str:
        """Its row in tables of results."""
        return f"{self.model}/{self.variant}"


def parse(given: Any, *path: str, base: Mapping[str, Any] | None = None) -> System:
    """The system of a config entry laid over another entry, `base`; a SettingError names the key that is wrong."""
    for entry in (base or {}, given):
        as_mapping(as_mapping(entry, *path).get("settings", {}), *path, "settings")
    merged = {**(base or {}), **given, "settings": {**(base or {}).get("settings", {}), **given.get("settings", {})}}
    if "model" not in merged:
        raise SettingError((*path, "model"), f"needs a model; the models are {', '.join(models())}")
    model = merged["model"]
    known_name(model, models(), "model", *path, "model")
    if not published_loss(model) and "loss" not in given:
        merged.pop("loss", None)  # the experiment's loss is for the systems that learn
    training, own = types_of(kind("train", "Training")), types_of(own_settings(model))
    known = {**training, **IDENTITY}
    values = {}
    for name, value in merged.items():
        hint = f"; it is a setting of {model}: put it under settings" if name in own else ""
        known_name(name, known, "setting", *path, str(name), hint=hint)
        values[name] = check(known[name], value, *path, name)
    for name in [name for name in ("variant", "tuning_group") if name in values]:
        check_name(values[name], *path, name)
    values["settings"] = checked(own_settings(model), merged["settings"], *path, "settings")
    trained = {name: values.pop(name) for name in training if name in values and name not in IDENTITY}
    return System(**values, training=trained)


def table_systems(config: Config) -> dict[str, System]:
    """The systems of train.systems by name; no two may have the same row in the result table."""
    found: dict[str, System] = {}
    rows: dict[str, str] = {}
    for name, entry in as_mapping(config.given.get("train", {}).get("systems", {}), "train", "systems").items():
        check_name(name, "train", "systems")
        found[name] = parse(entry, "train", "systems", name)
        other = rows.setdefault(found[name].label, name)
        if other != name:
            words = f"{other} and {name} would both be the row {found[name].label}; give one a `variant`"
            raise SettingError(("train", "systems", name), words)
    return found


@cache
def common_settings(config: Config, scenario: str) -> dict[str, Any]:
    """What train.settings sets for every system whose model has it: scenario before release before config."""
    merged = config.values("train", scenario).get("settings", {})
    own = {model: types_of(own_settings(model)) for model in models()}
    known = sorted({name for hints in own.values() for name in hints})
    for name, value in merged.items():
        path = ("train", "settings", str(name))
        if any(name in switches(model) for model in models()):
            raise SettingError(path, "makes another system, with other inputs: set it in train.systems")
        known_name(name, known, "model setting", *path)
        for hints in [hints for hints in own.values() if name in hints]:
            check(hints[name], value, *path)
    return merged

"""Systems: a model, how it is trained, and its own settings, as the config gives them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from functools import cache
from typing import Any, Literal

from semacdr.errors import UserError
from semacdr.plan.config import Config, ConfigError
from semacdr.plan.declarations import SOURCES, literal, settings_class
from semacdr.plan.sections import Seeds, kind
from semacdr.runtime.settings import check, nearest, types_of

INPUTS = ("agnostic", "embeddings", "graphs")
IDENTITY = {  # what an entry of train.systems says beside training settings
    "model": str,
    "variant": str,
    "tuning_group": str,
    "loss": Literal["bpr", "bce", "gbce", "sampled_softmax", "ce", "tuned"],
    "seeds": Seeds,
    "tuned": bool | None,
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


@cache
def models() -> tuple[str, ...]:
    """The models: the files of semacdr/models that declare INPUTS."""
    names = (path.stem for path in sorted(SOURCES.glob("semacdr/models/[!_]*.py")))
    return tuple(name for name in names if literal(f"semacdr.models.{name}", "INPUTS", None) is not None)


def own_settings(model: str) -> type:
    """The class of a model's own settings."""
    return settings_class(f"semacdr.models.{model}")


def published_loss(model: str) -> str | None:
    """The loss that a model was published with; None of a non-learned baseline."""
    return literal(f"semacdr.models.{model}", "LOSS")


def setting_inputs(model: str) -> dict[str, tuple[str, ...]]:
    """By setting, false by default, the inputs that a model needs in addition where it is true."""
    return literal(f"semacdr.models.{model}", "SETTING_INPUTS", {})


def needs(model: str, settings: Mapping[str, Any]) -> list[str]:
    """The inputs of a model under settings, in the order of INPUTS."""
    more = [name for switch, names in setting_inputs(model).items() if settings.get(switch) for name in names]
    return [name for name in INPUTS if name in (*literal(f"semacdr.models.{model}", "INPUTS"), *more)]


def parse(path: Sequence[str], given: Any, base: Mapping[str, Any] | None = None) -> System:
    """The system of a config entry laid over another entry; a ConfigError names the key that is wrong."""
    if not isinstance(given, Mapping):
        raise ConfigError(path, f"must be a mapping, not {given!r}")
    merged = {**(base or {}), **given, "settings": {**(base or {}).get("settings", {}), **given.get("settings", {})}}
    model = merged.get("model")
    if model not in models():
        missing = "needs a model" if model is None else f"there is no model '{model}'{nearest(str(model), models())}"
        raise ConfigError([*path, "model"], f"{missing}; the models are {', '.join(models())}")
    if not published_loss(model) and "loss" not in given:
        merged.pop("loss", None)  # the experiment's loss is for the systems that learn
    training, own = types_of(kind("train", "Training")), types_of(own_settings(model))
    known = {**training, **IDENTITY}
    for name, value in merged.items():
        if name not in known:
            hint = f"; it is a setting of {model}: put it under settings" if name in own else nearest(name, known)
            raise ConfigError(
                [*path, str(name)], f"there is no setting '{name}'{hint}; a system has {', '.join(known)}"
            )
        _check([*path, name], known[name], value)
    for name, value in merged["settings"].items():
        if name not in own:
            names = ", ".join(own) or "none"
            raise ConfigError(
                [*path, "settings", str(name)],
                f"{model} has no setting '{name}'{nearest(name, own)}; its settings are {names}",
            )
        _check([*path, "settings", name], own[name], value)
    identity = {name: merged[name] for name in IDENTITY if name in merged and name != "settings"}
    if "seeds" in identity:
        identity["seeds"] = tuple(identity["seeds"])
    trained = {name: value for name, value in merged.items() if name in training and name != "loss"}
    return System(**identity, training=trained, settings=dict(merged["settings"]))


def _check(path: Sequence[str], kind: Any, value: Any) -> None:
    try:
        check(kind, value, "it")
    except UserError as error:
        raise ConfigError(path, str(error).replace("it must", "must", 1)) from error


def table_systems(config: Config) -> dict[str, System]:
    """The systems of train.systems by name; no two may have the same row in the result table."""
    entries = config.given.get("train", {}).get("systems", {})
    found: dict[str, System] = {}
    for name, entry in entries.items():
        path = ["train", "systems", name]
        found[name] = parse(path, entry)
        for other in [other for other in found if other != name and found[other].label == found[name].label]:
            raise ConfigError(
                path, f"{other} and {name} would both be the row {found[name].label}; give one a `variant`"
            )
    return found


@cache
def common_settings(config: Config, scenario: str) -> dict[str, Any]:
    """What train.settings sets for every system whose model has it: scenario before release before config."""
    merged: dict[str, Any] = {}
    for layer in reversed(config.layers("train", scenario)):
        merged |= layer.get("settings", {})
    for name in merged:
        if any(name in setting_inputs(model) for model in models()):
            raise ConfigError(
                ["train", "settings", name], "makes another system, with other inputs: set it in train.systems"
            )
        owners = [model for model in models() if name in types_of(own_settings(model))]
        if not owners:
            known = sorted({one.name for model in models() for one in fields(own_settings(model))})
            raise ConfigError(["train", "settings", name], f"no model has a setting '{name}'{nearest(name, known)}")
        _check(["train", "settings", name], types_of(own_settings(owners[0]))[name], merged[name])
    return merged

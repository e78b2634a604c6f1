"""Experiments: variants of a system, compared with the first one. A sweep has a variant for each value of a setting."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from semacdr.plan.config import Config, ConfigError, check_name, checked, known_name
from semacdr.plan.declarations import SOURCES
from semacdr.plan.sections import Comparison, kind
from semacdr.plan.systems import System, parse
from semacdr.runtime.settings import types_of

DATA = ("preprocess", "split")  # sections that decide who is ranked, on what


@dataclass(frozen=True)
class Variant:
    """A system of an experiment, trained in the experiment's scenario or in another one of the same data."""

    system: System
    scenario: str | None = None


@dataclass(frozen=True)
class Experiment:
    """An entry of section compare, or cold_start."""

    name: str
    variants: Mapping[str, Variant] = field(default_factory=dict)
    directions: int = 2
    seeds: int | None = None  # the first so many; None: all
    split: str = "test"
    sweep: str | None = None  # the setting whose values are the variants

    @property
    def model(self) -> str:
        """The first variant's model."""
        return next(iter(self.variants.values())).system.model


def reserved() -> set[str]:
    """Names of tables that experiments may not take: those of stages."""
    return {path.stem for path in SOURCES.glob("semacdr/stages/[!_]*.py")} | {"statistics", "tune", "tuned"}


def experiments(config: Config) -> dict[str, Experiment]:
    """All experiments of the config by name; a ConfigError names the entry that is wrong."""
    found = {}
    for name, given in config.given.get("compare", {}).items():
        path = ["compare", str(name)]
        check_name(path, name)
        if name in reserved():
            raise ConfigError(path, f"'{name}' is the name of another table; choose another name")
        found[name] = _experiment(path, name, given, config)
    found["cold_start"] = _experiment(["cold_start"], "cold_start", config.given.get("cold_start", {}), config)
    return found


def _experiment(path: list[str], name: str, given: Any, config: Config) -> Experiment:
    if not isinstance(given, Mapping):
        raise ConfigError(path, f"must be a mapping, not {given!r}")
    own = types_of(Comparison)
    if path[0] == "compare":
        for key in given:
            known_name(path, key, own, "setting")
    if "system" not in given or ("variants" in given) == ("sweep" in given):
        raise ConfigError(path, "needs system, and either variants or sweep")
    base = given["system"]
    parse([*path, "system"], base)
    changes = _swept([*path, "sweep"], given["sweep"]) if "sweep" in given else given["variants"]
    if not isinstance(changes, Mapping) or len(changes) < 2:
        raise ConfigError([*path, "variants"], "needs two variants or more")
    variants = {
        str(key): _variant([*path, "variants", str(key)], key, change, base, config) for key, change in changes.items()
    }
    rest = {key: given[key] for key in ("directions", "seeds", "split") if key in given}
    how = checked(path, Comparison, rest)
    sweep = next(iter(given["sweep"])) if "sweep" in given else None
    return Experiment(name, variants, how.directions, how.seeds, how.split, sweep)


def _variant(path: list[str], name: Any, change: Any, base: Mapping[str, Any], config: Config) -> Variant:
    if not isinstance(change, Mapping):
        raise ConfigError(path, f"must be a mapping, not {change!r}")
    if "sweep" not in path:
        check_name(path, str(name).replace(".", ""))
    change = dict(change)
    scenario = change.pop("scenario", None)
    if scenario is not None:
        known_name([*path, "scenario"], scenario, config.scenarios, "scenario")
    return Variant(parse(path, change, base), scenario)


def _swept(path: list[str], given: Any) -> dict[str, dict[str, Any]]:
    """The variants of a sweep, named by their values."""
    if not isinstance(given, Mapping) or len(given) != 1:
        raise ConfigError(path, "needs one setting and the list of its values")
    ((name, values),) = given.items()
    if not isinstance(values, list) or len({*map(str, values)}) < 2 or not all(type(v) in (int, float) for v in values):
        raise ConfigError([*path, str(name)], f"needs two different numbers or more, not {values!r}")
    training = name in types_of(kind("train", "Training"))
    return {f"{value:g}": {name: value} if training else {"settings": {name: value}} for value in values}


def check_same_data(config: Config, one: str, other: str, experiment: str) -> None:
    """Raise a ConfigError where two scenarios of an experiment do not share users, items, split and candidates."""
    ours, theirs = config.scenarios[one], config.scenarios[other]
    alike = {
        "release": ours.release == theirs.release,
        "domains": list(ours.domains.items()) == list(theirs.domains.items()),
        **{section: config.settings(section, one) == config.settings(section, other) for section in DATA},
    }
    for what in [what for what, same in alike.items() if not same]:
        raise ConfigError(["compare", experiment], f"{one} and {other} differ in {what}, so they cannot be compared")

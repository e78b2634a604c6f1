"""Experiments: variants of a system, compared with the first one. A sweep has a variant for each value of a setting."""

from collections.abc import Container, Mapping
from dataclasses import dataclass, field
from typing import Any

from semacdr.plan.config import Config, as_mapping, check_name
from semacdr.plan.declarations import SOURCES
from semacdr.plan.sections import Comparison, kind
from semacdr.plan.systems import System, parse
from semacdr.runtime.setting_errors import SettingError, known_name
from semacdr.runtime.settings import checked, resolve, types_of

DATA = ("preprocess", "split")  # sections that decide who is ranked, on what
CUTOFFS = (10,)  # of NDCG and HR, by default
HOW = ("directions", "seeds", "split", "cutoffs")  # settings of a comparison


@dataclass(frozen=True)
class Variant:
    """A system of an experiment, trained in the experiment's scenario or in another one of the same data."""

    system: System
    scenario: str | None = None
    against: str | None = None  # the variant that it is compared with; None: the first one


@dataclass(frozen=True)
class Experiment:
    """An entry of section compare, or cold_start."""

    name: str
    variants: Mapping[str, Variant] = field(default_factory=dict)
    directions: int = 2
    seeds: int | None = None  # the first so many; None: all
    split: str = "test"
    cutoffs: tuple[int, ...] = CUTOFFS
    sweep: str | None = None  # the setting whose values are the variants

    @property
    def model(self) -> str:
        """The first variant's model."""
        return next(iter(self.variants.values())).system.model

    @property
    def options(self) -> list[str]:
        """How its variants are compared, as words of a command line; none where all is as by default."""
        pairs = [("--against", name, one.against) for name, one in self.variants.items() if one.against]
        cutoffs = ["--cutoffs", *map(str, self.cutoffs)] if self.cutoffs != CUTOFFS else []
        return [*(word for pair in pairs for word in pair), *cutoffs]


def reserved() -> set[str]:
    """Names of tables that experiments may not take: those of stages."""
    return {path.stem for path in SOURCES.glob("semacdr/stages/[!_]*.py")} | {"statistics", "summary", "tune", "tuned"}


def experiments(config: Config) -> dict[str, Experiment]:
    """All experiments of the config by name; a SettingError names the entry that is wrong."""
    found = {}
    for name, given in as_mapping(config.given.get("compare", {}), "compare").items():
        check_name(name, "compare")
        if name in reserved():
            raise SettingError(("compare", name), f"'{name}' is the name of another table; choose another name")
        if experiment_of(name, config.given["compare"]) != name:
            raise SettingError(("compare", name), f"'{name}' is the name of a table of another experiment; rename one")
        checked(Comparison, given, "compare", name)
        found[name] = _experiment(name, given, config, "compare", name)
    given = config.given.get("cold_start", {})
    own = {key: value for key, value in given.items() if key in types_of(Comparison)}
    found["cold_start"] = _experiment("cold_start", own, config, "cold_start")
    return found


def experiment_of(table: str, experiments: Container[str]) -> str:
    """The experiment that a table of results belongs to, by the table's name: <experiment> or <experiment>_ties."""
    name = table.removesuffix("_ties")
    return name if name in experiments else table


def _experiment(name: str, given: Mapping[str, Any], config: Config, *path: str) -> Experiment:
    if "system" not in given or (given.get("variants") is None) == (given.get("sweep") is None):
        raise SettingError(path, "needs system, and either variants or sweep")
    base, sweep = given["system"], given.get("sweep")
    parse(base, *path, "system")
    changes = given["variants"] if sweep is None else _swept(sweep, *path, "sweep")
    if len(changes) < 2:
        raise SettingError((*path, "variants"), "needs two variants or more")
    variants = {}
    for key, change in changes.items():
        if sweep is None:
            check_name(key.replace(".", "") if isinstance(key, str) else key, *path, "variants")
        variants[key] = _variant(change, base, config, *path, "sweep" if sweep else "variants", key)
    _check_references(variants, *path, "variants")
    how = resolve(Comparison, {key: given[key] for key in HOW if key in given}, *path)
    if not {*CUTOFFS} <= {*how.cutoffs}:
        needs = f"must have {CUTOFFS[0]} among them, which figures and the report show"
        raise SettingError((*path, "cutoffs"), f"{needs}; they are {', '.join(map(str, how.cutoffs))}")
    swept = next(iter(sweep)) if sweep else None
    return Experiment(name, variants, how.directions, how.seeds, how.split, how.cutoffs, swept)


def _check_references(variants: Mapping[str, Variant], *path: str) -> None:
    """Raise a SettingError where a variant is compared with one that is not there, or with itself."""
    for name, variant in variants.items():
        if variant.against is not None:
            others = [other for other in variants if other != name]
            known_name(variant.against, others, "other variant", *path, name, "against")


def _variant(change: Any, base: Mapping[str, Any], config: Config, *path: str) -> Variant:
    own = {key: value for key, value in as_mapping(change, *path).items() if key not in ("scenario", "against")}
    scenario = change.get("scenario")
    if scenario is not None:
        known_name(scenario, config.scenarios, "scenario", *path, "scenario")
    return Variant(parse(own, *path, base=base), scenario, change.get("against"))


def _swept(given: Mapping[str, Any], *path: str) -> dict[str, dict[str, Any]]:
    """The variants of a sweep, named by their values."""
    if len(given) != 1:
        raise SettingError(path, "needs one setting and the list of its values")
    ((name, values),) = given.items()
    if not all(type(value) in (int, float) for value in values) or len({f"{value:g}" for value in values}) < max(
        2, len(values)
    ):
        raise SettingError((*path, str(name)), f"needs two different numbers or more, not {values!r}")
    training = name in types_of(kind("train", "Training"))
    return {f"{value:g}": {name: value} if training else {"settings": {name: value}} for value in values}


def check_same_data(config: Config, one: str, other: str, experiment: str) -> None:
    """Raise a SettingError where two scenarios of an experiment do not share users, items, split and candidates."""
    ours, theirs = config.scenarios[one], config.scenarios[other]
    alike = {
        "release": ours.release == theirs.release,
        "domains": list(ours.domains.items()) == list(theirs.domains.items()),
        **{section: config.settings(section, one) == config.settings(section, other) for section in DATA},
    }
    for what in [what for what, same in alike.items() if not same]:
        raise SettingError(("compare", experiment), f"{one} and {other} differ in {what}, so they cannot be compared")

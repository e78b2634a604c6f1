"""The config: checked once, key by key, and looked up by scenario. An error names the file, the line and the key."""

import dataclasses
import os
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from semacdr.errors import UserError
from semacdr.plan import sections
from semacdr.runtime.settings import check, nearest, resolve, types_of

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]*")
CATEGORY = re.compile(r"[A-Za-z0-9][A-Za-z0-9_&-]*")
TOP = ("run", "scenarios", "raw", "compare")
SCENARIO = ("release", "domains")


class ConfigError(UserError):
    """A wrong entry: the path of keys to it, and what is wrong with it."""

    def __init__(self, path: Sequence[str], message: str) -> None:
        super().__init__(f"{'.'.join(path)}: {message}" if path else message)
        self.path = tuple(path)


@dataclass(frozen=True)
class Scenario:
    """Two domains of a release, each with its category; its sections override those of the release and the config."""

    name: str
    release: str
    domains: dict[str, str]
    sections: dict[str, dict[str, Any]]

    @property
    def directions(self) -> dict[str, tuple[str, str]]:
        """By name of a direction its source and target, the config's first domain first as source."""
        first, second = self.domains
        return {f"{a}_to_{b}": (a, b) for a, b in ((first, second), (second, first))}


class Config:
    """A checked config."""

    def __init__(self, given: Mapping[str, Any]) -> None:
        """Check all of it; a ConfigError names the first entry that is wrong."""
        known = (*TOP, *sections.sections())
        for name in given:
            known_name((), name, known, "section")
        self.given = given
        self.raw = {name: _release(name, value) for name, value in as_mapping(("raw",), given.get("raw", {})).items()}
        self.release_sections = {
            name: _overrides(("raw", name), as_mapping(("raw", name), value), types_of(sections.Release))
            for name, value in given["raw"].items()
        }
        for section in sections.sections():
            _section((section,), section, given.get(section, {}), systems=section == "train")
        scenarios = as_mapping(("scenarios",), given.get("scenarios", {}))
        self.scenarios = {name: self._scenario(name, value) for name, value in scenarios.items()}
        self.run = self._run(given.get("run", []))

    def _run(self, names: Any) -> list[str]:
        if not isinstance(names, list):
            raise ConfigError(("run",), f"must be a list of scenarios, not {names!r}")
        for name in names:
            known_name(("run",), name, self.scenarios, "scenario")
        return names

    def _scenario(self, name: str, value: Any) -> Scenario:
        path = ("scenarios", name)
        check_name(path, name)
        value = as_mapping(path, value)
        for needed in [needed for needed in SCENARIO if needed not in value]:
            raise ConfigError(path, f"needs {needed}")
        known_name((*path, "release"), value["release"], self.raw, "release")
        domains = as_mapping((*path, "domains"), value["domains"])
        if len(domains) != 2:
            raise ConfigError(
                (*path, "domains"), f"must name two domains, not {len(domains)}: {', '.join(map(str, domains))}"
            )
        for domain, category in domains.items():
            check_name((*path, "domains", str(domain)), domain)
            if not isinstance(category, str) or not CATEGORY.fullmatch(category):
                allowed = "a category's name: letters, digits, '_', '-' and '&'"
                raise ConfigError((*path, "domains", domain), f"must be {allowed}; it is {category!r}")
        if len({*domains.values()}) < 2:
            raise ConfigError((*path, "domains"), f"both domains are the category {category}; name two")
        return Scenario(name, value["release"], dict(domains), _overrides(path, value, SCENARIO))

    def layers(self, section: str, scenario: str | None = None) -> list[Mapping[str, Any]]:
        """What sets a section's values, the first before the later: scenario, release, config."""
        own = [self.given.get(section, {})]
        if scenario is None:
            return own
        found = self.scenarios[scenario]
        return [found.sections.get(section, {}), self.release_sections[found.release].get(section, {}), *own]

    def values(self, section: str, scenario: str | None = None) -> dict[str, Any]:
        """What is set in a section, without the defaults of its classes."""
        merged: dict[str, Any] = {}
        for layer in reversed(self.layers(section, scenario)):
            merged |= layer
        return merged

    def settings(self, section: str, scenario: str | None = None, kind: str = "Settings") -> Any:
        """The settings object of a section: its class Settings, Options or Training, or the planner's own."""
        own = sections.PLANNED[section] if kind == "Planned" else sections.kind(section, kind)
        names = {field.name for field in dataclasses.fields(own)}
        given = {name: value for name, value in self.values(section, scenario).items() if name in names}
        return resolve(own, given, section)


def in_order(given: Any, shipped: Any) -> Any:
    """The config in the order of config.yaml, whatever an overlay names first.

    Rows of tables have that order, and an experiment's first variant is the one that the others are compared with.
    """
    if not (isinstance(given, dict) and isinstance(shipped, dict)):
        return given
    return {name: in_order(given[name], shipped.get(name)) for name in shipped | given if name in given}


def load(given: Mapping[str, Any], files: Iterable[Path]) -> Config:
    """The checked config; a UserError is one line with the file and the line of the wrong entry."""
    try:
        return Config(given)
    except ConfigError as error:
        raise UserError(f"{locate(error.path, files)}: {error}") from error


def locate(path: Sequence[str], files: Iterable[Path]) -> str:
    """The last of the files that has an entry, and its line there; the deepest key that a file has counts."""
    best, found = 0, "config"
    for file in files:
        node, depth, line = yaml.compose(Path(file).read_text(encoding="utf-8"), yaml.SafeLoader), 0, 1
        for key in path:
            pairs = node.value if isinstance(node, yaml.MappingNode) else []
            entry = next(((k, v) for k, v in pairs if getattr(k, "value", None) == str(key)), None)
            if entry is None:
                break
            depth, line, node = depth + 1, entry[0].start_mark.line + 1, entry[1]
        if depth >= best and depth:
            name = os.path.relpath(file) if Path(file).is_relative_to(Path.cwd()) else file
            best, found = depth, f"{name}, line {line}"
    return found


def as_mapping(path: Sequence[str], value: Any) -> Mapping[str, Any]:
    """The value; a ConfigError if it is no mapping."""
    if not isinstance(value, Mapping):
        raise ConfigError(path, f"must be a mapping, not {value!r}")
    return value


def check_name(path: Sequence[str], name: Any) -> None:
    """Raise a ConfigError that explains the rules where a key cannot be a name."""
    if isinstance(name, bool):
        raise ConfigError(path, f"YAML reads this key as {str(name).lower()}; put the name in quotes")
    if not isinstance(name, str) or not NAME.fullmatch(name):
        raise ConfigError(path, f"{name!r} is no name: use letters, digits, '_' and '-', with a letter or digit first")


def known_name(path: Sequence[str], name: Any, known: Iterable[str], what: str) -> None:
    """Raise a ConfigError that lists the known names where a name is none of them."""
    known = list(known)
    if name not in known:
        raise ConfigError(
            (*path, str(name)),
            f"there is no {what} '{name}'{nearest(name, known)}; known: {', '.join(known) or 'none'}",
        )


def _release(name: str, value: Any) -> Any:
    path = ("raw", name)
    check_name(path, name)
    names = types_of(sections.Release)
    own = {key: one for key, one in as_mapping(path, value).items() if key in names}
    if "source" not in own:
        raise ConfigError(path, "needs source: sample, local or download")
    release = checked(path, sections.Release, own)
    if release.source == "local" and release.folder is None:
        raise ConfigError(path, "source local needs folder, the folder that holds the files")
    if release.source == "local" and Path(release.folder).resolve() == Path("resources/raw", name).resolve():
        raise ConfigError((*path, "folder"), "is where the workflow writes and deletes; keep your files elsewhere")
    if release.url is not None and release.url.keys() != {"reviews", "meta"}:
        raise ConfigError((*path, "url"), f"needs the addresses reviews and meta, not {', '.join(release.url)}")
    return release


def _overrides(path: Sequence[str], value: Mapping[str, Any], own: Iterable[str]) -> dict[str, dict[str, Any]]:
    """The sections of a scenario or a release."""
    known = [name for name in sections.sections() if name not in sections.UNSCOPED]
    found = {}
    for name, section in value.items():
        if name in own:
            continue
        known_name(path, name, (*own, *known), "entry")
        _section((*path, name), name, section)
        found[name] = dict(section)
    return found


def _section(path: Sequence[str], section: str, value: Any, systems: bool = False) -> None:
    """Check a section's entries: each belongs to one of its classes, with the type and bounds that it has there."""
    classes = sections.sections()[section]
    where = {name: kind for kind in classes for name in types_of(kind)}
    for name, one in as_mapping(path, value).items():
        if name == "systems" and systems:
            continue
        if name not in where:
            raise ConfigError((*path, str(name)), _unknown(section, name, where))
        checked(path, where[name], {name: one})


def _unknown(section: str, name: str, known: Iterable[str]) -> str:
    others = [other for other in sections.sections() if name in sections.fields(other)]
    if section == "train" and any(name in own for own in model_settings().values()):
        return f"'{name}' is a model's own setting: put it under train.settings, or under a system's settings"
    elsewhere = f"; section {', '.join(others)} has it" if others else ""
    return f"there is no setting '{name}'{nearest(name, known)}{elsewhere}; the settings are {', '.join(known)}"


def checked(path: Sequence[str], kind: type, given: Mapping[str, Any]) -> Any:
    """The settings of a class from part of its fields; a ConfigError names the wrong one."""
    hints = types_of(kind)
    for name, value in given.items():
        try:
            check(hints[name], value, "it")
        except UserError as error:
            raise ConfigError((*path, name), str(error).replace("it must", "must", 1)) from error
    return resolve(kind, given, ".".join(path))


def model_settings() -> dict[str, dict[str, Any]]:
    """By model its own settings' types."""
    from semacdr.plan.systems import models, own_settings

    return {model: types_of(own_settings(model)) for model in models()}

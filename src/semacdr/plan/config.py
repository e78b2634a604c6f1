"""The config: checked once, key by key, and looked up by scenario. An error names the key."""

import dataclasses
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from semacdr.data.own_tables import as_names, check_tables
from semacdr.plan import sections
from semacdr.plan.models import models, own_settings
from semacdr.runtime.setting_errors import SettingError, known_name, known_names, nearest
from semacdr.runtime.settings import check, resolve, types_of

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]*")
CATEGORY = re.compile(r"[A-Za-z0-9][A-Za-z0-9_&-]*")
TOP = ("run", "scenarios", "raw", "compare")
SCENARIO = ("release", "domains")


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
        """Check all of it; a SettingError names the first entry that is wrong."""
        for name in given:
            known_name(name, (*TOP, *sections.sections()), "section", str(name))
        self.given = given
        self.raw: dict[str, sections.Release] = {}
        self.release_sections: dict[str, dict[str, dict[str, Any]]] = {}
        for name, value in as_mapping(given.get("raw", {}), "raw").items():
            self.raw[name] = _release(name, value)
            self.release_sections[name] = _overrides(value, types_of(sections.Release), "raw", name)
        for section in sections.sections():
            _check_section(section, given.get(section, {}), section)
        scenarios = as_mapping(given.get("scenarios", {}), "scenarios")
        self.scenarios = {name: self._scenario(name, value) for name, value in scenarios.items()}
        self.run = list(check(tuple[str, ...], given.get("run", []), "run"))
        known_names(self.run, self.scenarios, "scenario", "run")

    def _scenario(self, name: Any, value: Any) -> Scenario:
        check_name(name, "scenarios")
        path = ("scenarios", name)
        for needed in [needed for needed in SCENARIO if needed not in as_mapping(value, *path)]:
            raise SettingError(path, f"needs {needed}")
        known_name(value["release"], self.raw, "release", *path, "release")
        domains = as_mapping(value["domains"], *path, "domains")
        for domain, category in domains.items():
            check_name(domain, *path, "domains")
            if not isinstance(category, str) or not CATEGORY.fullmatch(category):
                allowed = "a category's name: letters, digits, '_', '-' and '&'"
                raise SettingError((*path, "domains", domain), f"must be {allowed}; it is {category!r}")
        if len(domains) != 2:
            raise SettingError(
                (*path, "domains"), f"must name two domains, not {len(domains)}: {', '.join(domains) or 'none'}"
            )
        found = Scenario(name, value["release"], dict(domains), _overrides(value, SCENARIO, *path))
        if len({*domains.values()}) < 2:
            raise SettingError((*path, "domains"), f"both domains are the category {category}; name two")
        tables = self.raw[found.release].tables
        for domain, category in domains.items() if tables is not None else ():
            known_name(category, tables or (), "table", *path, "domains", domain)
        if len(found.directions) < 2:
            raise SettingError(
                (*path, "domains"), f"both directions would be {', '.join(found.directions)}; rename one"
            )
        return found

    def values(self, section: str, scenario: str | None = None) -> dict[str, Any]:
        """What is set in a section by the scenario, else its release, else the config; without defaults of classes.

        Where a setting is a mapping, each of its keys is looked up so.
        """
        layers = [self.given.get(section, {})]
        if scenario is not None:
            found = self.scenarios[scenario]
            layers += [self.release_sections[found.release].get(section, {}), found.sections.get(section, {})]
        merged: dict[str, Any] = {}
        for name, value in [entry for layer in layers for entry in layer.items()]:
            both = isinstance(value, Mapping) and isinstance(merged.get(name), Mapping)
            merged[name] = {**merged[name], **value} if both else value
        return merged

    def settings(self, section: str, scenario: str | None = None, kind: str = "Settings") -> Any:
        """The settings object of a section: its class Settings, Options or Training, or the planner's own."""
        own = sections.PLANNED[section] if kind == "Planned" else sections.kind(section, kind)
        names = {field.name for field in dataclasses.fields(own)}
        given = {name: value for name, value in self.values(section, scenario).items() if name in names}
        return resolve(own, given, section)


def as_mapping(value: Any, *path: str | int) -> Mapping[str, Any]:
    """The value; a SettingError if it is not a mapping."""
    if not isinstance(value, Mapping):
        raise SettingError(path, f"must be a mapping, not {value!r}")
    return value


def check_name(name: Any, *path: str | int) -> None:
    """Raise a SettingError that explains the rules where a key cannot be a name; `path` leads to its mapping."""
    if isinstance(name, bool):
        raise SettingError(path, f"YAML reads a key as {str(name).lower()}; put the name in quotes")
    if not isinstance(name, str) or not NAME.fullmatch(name):
        rule = "use letters, digits, '_' and '-', with a letter or digit first"
        quotes = "" if isinstance(name, str) else ", in quotes"
        raise SettingError((*path, str(name)), f"{name!r} is not a valid name: {rule}{quotes}")


def _release(name: Any, value: Any) -> sections.Release:
    check_name(name, "raw")
    path = ("raw", name)
    names = types_of(sections.Release)
    if "source" not in as_mapping(value, *path):
        raise SettingError(path, "needs source: sample, local, download or table")
    release = resolve(sections.Release, {key: one for key, one in value.items() if key in names}, *path)
    if release.source == "local" and release.folder is None:
        raise SettingError(path, "source local needs folder, the folder that holds the files")
    if release.source == "local" and Path(str(release.folder)).resolve() == Path("resources/raw", name).resolve():
        raise SettingError((*path, "folder"), "is where the workflow writes and deletes; keep your files elsewhere")
    if (release.source == "table") != bool(release.tables):
        what = "source table needs tables, its" if release.source == "table" else "tables needs source: table, with"
        raise SettingError(path, f"{what} files and columns by category")
    for category, table in (release.tables or {}).items():
        for kind in ("interactions", "items"):
            for file in as_names(getattr(table, kind)):
                refuse_braces(file, *path, "tables", category, kind)
    check_tables(release.tables or {}, *path, "tables")
    refuse_braces(release.folder or "", *path, "folder")
    if release.url is not None and release.url.keys() != {"reviews", "meta"}:
        raise SettingError((*path, "url"), f"needs the addresses reviews and meta, not {', '.join(release.url)}")
    return release


def _overrides(value: Mapping[str, Any], own: Iterable[str], *path: str | int) -> dict[str, dict[str, Any]]:
    """The sections of a scenario or a release, whose own entries are `own`."""
    known = [*own, *(name for name in sections.sections() if name not in sections.UNSCOPED)]
    found = {}
    for name in [name for name in value if name not in own]:
        known_name(name, known, "entry", *path, str(name))
        _check_section(name, value[name], *path, name)
        found[name] = dict(value[name])
    return found


def _check_section(section: str, value: Any, *path: str | int) -> None:
    """Check a section's entries: each belongs to one of its classes, with the type and bounds that it has there."""
    kinds = [kind for kind in sections.sections()[section] if len(path) == 1 or kind is not sections.Comparison]
    hints = {name: hint for kind in kinds for name, hint in types_of(kind).items()}
    for name, one in as_mapping(value, *path).items():
        if (*path, name) == ("train", "systems"):
            continue  # semacdr.plan.systems checks them
        known_name(name, hints, "setting", *path, str(name), hint=_hint(section, name, hints))
        check(hints[name], one, *path, name)


def _hint(section: str, name: str, known: Iterable[str]) -> str:
    """Where a setting that a section does not have may belong."""
    if section == "train" and any(name in types_of(own_settings(model)) for model in models()):
        return "; it is a model's own setting: put it under train.settings, or under a system's settings"
    others = [other for other in sections.sections() if name in sections.fields(other)]
    return nearest(name, known) + (f"; section {', '.join(others)} has it" if others else "")


def refuse_braces(file: str, *path: str | int) -> None:
    """Raise a SettingError where the path of an input has braces; `path` leads to its setting."""
    if "{" in file or "}" in file:
        raise SettingError(path, f"Snakemake reads braces in a path as a wildcard; rename {file}")

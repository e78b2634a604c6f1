"""The raw files of a scenario, or the tables of your own in their place."""

import dataclasses
import json
from pathlib import Path
from typing import Any

from semacdr.data.own_tables import BOTH, OwnTable, as_names, matching, with_files
from semacdr.errors import UserError
from semacdr.plan.config import Config
from semacdr.runtime.setting_errors import SettingError

KINDS = ("reviews", "meta")


def raw_files(config: Config, scenario: str, kind: str) -> list[str]:
    """The raw files of a kind, of both domains in the order of the config."""
    found = config.scenarios[scenario]
    if config.raw[found.release].tables is not None:
        return []
    return [f"resources/raw/{found.release}/{kind}_{category}.json.gz" for category in found.domains.values()]


def local_file(config: Config, release: str, kind: str, category: str) -> list[str]:
    """The file in the folder of a local release; a changed one makes everything after it stale. Else none."""
    from semacdr.data.local import find_local

    own = config.raw[release]
    if own.source != "local" or own.folder is None:
        return []
    return [str(find_local(Path(own.folder), category, kind, release))]


def own_tables(config: Config, scenario: str) -> dict[str, OwnTable]:
    """By domain of a scenario the tables of its release, with the files that their patterns match; else none."""
    found = config.scenarios[scenario]
    tables = config.raw[found.release].tables
    if tables is None:
        return {}
    return {domain: with_files(tables[category]) for domain, category in found.domains.items()}


def table_files(config: Config, scenario: str) -> list[str]:
    """All files of a scenario's own tables, each once."""
    tables = own_tables(config, scenario).values()
    return list(dict.fromkeys(file for table in tables for kind in BOTH for file in table.files(kind)))


def source_options(config: Config, scenario: str) -> list[str]:
    """What stage preprocess reads, as words of a command line."""
    if tables := own_tables(config, scenario):
        by_domain: dict[str, Any] = {domain: dataclasses.asdict(table) for domain, table in tables.items()}
        return ["--tables", json.dumps(by_domain, ensure_ascii=False)]
    return ["--reviews", *raw_files(config, scenario, "reviews"), "--metadata", *raw_files(config, scenario, "meta")]


def check_files(config: Config, scenario: str) -> None:
    """Raise a SettingError where a scenario lacks a file of its local release or of its own tables.

    Once there are results, Snakemake drops what the input functions of early rules raise; so this is checked first.
    """
    found = config.scenarios[scenario]
    tables = config.raw[found.release].tables
    if tables is not None:
        for category in found.domains.values():
            _check_own(tables[category], ("raw", found.release, "tables", category))
        if config.settings("semantics", scenario).reviews:
            raise SettingError(("scenarios", scenario), "semantics.reviews needs reviews, which tables do not have")
        return
    for category in found.domains.values():
        for kind in KINDS:
            try:
                local_file(config, found.release, kind, category)
            except UserError as error:
                raise SettingError(("raw", found.release, "folder"), f"scenario {scenario}: {error}") from error


def _check_own(table: OwnTable, path: tuple[str, ...]) -> None:
    for kind in BOTH:
        for name in as_names(getattr(table, kind)):
            if not (files := matching(name)) or not all(Path(file).exists() for file in files):
                raise SettingError((*path, kind), f"there is no file {name}; paths start in {Path.cwd()}")


def place_options(config: Config, release: str, kind: str) -> list[str]:
    """Where a raw file comes from, as words of a command line."""
    own = config.raw[release]
    folder = ["--folder", own.folder] if own.folder else []
    return folder + (["--url", own.url[kind]] if own.url else [])

"""The raw files of a scenario."""

from pathlib import Path

from semacdr.errors import UserError
from semacdr.plan.config import Config
from semacdr.runtime.setting_errors import SettingError

KINDS = ("reviews", "meta")


def raw_files(config: Config, scenario: str, kind: str) -> list[str]:
    """The raw files of a kind, of both domains in the order of the config."""
    found = config.scenarios[scenario]
    return [f"resources/raw/{found.release}/{kind}_{category}.json.gz" for category in found.domains.values()]


def local_file(config: Config, release: str, kind: str, category: str) -> list[str]:
    """The file in the folder of a local release; a changed one makes everything after it stale. Else none."""
    from semacdr.data.local import find_local

    own = config.raw[release]
    if own.source != "local" or own.folder is None:
        return []
    return [str(find_local(Path(own.folder), category, kind, release))]


def check_local(config: Config, scenario: str) -> None:
    """Raise a SettingError where the local release of a scenario lacks a file.

    Once there are results, Snakemake drops what the input functions of early rules raise; so this is asked first.
    """
    found = config.scenarios[scenario]
    for category in found.domains.values():
        for kind in KINDS:
            try:
                local_file(config, found.release, kind, category)
            except UserError as error:
                raise SettingError(("raw", found.release, "folder"), f"scenario {scenario}: {error}") from error


def place_options(config: Config, release: str, kind: str) -> list[str]:
    """Where a raw file comes from, as words of a command line."""
    own = config.raw[release]
    folder = ["--folder", own.folder] if own.folder else []
    return folder + (["--url", own.url[kind]] if own.url else [])

"""Check the data that a config names: what was understood, what the filters leave, and what looks wrong.

CONFIG is laid over config.yaml, as with Snakemake's --configfile. For each scenario in `run`, one screen shows its
files, columns and times, the rows, users and items after each filter, and warnings with what to do. Nothing is written,
and no stage runs. The exit status is 1 if the workflow would stop, or could rank nobody.
"""

import argparse
import shlex
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from semacdr.data.amazon_source import AmazonFiles
from semacdr.data.local import files_of, find_local
from semacdr.data.own_tables import BOTH, OwnTable, as_names
from semacdr.data.reading import Source
from semacdr.data.table_source import TableSource
from semacdr.errors import UserError
from semacdr.plan import asking
from semacdr.plan.config import Config
from semacdr.plan.config_files import in_order, laid_over, locate, shown
from semacdr.plan.declarations import SOURCES
from semacdr.plan.raw import KINDS, check_files, own_tables
from semacdr.plan.start import load_plan
from semacdr.reporting.data_check.examine import examine
from semacdr.reporting.data_check.facts import ERROR, Asked, Facts
from semacdr.reporting.data_check.screen import MOST_FINDINGS, Origin, screen
from semacdr.runtime.cli import parser
from semacdr.runtime.setting_errors import SettingError, known_name

RAW, INBOX = Path("resources/raw"), Path("resources/inbox")


def arguments(argv: Sequence[str] | None) -> argparse.Namespace:
    """The command line."""
    cli = parser(__doc__)
    cli.add_argument("config", nargs="*", type=Path, metavar="CONFIG", help="config files to lay over config.yaml")
    cli.add_argument("--scenario", action="append", help="check this scenario in place of those in `run`; repeatable")
    cli.add_argument("--all", action="store_true", help="show all warnings")
    return cli.parse_args(argv)


def main(argv: Sequence[str] | None = None) -> None:
    """Print the report; exits with status 1 where there is an error."""
    args = arguments(argv)
    files = [SOURCES.parent / "config.yaml", *args.config]
    config = load_plan(read(files), files).config  # the plan checks all systems and experiments
    names = args.scenario or config.run
    for name in names:
        known_name(name, config.scenarios, "scenario", "--scenario")
    if not names:
        raise UserError("the config has no scenario in `run`; name one there, or with --scenario")
    failed = False
    for place, name in enumerate(names):
        facts, text = check_scenario(config, name, files, None if args.all else MOST_FINDINGS)
        print(("\n" if place else "") + text)
        failed |= facts.failed
    if failed:
        sys.exit(1)


def read(files: Sequence[Path]) -> dict[str, Any]:
    """The files laid over each other, in the order of the first; a UserError names a file that cannot be read."""
    merged: Mapping[str, Any] = {}
    for file in files:
        try:
            content = yaml.safe_load(file.read_text(encoding="utf-8"))
        except OSError as error:
            raise UserError(f"{file}: cannot be read: {error.strerror}") from error
        except (yaml.YAMLError, UnicodeDecodeError) as error:
            raise UserError(f"{file}: not YAML: {' '.join(str(error).split())}") from error
        if not isinstance(content or {}, Mapping):
            raise UserError(f"{file}: must hold sections, such as `run: [shop]`; it holds {type(content).__name__}")
        merged = laid_over(merged, content or {})
    return in_order(dict(merged), yaml.safe_load(files[0].read_text(encoding="utf-8")))


def check_scenario(config: Config, name: str, files: Sequence[Path], most: int | None) -> tuple[Facts, str]:
    """What was found in a scenario's data, and its screen with at most so many findings."""
    found = config.scenarios[name]
    given = " ".join(shlex.quote(shown(file)) for file in files[1:])
    command = "snakemake --cores 8" + (f" --configfile {given} --" if given else "")
    command += f" results/{name}/metrics.tsv"
    facts = Facts()
    labels: dict[str, dict[str, str]] = {}
    try:
        check_files(config, name)
        source = source_of(config, name)
        labels = described(config, name, source)
        problem = categories_problem(config, name)
        facts = examine(source, asked_of(config, name, categories=problem is None))
        if problem:  # beside the counts, which do not need the categories
            facts.findings.insert(0, (ERROR, f"{locate(problem.path, files)}: {problem}"))
    except SettingError as error:
        facts.findings.append((ERROR, f"{locate(error.path, files)}: {error}"))
    except UserError as error:
        facts.findings.append((ERROR, str(error)))
    origin = Origin(name, found.release, config.raw[found.release].source, labels, command)
    return facts, screen(origin, facts, list(found.domains), most)


def categories_problem(config: Config, name: str) -> SettingError | None:
    """Why the shared categories of a scenario cannot be made, if it needs any."""
    try:
        if config.settings("train", name, "Planned").texts:
            asking.taxonomy_file(config, name)
            asking.filings(config, name)
    except SettingError as error:
        return error
    return None


def asked_of(config: Config, name: str, categories: bool) -> Asked:
    """What the config asks of a scenario; `categories`: whether those of columns can be made."""
    texts = config.settings("train", name, "Planned").texts
    own = config.settings("taxonomy", name)
    by_columns = categories and asking.stage_engine(config, name, "taxonomy") == "columns"
    return Asked(
        config.scenarios[name].directions, config.settings("preprocess", name), config.settings("split", name), texts,
        config.settings("encode", name).encoder, own.columns if by_columns else {}, own.values, own.min_value_items,
    )  # fmt: skip


def source_of(config: Config, name: str) -> Source:
    """The source of a scenario's data; a UserError where its files are not there yet."""
    if tables := own_tables(config, name):
        return TableSource(tables)
    paths: dict[str, dict[str, Path]] = {kind: {} for kind in KINDS}
    for domain, category in config.scenarios[name].domains.items():
        for kind in KINDS:
            paths[kind][domain] = _raw_file(config, name, category, kind)
    return AmazonFiles(paths["reviews"], paths["meta"])


def _raw_file(config: Config, name: str, category: str, kind: str) -> Path:
    """The raw file of a category where it is now: made by the workflow, in the user's folder, or in the inbox."""
    release = config.scenarios[name].release
    own = config.raw[release]
    if own.source == "local":
        return find_local(Path(str(own.folder)), category, kind, release)
    made = RAW / release / f"{kind}_{category}.json.gz"
    if made.exists():
        return made
    if own.source == "download" and (waiting := files_of(INBOX / release, category, kind, release)):
        return waiting[0]
    how = "simulates" if own.source == "sample" else "downloads"
    raise UserError(
        f"{made}: is not there yet; the workflow {how} it: run `snakemake --cores 1 {made}`"
        f"{' with the same --configfile' if own.source == 'download' else ''}, then check again"
    )


def described(config: Config, name: str, source: Source) -> dict[str, dict[str, str]]:
    """By label and domain the files and, for tables, the names of their columns."""
    if isinstance(source, AmazonFiles):
        return {
            "reviews": {domain: str(path) for domain, path in source.reviews.items()},
            "metadata": {domain: str(path) for domain, path in source.metadata.items()},
        }
    tables = own_tables(config, name)
    rows: dict[str, dict[str, str]] = {
        kind: {domain: _files(table, kind) for domain, table in tables.items()} for kind in BOTH
    }
    rows["user, item, time columns"] = {domain: _of_events(table) for domain, table in tables.items()}
    rows["title, text, category columns"] = {domain: _of_items(table) for domain, table in tables.items()}
    rows["filter"] = {domain: str(table.filter or "") for domain, table in tables.items()}
    return rows


def _files(table: OwnTable, kind: str) -> str:
    files = table.files(kind)
    return files[0] + (f" and {len(files) - 1} more" if len(files) > 1 else "") if files else ""


def _of_events(table: OwnTable) -> str:
    columns = table.columns
    times = [*filter(None, [columns.time, f"{columns.position} (position)" if columns.position else None])]
    return ", ".join([columns.user, columns.item_in("interactions"), *times])


def _of_items(table: OwnTable) -> str:
    columns = table.columns
    parts = [[columns.title, columns.brand], as_names(columns.text), as_names(columns.categories)]
    return "; ".join(", ".join(filter(None, part)) for part in parts if any(part))

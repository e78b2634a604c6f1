"""The plan of a Snakemake command. What is wrong with the config or the targets ends it with one line."""

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from semacdr.errors import UserError
from semacdr.plan.config import ConfigError, in_order, load, locate
from semacdr.plan.declarations import SOURCES
from semacdr.plan.plan import Plan
from semacdr.plan.targets import check


def start(given: Mapping[str, Any], workflow: Any) -> Plan:
    """The plan of a config as Snakemake has merged it; exits with one line where config or targets are wrong."""
    import yaml

    shipped = SOURCES.parent / "config.yaml"
    files = [shipped, *map(Path, workflow.config_settings.configfiles or ())]
    ordered = in_order(dict(given), yaml.safe_load(shipped.read_text(encoding="utf-8")))
    try:
        return load_plan(ordered, files, targets(sys.argv[1:]) if workflow.is_main_process else [])
    except UserError as error:
        sys.exit(f"error: {error}")


def load_plan(given: Mapping[str, Any], files: list[Path], asked: list[str]) -> Plan:
    """The plan of a config; a UserError names the file and the line of a wrong entry, or the target that is unknown."""
    config = load(given, files)
    try:
        plan = Plan(config)
        check(plan, asked)
        return plan
    except ConfigError as error:
        raise UserError(f"{locate(error.path, files)}: {error}") from error


def targets(arguments: list[str]) -> list[str]:
    """The targets on a Snakemake command line; none where it cannot be read."""
    from snakemake.cli import parse_args

    try:
        return [str(target) for target in parse_args(arguments)[1].targets]
    except SystemExit:  # no command line of Snakemake: it was called as a library
        return []

"""The plan of a Snakemake command. Errors in the config or the targets end it with one line."""

import contextlib
import io
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from semacdr.errors import UserError
from semacdr.plan.config import Config
from semacdr.plan.config_files import in_order, locate, refuse_doubles
from semacdr.plan.declarations import SOURCES
from semacdr.plan.plan import Plan
from semacdr.plan.targets import Rule, check
from semacdr.runtime.setting_errors import SettingError


class Command:
    """A Snakemake command: its config and its targets."""

    def __init__(self, given: Mapping[str, Any], workflow: Any) -> None:
        """`given`: the config as Snakemake has merged it."""
        import yaml

        shipped = SOURCES.parent / "config.yaml"
        self.workflow, self.overlay = workflow, dict(workflow.config_settings.config)
        self.files = [shipped, *map(Path, workflow.config_settings.configfiles or ())]
        self.config = in_order(dict(given), yaml.safe_load(shipped.read_text(encoding="utf-8")))

    def plan(self) -> Plan:
        """The plan; exits with one line where the config is wrong."""
        try:
            return load_plan(self.config, self.files, self.overlay)
        except UserError as error:
            sys.exit(f"error: {error}")

    def check(self, plan: Plan) -> None:
        """Exit with one line where a target cannot be made. Called after all rules."""
        try:
            if self.workflow.is_main_process:
                check_targets(plan, targets(sys.argv[1:]), list(self.workflow.rules), self.files, self.overlay)
        except UserError as error:
            sys.exit(f"error: {error}")


def load_plan(given: Mapping[str, Any], files: Sequence[Path], overlay: Mapping[str, Any] | None = None) -> Plan:
    """The plan of a config; a UserError names the file and the line of a wrong entry."""
    try:
        refuse_doubles(files)
        return Plan(Config(given))
    except SettingError as error:
        raise UserError(f"{locate(error.path, files, overlay)}: {error}") from error


def check_targets(
    plan: Plan,
    asked: Sequence[str],
    rules: Sequence[Rule],
    files: Sequence[Path],
    overlay: Mapping[str, Any] | None = None,
) -> None:
    """Refuse targets that cannot be made; a UserError names the target, or the file and the line of a wrong entry."""
    try:
        check(plan, asked, rules)
    except SettingError as error:
        raise UserError(f"{locate(error.path, files, overlay)}: {error}") from error


def targets(arguments: list[str]) -> list[str]:
    """The targets on a Snakemake command line; none where it cannot be read."""
    from snakemake.cli import parse_args

    try:
        with contextlib.redirect_stderr(io.StringIO()):  # Snakemake has said already which profile it uses
            return [str(target) for target in parse_args(arguments)[1].targets]
    except SystemExit:  # no command line of Snakemake: it was called as a library
        return []

"""Plans of small configs, made without Snakemake."""

import copy
from pathlib import Path
from typing import Any

import yaml

from semacdr.plan.config import Config
from semacdr.plan.plan import Plan

ROOT = Path(__file__).parents[2]
SHIPPED = yaml.safe_load((ROOT / "config.yaml").read_text())


def overlaid(*changes: dict[str, Any]) -> dict[str, Any]:
    """The shipped config with changes laid over it, as Snakemake merges --configfile files."""
    config = copy.deepcopy(SHIPPED)
    for change in changes:
        _lay(config, change)
    return config


def _lay(below: dict[str, Any], above: dict[str, Any]) -> None:
    for name, value in above.items():
        if isinstance(value, dict) and isinstance(below.get(name), dict):
            _lay(below[name], value)
        else:
            below[name] = copy.deepcopy(value)


def plan_of(*changes: dict[str, Any]) -> Plan:
    """The plan of the shipped config with changes laid over it."""
    return Plan(Config(overlaid(*changes)))


def example(name: str) -> dict[str, Any]:
    """The content of a file in examples/."""
    return yaml.safe_load((ROOT / "examples" / f"{name}.yaml").read_text())

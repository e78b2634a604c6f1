"""What training a system cost: reads settings.json and cost.json of runs, and averages over seeds."""

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean
from typing import Any, NamedTuple

from semacdr.errors import UserError

COSTS = (
    "parameters", "epochs", "best_epoch", "training_seconds", "pretraining_seconds", "validation_seconds",
    "best_seconds", "peak_mb", "device", "threads",
)  # fmt: skip


class RunRecord(NamedTuple):
    """What stage train recorded about a run."""

    settings: dict[str, Any]  # settings.json
    cost: dict[str, Any]  # cost.json


@dataclass(frozen=True)
class Cost:
    """What a system's runs in a direction cost: means over seeds, except peak memory, which is the maximum."""

    parameters: int
    epoch_seconds: float  # of training alone, without pre-training
    epochs: float
    best_epoch: float
    best_seconds: float  # of pre-training, training and validation, until the best epoch was validated
    peak_mb: float
    device: str
    threads: str
    seeds: int


def read_settings(folder: Path) -> dict[str, Any]:
    """settings.json of a run; a UserError where it cannot be read."""
    return _read_object(folder / "settings.json", ("source", "target", "model"))


def read_record(folder: Path) -> RunRecord:
    """settings.json and cost.json of a run; a UserError where one cannot be read or lacks a value."""
    return RunRecord(read_settings(folder), _read_object(folder / "cost.json", COSTS))


def _read_object(path: Path, needs: Iterable[str]) -> dict[str, Any]:
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise UserError(f"{path}: cannot be read: {error}; train the run again") from error
    if not isinstance(found, dict):
        raise UserError(f"{path}: holds no JSON object; train the run again")
    missing = [name for name in needs if name not in found]
    if missing:
        raise UserError(f"{path}: lacks {', '.join(missing)}; train the run again")
    return found


def summarise_costs(runs: Sequence[dict[str, Any]]) -> Cost:
    """The Cost of a system from the cost.json of its runs."""
    return Cost(
        parameters=runs[0]["parameters"],
        epoch_seconds=fmean((cost["training_seconds"] - cost["pretraining_seconds"]) / cost["epochs"] for cost in runs),
        epochs=fmean(cost["epochs"] for cost in runs),
        best_epoch=fmean(cost["best_epoch"] for cost in runs),
        best_seconds=fmean(cost["best_seconds"] for cost in runs),
        peak_mb=max(cost["peak_mb"] for cost in runs),
        device=distinct(cost["device"] for cost in runs),
        threads=distinct(cost["threads"] for cost in runs),
        seeds=len(runs),
    )


def distinct(values: Iterable[Any]) -> str:
    """Several values as text, each once."""
    return ", ".join(map(str, dict.fromkeys(values)))

"""What a training run says of itself beside its parameters: what was set, and what it took; means over several."""

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean

from semacdr.errors import UserError

COSTS = (
    "parameters", "epochs", "best_epoch", "training_seconds", "pretraining_seconds", "validation_seconds",
    "best_seconds", "peak_mb", "device", "threads",
)  # fmt: skip


def read(folder: Path) -> tuple[dict, dict]:
    """settings.json and cost.json of a run; a UserError where one cannot be read or is of an older version."""
    try:
        settings, cost = (json.loads((folder / f"{kind}.json").read_text()) for kind in ("settings", "cost"))
    except (OSError, ValueError) as error:
        raise UserError(f"{folder}: no training run can be read there: {error}") from error
    missing = [name for name in COSTS if name not in cost]
    if missing:
        raise UserError(
            f"{folder}/cost.json lacks {', '.join(missing)}: it is of an older version; train the run again"
        )
    return settings, cost


@dataclass(frozen=True)
class Cost:
    """What a system's runs in a direction took, one a seed: means over them, of memory the largest."""

    parameters: int
    epoch_seconds: float  # of training alone, pre-training left out
    epochs: float
    best_epoch: float
    best_seconds: float  # of pre-training, training and validation, until the best epoch was known
    peak_mb: float
    device: str
    threads: str
    seeds: int


TITLES = ("Parameters", "s / epoch", "Epochs", "Best", "To best, s", "Peak MB")


def summarise(runs: Sequence[dict]) -> Cost:
    """The Cost of runs from their cost.json."""
    return Cost(
        runs[0]["parameters"],
        fmean((cost["training_seconds"] - cost["pretraining_seconds"]) / cost["epochs"] for cost in runs),
        *(fmean(cost[name] for cost in runs) for name in ("epochs", "best_epoch", "best_seconds")),
        max(cost["peak_mb"] for cost in runs),
        *(_all(cost[name] for cost in runs) for name in ("device", "threads")), len(runs),
    )  # fmt: skip


def _all(values: Iterable) -> str:
    """What several have, each once."""
    return ", ".join(map(str, dict.fromkeys(values)))


def cells(cost: Cost) -> list[str]:
    """What stands under TITLES."""
    counts = f"{cost.parameters:,}", f"{cost.epoch_seconds:.2f}", f"{cost.epochs:.0f}", f"{cost.best_epoch:.0f}"
    return [*counts, f"{cost.best_seconds:.0f}", f"{cost.peak_mb:,.0f}"]


def told(costs: Sequence[Cost]) -> str:
    """Under which conditions the numbers were taken, and what they are: a paragraph for above a table."""
    devices, threads, seeds = (_all(getattr(cost, name) for cost in costs) for name in ("device", "threads", "seeds"))
    return (
        f"Training on {devices}, threads of a job: {threads}; means over seeds ({seeds}), of memory the largest. To "
        "best: wall time of pre-training, training and validation until the epoch that validation chose."
    )

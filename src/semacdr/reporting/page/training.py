"""The page's section on training: settings, costs and validation by epoch of every run of the result table."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from markupsafe import Markup

from semacdr.errors import UserError
from semacdr.evaluation.costs import read_record
from semacdr.evaluation.lead import RunKey
from semacdr.evaluation.runs import run_name
from semacdr.evaluation.validation import Plateau, read_plateau, read_validation
from semacdr.reporting.page import charts


@dataclass(frozen=True)
class TrainingRun:
    """One run: its settings.json, cost.json, validation NDCG@10 by epoch, and whether it is a plateau."""

    name: str  # of the run, without its seed
    settings: dict[str, Any]
    cost: dict[str, Any]
    validation: list[tuple[int, float]]
    plateau: Plateau | None

    @property
    def seed(self) -> str:
        """The seed, as text."""
        return str(self.settings["seed"])

    @property
    def key(self) -> RunKey:
        """Source, target and name of the run."""
        return self.settings["source"], self.settings["target"], self.name


@dataclass(frozen=True)
class TrainedSystem:
    """All seeds of a system in a direction."""

    source: str
    target: str
    name: str
    run: str
    parameters: str
    seeds: list[str]
    epochs: str
    best_epoch: str
    seconds: float
    loss: str
    learning_rate: str
    chart: Markup | None  # None for a model without training
    chart_label: str
    settings: str  # of the first seed, as JSON


def load_training_run(folder: Path) -> TrainingRun:
    """The run in a folder; a UserError where one of its files is missing or broken."""
    record = read_record(folder)
    return TrainingRun(run_name(folder), record.settings, record.cost, read_validation(folder), read_plateau(folder))


def trained_systems(runs: Sequence[TrainingRun], names: Mapping[RunKey, str]) -> list[TrainedSystem]:
    """The systems in each direction, in the order of the runs; `names` are their display names."""
    by_key = {key: [run for run in runs if run.key == key] for key in dict.fromkeys(run.key for run in runs)}
    unknown = [key for key in by_key if key not in names]
    if unknown:
        source, target, run = unknown[0]
        raise UserError(
            f"--runs: metrics.tsv has no row of run {run} from {source} to {target}; run stage metrics again"
        )
    top: dict[tuple[str, str], float] = {}  # largest validation value of a direction
    for (source, target, _), seeds in by_key.items():
        if _has_epochs(seeds):
            highest = max(value for run in seeds for _, value in run.validation)
            top[source, target] = max(top.get((source, target), 0.0), highest)
    return [_trained_system(names[key], seeds, top.get(key[:2], 0.0)) for key, seeds in by_key.items()]


def _has_epochs(runs: Sequence[TrainingRun]) -> bool:
    return any(len(run.validation) > 1 for run in runs)


def _trained_system(name: str, runs: Sequence[TrainingRun], top: float) -> TrainedSystem:
    first = runs[0]
    source, target, run_name = first.key
    chart, label = None, ""
    if _has_epochs(runs):
        seeds, best = {run.seed: run.validation for run in runs}, {run.seed: run.cost["best_epoch"] for run in runs}
        label = f"Validation NDCG@10 of {name} by epoch, {source} to {target}, best epoch " + ", ".join(
            f"{epoch} (seed {seed})" for seed, epoch in best.items()
        )
        chart = charts.as_svg(charts.curves(seeds, best, top), f"curves-{'-'.join(first.key)}", label)
    training = first.settings["training"]
    return TrainedSystem(
        source=source,
        target=target,
        name=name,
        run=run_name,
        parameters=f"{first.cost['parameters']:,}",
        seeds=[run.seed for run in runs],
        epochs=_range([run.cost["epochs"] for run in runs]),
        best_epoch=_range([run.cost["best_epoch"] for run in runs]),
        seconds=sum(run.cost["training_seconds"] + run.cost["validation_seconds"] for run in runs),
        loss=training["loss"] if chart else "",
        learning_rate=f"{training['learning_rate']:g}" if chart else "",
        chart=chart,
        chart_label=label,
        settings=json.dumps({part: first.settings[part] for part in ("settings", "training")}, indent=2),
    )


def _range(numbers: Sequence[int]) -> str:
    return f"{min(numbers)}" if min(numbers) == max(numbers) else f"{min(numbers)}\u2013{max(numbers)}"

"""What training left: settings, cost and validation by epoch of every run of the result table."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from markupsafe import Markup

from semacdr.errors import UserError
from semacdr.evaluation import costs
from semacdr.reporting.metrics_page import name
from semacdr.reporting.page import charts
from semacdr.storage import tsv


@dataclass(frozen=True)
class Run:
    """One training run: its settings.json, cost.json and validation NDCG@10 by epoch."""

    settings: dict
    cost: dict
    validation: list[tuple[int, float]]

    @property
    def seed(self) -> str:
        """The seed, as text."""
        return str(self.settings["seed"])


@dataclass(frozen=True)
class Trained:
    """The runs of a system in a direction."""

    source: str
    target: str
    name: str
    parameters: str
    seeds: list[str]
    epochs: str
    best: str
    seconds: float
    loss: str
    rate: str
    chart: Markup | None  # of a system that learns
    chart_label: str
    settings: str  # of the first seed, as JSON


def load(folder: Path) -> Run:
    """The run in a folder; a UserError where one of its files is missing or broken."""
    settings, cost = costs.read(folder)
    try:
        history = tsv.read(folder / "history.tsv", ("epoch", "valid_ndcg_10"))
        points = [(int(row["epoch"]), float(row["valid_ndcg_10"])) for row in history]
    except ValueError as error:
        raise UserError(f"{folder}/history.tsv: not what stage train writes: {error}") from error
    return Run(settings, cost, points)


def trained(runs: Sequence[Run]) -> list[Trained]:
    """The systems in each direction, in the order of the runs."""
    keys = dict.fromkeys(_key(run) for run in runs)
    by_key = {key: [run for run in runs if _key(run) == key] for key in keys}
    top: dict[tuple, float] = {}
    for (source, target, *_), own in by_key.items():
        if _learned(own):
            highest = max(value for run in own for _, value in run.validation)
            top[source, target] = max(top.get((source, target), 0.0), highest)
    return [_trained(key, own, top.get(key[:2], 0.0)) for key, own in by_key.items()]


def _key(run: Run) -> tuple[str, str, str, str]:
    return tuple(run.settings[part] for part in ("source", "target", "model", "variant"))


def _learned(runs: Sequence[Run]) -> bool:
    return any(len(run.validation) > 1 for run in runs)


def _trained(key: tuple[str, str, str, str], runs: Sequence[Run], top: float) -> Trained:
    (source, target, *system), first = key, runs[0]
    shown = name(*system)
    chart, words = None, ""
    if _learned(runs):
        seeds, best = {run.seed: run.validation for run in runs}, {run.seed: run.cost["best_epoch"] for run in runs}
        words = f"Validation NDCG@10 of {shown} by epoch, {source} to {target}, best epoch " + ", ".join(
            f"{epoch} (seed {seed})" for seed, epoch in best.items()
        )
        chart = charts.as_svg(charts.curves(seeds, best, top), f"curves-{'-'.join(key)}", words)
    training = first.settings["training"]
    return Trained(
        source, target, shown, f"{first.cost['parameters']:,}", [run.seed for run in runs],
        _range([run.cost["epochs"] for run in runs]), _range([run.cost["best_epoch"] for run in runs]),
        sum(run.cost["training_seconds"] + run.cost["validation_seconds"] for run in runs),
        training["loss"] if chart else "", f"{training['learning_rate']:g}" if chart else "",
        chart, words, json.dumps({part: first.settings[part] for part in ("settings", "training")}, indent=2),
    )  # fmt: skip


def _range(numbers: Sequence[int]) -> str:
    return f"{min(numbers)}" if min(numbers) == max(numbers) else f"{min(numbers)}\u2013{max(numbers)}"

"""Search settings of one model in one direction by trials on the validation events. The test split is not read.

Reads   what train reads for the model: interactions.parquet, items.parquet, split.parquet; embeddings.parquet,
        agnostic.parquet and the graphs, for models that need them.
Writes  --storage, a SQLite file with every trial as it ends. A killed search resumes from it, as does a search with
        more trials; other data, code (--code), settings, trial budget, threads or device start a new study in
        the same file.
        --output, a JSON file: the chosen settings, and how they were found.

The value of a trial is the mean over its seeds of the best epoch's validation NDCG@10 (full ranking). A trial ends when
its training ends, when its seconds are used up, or when it is pruned: its value is below the median of the finished
trials at that epoch (first seed). A non-learned system is built and validated once in a trial, without a limit. Seconds
are wall-clock time and include pre-training: on another or a busy machine, trials reach a different number of epochs.
The first trial has the settings without tuning.
"""

import argparse
import dataclasses
import json
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import torch
from optuna.trial import FrozenTrial, Trial, TrialState

from semacdr.errors import UserError
from semacdr.runtime import checkout
from semacdr.runtime.cli import log, parser, run
from semacdr.runtime.settings import Count, add_flags, from_flags, resolve, setting
from semacdr.stages._direction import add_direction, add_model, paths_of
from semacdr.training import inputs
from semacdr.training import system as systems
from semacdr.training.engine import TrainingResult, fit
from semacdr.training.progress import Epoch
from semacdr.training.settings import Training
from semacdr.tuning import space as spaces
from semacdr.tuning.study import Outcome, Settings, best, identity, open_study, search


@dataclass(frozen=True)
class Options:
    """The machine resources that the stage may use."""

    threads: Count = setting(1, "threads of torch")


class TrialStopper:
    """Ends a training when its seconds are used up or when Optuna prunes its trial."""

    def __init__(self, seconds: float, trial: Trial | None = None) -> None:
        self.until, self.trial = time.monotonic() + seconds, trial
        self.best, self.ended_by = 0.0, "itself"

    def __call__(self, epoch: Epoch | None) -> bool:
        """Whether the epoch was the last; None means an epoch of pre-training, which training follows."""
        if epoch is None:
            return time.monotonic() >= self.until
        self.best = max(self.best, epoch.valid_ndcg_10)
        if self.trial is not None:
            self.trial.report(self.best, epoch.epoch)
        if time.monotonic() >= self.until:
            self.ended_by = "time"
        elif self.trial is not None and self.trial.should_prune():
            self.ended_by = "pruner"
        return self.ended_by != "itself"


class Runner:
    """Runs the trials of a system on a device."""

    def __init__(
        self,
        system: systems.System,
        settings: Settings,
        paths: inputs.DirectionPaths,
        device: torch.device,
        threads: int,
    ) -> None:
        self.system, self.settings, self.paths = system, settings, paths
        self.device, self.threads = device, threads

    def __call__(self, trial: Trial) -> Outcome:
        """Train each seed under the trial's settings."""
        wall, cpu = time.monotonic(), time.process_time()
        system = self.system.choose(trial.params)
        results: list[TrainingResult] = []
        stoppers: list[TrialStopper] = []
        given = system.load_inputs(self.paths)
        prunable = system.module.LOSS is not None  # a non-learned system is complete after its only validation
        for seed in self.settings.seeds:
            seconds = self.settings.trial_seconds / len(self.settings.seeds)
            stopper = TrialStopper(seconds, trial if prunable and not stoppers else None)
            model = system.build(given, seed)
            try:
                results.append(fit(model, given.history, system.training, seed, self.device, stopper))
            except torch.OutOfMemoryError as error:
                raise UserError(f"these settings need more memory than {self.device} has: {error}") from error
            stoppers.append(stopper)
            if stopper.ended_by == "pruner":
                break
        ends = {stopper.ended_by for stopper in stoppers}
        notes = {
            "epochs": max(len(result.epochs) for result in results),
            "best_epoch": max(result.best for result in results),
            "ended_by": next((end for end in ("pruner", "time") if end in ends), "itself"),
            "seconds": round(time.monotonic() - wall, 1),
            "cpu_seconds": round(time.process_time() - cpu, 1),
        }
        value = sum(stopper.best for stopper in stoppers) / len(stoppers)
        return Outcome(value, stoppers[-1].ended_by == "pruner", notes)


def arguments(argv: Sequence[str] | None) -> argparse.Namespace:
    """Parse the stage's command line."""
    cli = parser(__doc__)
    add_direction(cli)
    add_model(cli)
    add_flags(cli, Settings, Options)
    cli.add_argument("--training", type=json.loads, default={}, metavar="JSON", help="settings of training, untuned")
    cli.add_argument("--name", required=True, help="name of the system in tables")
    cli.add_argument("--key", required=True, help="name under which a training finds the chosen settings")
    cli.add_argument("--space", type=json.loads, required=True, metavar="JSON", help="range or choices of each setting")
    cli.add_argument("--code", type=Path, nargs="*", default=[], help="files whose change makes earlier trials invalid")
    cli.add_argument("--storage", type=Path, required=True, help="SQLite file of the trials")
    cli.add_argument("--output", type=Path, required=True, help="JSON file of the chosen settings")
    return cli.parse_args(argv)


def files_of(args: argparse.Namespace) -> list[Path]:
    """The files that determine the results of trials."""
    given = [args.interactions, args.items, args.split, args.embeddings, args.agnostic, *args.code]
    folders = [folder for folder in (args.graphs, args.personas) if folder]
    return [*(path for path in given if path is not None), *(file for own in folders for file in own.glob("*.parquet"))]


def report(args: argparse.Namespace, runner: Runner, trials: list[FrozenTrial], meta: dict[str, str]) -> dict[str, Any]:
    """The JSON object that the stage writes."""
    chosen = best(trials, args.name)
    training, own = systems.split_settings(chosen.params)
    count = {state: sum(trial.state == state for trial in trials) for state in TrialState}
    attributes = [trial.user_attrs for trial in trials]
    machine = {"threads": runner.threads, "device": runner.device.type}
    found = {
        "value": chosen.value,
        "first": trials[0].value if trials[0].state == TrialState.COMPLETE else None,
        "finished": count[TrialState.COMPLETE],
        "pruned": count[TrialState.PRUNED],
        "failed": count[TrialState.FAIL],
        "ended_by_time": sum(notes.get("ended_by") == "time" for notes in attributes),
        "seconds": round(sum(notes.get("seconds", 0.0) for notes in attributes), 1),
        "cpu_seconds": round(sum(notes.get("cpu_seconds", 0.0) for notes in attributes), 1),
        "epochs": chosen.user_attrs["epochs"],
        "best_epoch": chosen.user_attrs["best_epoch"],
        "budget": dataclasses.asdict(runner.settings) | machine,
        "space": args.space,
        "commit": checkout.code().name,
        "date": datetime.now(UTC).date().isoformat(),
    }
    named = {"name": args.name, "key": args.key, "model": args.model, "loss": runner.system.training.loss}
    untuned = {
        "training": dataclasses.asdict(runner.system.training),
        "settings": dataclasses.asdict(runner.system.settings),
    }
    return meta | named | {"training": training, "settings": own, "untuned": untuned, "found": found}


def main(argv: Sequence[str] | None = None) -> None:
    """Run the stage."""
    args = arguments(argv)
    settings = from_flags(args, Settings, "tune")
    options = from_flags(args, Options, "tune")
    budget = {"epochs": settings.epochs, "patience": settings.patience}
    system = systems.system_of(args.model, args.model_settings, resolve(Training, args.training | budget, "train"))
    device, threads = systems.machine_of(args.device, system.training, options.threads)
    paths = paths_of(args)
    space, runner = spaces.parse(args.space, system), Runner(system, settings, paths, device, threads)
    if not space:
        raise UserError(f"tune.space has no setting of {args.name}; add one")
    content = {
        "model": args.model,
        "settings": dataclasses.asdict(system.settings),
        "training": dataclasses.asdict(system.training),
        "space": args.space,
        "budget": dataclasses.asdict(settings) | {"trials": None},
        "threads": threads,  # threads and device decide how many epochs fit into the seconds
        "device": device.type,
    }
    meta = inputs.origin(system.load_inputs(paths).history)
    with open_study(args.storage, identity(content, files_of(args)), settings) as study:
        trials = search(study, space, spaces.current(space, system), settings, runner)
    found = report(args, runner, trials, meta)
    args.output.parent.mkdir(parents=True, exist_ok=True)
    args.output.write_text(json.dumps(found, indent=2) + "\n", encoding="utf-8")
    log.info("chosen for %s: %s %s", args.name, found["training"], found["settings"])


if __name__ == "__main__":
    run(main)

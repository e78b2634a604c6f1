"""Tune: settings of one system in one direction, by trials on the validation events; test is not looked at.

Reads   what train reads of the system: interactions.parquet, items.parquet, split.parquet; embeddings.parquet,
        agnostic.parquet and the graphs where the system takes them.
Writes  --storage, a SQLite file: every trial as it ends. A killed search goes on from there, and so does one of more
        trials; other data, code (--code), settings, budget of a trial, threads or device begin anew in the same file.
        --output, a JSON file: the chosen settings, and how they were found.

A trial is judged by the mean over its seeds of the best epoch's validation NDCG@10 (full ranking). It ends as training
does, or when its seconds are used up, or when it is pruned: below the median of the finished trials at that epoch (of
its first seed). Its seconds are wall time and count pre-training: on another machine, or one that has other work,
trials get further or less far. The first trial has the settings that the system has without tuning.
"""

import argparse
import dataclasses
import json
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import torch
from optuna.trial import FrozenTrial, Trial, TrialState

from semacdr.errors import UserError
from semacdr.runtime import checkout
from semacdr.runtime.cli import log, parser, run
from semacdr.training import inputs, options
from semacdr.training.engine import Epoch, fit
from semacdr.tuning import space as spaces
from semacdr.tuning.study import Budget, Outcome, best, identity, opened, search


class Watch:
    """Ends a training when its seconds are used up or, where a trial is given, when that is pruned."""

    def __init__(self, seconds: float, trial: Trial | None = None) -> None:
        self.until, self.trial = time.monotonic() + seconds, trial
        self.best, self.by = 0.0, "itself"

    def __call__(self, epoch: Epoch | None) -> bool:
        """Whether the epoch was the last; None is one of pre-training, after which there is one of training."""
        if epoch is None:
            return time.monotonic() >= self.until
        self.best = max(self.best, epoch.valid_ndcg_10)
        if self.trial is not None:
            self.trial.report(self.best, epoch.epoch)
        if time.monotonic() >= self.until:
            self.by = "time"
        elif self.trial is not None and self.trial.should_prune():
            self.by = "pruner"
        return self.by != "itself"


class Runner:
    """Runs the trials of a system."""

    def __init__(self, args: argparse.Namespace, system: options.System, budget: Budget) -> None:
        self.args, self.system, self.budget = args, system, budget
        self.device, self.threads = options.machine(args)

    def __call__(self, trial: Trial) -> Outcome:
        """Train each seed under the trial's settings."""
        wall, cpu = time.monotonic(), time.process_time()
        system, fits, watches = options.assign(trial.params, self.system), [], []
        problem = system.problem(self.args)
        for seed in self.budget.seeds:
            watch = Watch(self.budget.seconds / len(self.budget.seeds), None if watches else trial)
            model = system.build(problem, seed)
            try:
                fits.append(fit(model, problem.history, system.training, seed, self.device, watch))
            except torch.OutOfMemoryError as error:
                raise UserError(f"these settings need more memory than {self.device} has: {error}") from error
            watches.append(watch)
            if watch.by == "pruner":
                break
        notes = {
            "epochs": max(len(fitted.epochs) for fitted in fits),
            "best_epoch": max(fitted.best for fitted in fits),
            "ended_by": next((way for way in ("pruner", "time") if any(w.by == way for w in watches)), "itself"),
            "seconds": round(time.monotonic() - wall, 1),
            "cpu_seconds": round(time.process_time() - cpu, 1),
        }
        return Outcome(sum(w.best for w in watches) / len(watches), watches[-1].by == "pruner", notes)


def arguments(argv: Sequence[str] | None) -> argparse.Namespace:
    """The stage's command line."""
    cli = parser(__doc__)
    inputs.add_arguments(cli)
    options.add_arguments(cli)
    cli.add_argument("--name", required=True, help="of the system, for the tables")
    cli.add_argument("--key", required=True, help="under which a training finds the chosen settings")
    cli.add_argument("--space", type=json.loads, required=True, metavar="JSON", help="by setting its range or choices")
    cli.add_argument("--trials", type=int, default=12, help="default 12")
    cli.add_argument("--seconds", type=float, default=120, help="of a trial; default 120")
    cli.add_argument("--seeds", type=int, nargs="+", default=[1], help="of a trial's trainings; default 1")
    cli.add_argument("--startup", type=int, default=4, help="trials at random that are not pruned; default 4")
    cli.add_argument("--warmup", type=int, default=5, help="no trial is pruned before the end of this epoch; default 5")
    cli.add_argument("--seed", type=int, default=0, help="of what is proposed; default 0")
    cli.add_argument("--code", type=Path, nargs="*", default=[], help="files whose change makes earlier trials void")
    cli.add_argument("--storage", type=Path, required=True, help="the SQLite file of trials")
    cli.add_argument("--output", type=Path, required=True, help="the JSON file")
    return cli.parse_args(argv)


def files_of(args: argparse.Namespace) -> list[Path]:
    """The files that decide what a trial comes to."""
    given = [args.interactions, args.items, args.split, args.embeddings, args.agnostic, *args.code]
    graphs = args.graphs.glob("*.parquet") if args.graphs else []
    return [*(path for path in given if path is not None), *graphs]


def report(args: argparse.Namespace, runner: Runner, trials: list[FrozenTrial], meta: dict[str, str]) -> dict[str, Any]:
    """The JSON object that the stage writes."""
    chosen = best(trials, args.name)
    training, own = options.parts(chosen.params)
    count = {state: sum(trial.state == state for trial in trials) for state in TrialState}
    attributes = [trial.user_attrs for trial in trials]
    found = {
        "value": chosen.value,
        "first": trials[0].value if trials[0].state == TrialState.COMPLETE else None,
        "finished": count[TrialState.COMPLETE],
        "pruned": count[TrialState.PRUNED],
        "failed": count[TrialState.FAIL],
        "ended_by_time": sum(own.get("ended_by") == "time" for own in attributes),
        "seconds": round(sum(own.get("seconds", 0.0) for own in attributes), 1),
        "cpu_seconds": round(sum(own.get("cpu_seconds", 0.0) for own in attributes), 1),
        "epochs": chosen.user_attrs["epochs"],
        "best_epoch": chosen.user_attrs["best_epoch"],
        "budget": dataclasses.asdict(runner.budget)
        | {"epochs": args.epochs, "patience": args.patience, "threads": runner.threads, "device": runner.device.type},
        "space": args.space,
        "commit": checkout.code().name,
        "date": datetime.now(UTC).date().isoformat(),
    }
    named = {"name": args.name, "key": args.key, "model": args.model, "loss": runner.system.training.loss}
    return meta | named | {"training": training, "settings": own, "found": found}


def main(argv: Sequence[str] | None = None) -> None:
    """Run the stage."""
    args = arguments(argv)
    budget = Budget(args.trials, args.seconds, tuple(args.seeds), args.startup, args.warmup, args.seed)
    system = options.system(args)
    space, runner = spaces.parse(args.space, system), Runner(args, system, budget)
    if not space:
        raise UserError(f"tune.space: there is nothing to choose for {args.name}")
    told = {"model": args.model, "own": dataclasses.asdict(system.own), "training": dataclasses.asdict(system.training)}
    told |= {"space": args.space, "budget": dataclasses.asdict(budget) | {"trials": None}}
    told |= {"threads": runner.threads, "device": runner.device.type}  # which decide how far seconds reach
    meta = system.problem(args).history.meta
    with opened(args.storage, identity(told, files_of(args)), budget) as study:
        trials = search(study, space, spaces.current(space, system), budget, runner)
    found = report(args, runner, trials, meta)
    args.output.parent.mkdir(parents=True, exist_ok=True)
    args.output.write_text(json.dumps(found, indent=2) + "\n")
    log.info("chosen for %s: %s %s", args.name, found["training"], found["settings"])


if __name__ == "__main__":
    run(main)

"""The trials of one system: proposed by Optuna, kept in a file as they end, so that a killed search goes on there.

What is proposed next follows from the seed and from the trials that ended, so that a killed trial is proposed again.
"""

import fcntl
import hashlib
import json
import warnings
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import optuna
from optuna.samplers import BaseSampler, PartialFixedSampler, TPESampler
from optuna.trial import FrozenTrial, Trial, TrialState

from semacdr.errors import UserError
from semacdr.runtime.cli import log
from semacdr.tuning.space import Space

KEPT = (TrialState.COMPLETE, TrialState.PRUNED, TrialState.FAIL)


@dataclass(frozen=True)
class Budget:
    """What every system gets alike."""

    trials: int
    seconds: float  # of a trial's training and validation, shared evenly by its seeds; the epoch at its end is finished
    seeds: tuple[int, ...]
    startup: int  # trials drawn at random, before those that learn from earlier ones; none of them is pruned
    warmup: int  # a trial is not pruned before the end of this epoch
    seed: int  # of what is proposed


@dataclass(frozen=True)
class Outcome:
    """What a trial came to; `notes` say more of it and are kept beside."""

    value: float
    pruned: bool
    notes: dict[str, Any]


def identity(told: dict[str, Any], files: Iterable[Path]) -> str:
    """A name for all that decides what a trial comes to: what was told, and the files' contents.

    A UserError names a file that cannot be read.
    """
    digest = hashlib.sha256(json.dumps(told, sort_keys=True).encode())
    for path in sorted(files):
        try:
            digest.update(path.name.encode() + hashlib.sha256(path.read_bytes()).digest())
        except OSError as error:
            raise UserError(f"{path}: cannot be read: {error}") from error
    return digest.hexdigest()[:16]


@contextmanager
def opened(path: Path, name: str, budget: Budget) -> Iterator[optuna.Study]:
    """The study `name` of the file at `path`, held against other processes; both are made where they are missing."""
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.with_suffix(".lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise UserError(f"{path}: another process works on these trials") from None
        pruner = optuna.pruners.MedianPruner(budget.startup, budget.warmup)
        try:
            study = optuna.create_study(
                storage=f"sqlite:///{path}", study_name=name, direction="maximize", pruner=pruner, load_if_exists=True
            )
        except Exception as error:  # of SQLAlchemy, which optuna hides
            raise UserError(
                f"{path}: cannot be opened as a file of trials; remove it to begin anew: {error}"
            ) from error
        for trial in study.get_trials(deepcopy=False, states=(TrialState.RUNNING,)):
            log.info("trial %d was killed as it ran; it does not count", trial.number)
            study.tell(trial.number, state=TrialState.FAIL)
        yield study


def ended(study: optuna.Study, trials: int | None = None) -> list[FrozenTrial]:
    """The trials that came to something, be it an error of their own; of them the first `trials`."""
    kept = study.get_trials(deepcopy=False, states=KEPT)
    return [t for t in kept if t.state != TrialState.FAIL or "error" in t.user_attrs][:trials]


def search(
    study: optuna.Study, space: Space, first: dict[str, Any], budget: Budget, run: Callable[[Trial], Outcome]
) -> list[FrozenTrial]:
    """Run what is missing of the trials, and return all; the first one has the settings `first`."""
    while (number := len(ended(study))) < budget.trials:
        study.sampler = _sampler(budget, number, first)
        trial = study.ask(dict(space))
        log.info("trial %d of %d: %s", number + 1, budget.trials, _told(trial.params))
        try:
            outcome = run(trial)
        except UserError as error:  # settings that do not go together, or training that diverged
            trial.set_user_attr("error", str(error))
            study.tell(trial, state=TrialState.FAIL)
            log.info("trial %d failed: %s", number + 1, error)
            continue
        for name, value in outcome.notes.items():
            trial.set_user_attr(name, value)
        if outcome.pruned:
            study.tell(trial, state=TrialState.PRUNED)
        else:
            study.tell(trial, outcome.value)
        done = [t.value for t in study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,))]
        log.info(
            "trial %d %s: validation NDCG@10 %.4f, %s; best so far %.4f", number + 1,
            "pruned" if outcome.pruned else "finished", outcome.value, _told(outcome.notes), max(done, default=np.nan),
        )  # fmt: skip
    return ended(study, budget.trials)


def _told(values: dict[str, Any]) -> str:
    shown = {name: f"{value:.4g}" if isinstance(value, float) else value for name, value in values.items()}
    return ", ".join(f"{name.replace('_', ' ')} {value}" for name, value in shown.items())


def _sampler(budget: Budget, number: int, first: dict[str, Any]) -> BaseSampler:
    """A sampler of its own for each trial, so that a search that goes on draws what it would have drawn."""
    seed = int(np.random.SeedSequence([budget.seed, number]).generate_state(1)[0])
    sampler = TPESampler(n_startup_trials=budget.startup, seed=seed)
    if number or not first:
        return sampler
    with warnings.catch_warnings(action="ignore", category=optuna.exceptions.ExperimentalWarning):
        return PartialFixedSampler(first, sampler)


def best(trials: list[FrozenTrial], name: str) -> FrozenTrial:
    """The finished trial of the highest value, the earliest of these; a UserError where none finished."""
    finished = [trial for trial in trials if trial.state == TrialState.COMPLETE]
    if not finished:
        errors = [trial.user_attrs["error"] for trial in trials if "error" in trial.user_attrs]
        raise UserError(f"{name}: none of {len(trials)} trials finished; the last error: {errors[-1]}")
    return max(finished, key=lambda trial: trial.value)

"""The trials of one model. Optuna proposes them; each finished trial is saved, so a killed search can resume.

Each proposal depends only on the seed and on the finished trials, so a killed trial is proposed again.
"""

import fcntl
import hashlib
import json
import warnings
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import optuna
from optuna.samplers import BaseSampler, PartialFixedSampler, TPESampler
from optuna.trial import FrozenTrial, Trial, TrialState

from semacdr.errors import UserError
from semacdr.runtime.cli import log
from semacdr.runtime.settings import Bounds, Count, Natural, Positive, setting
from semacdr.tuning.space import Space

ENDED = (TrialState.COMPLETE, TrialState.PRUNED, TrialState.FAIL)


@dataclass(frozen=True)
class Settings:
    """The budget of a search, the same for every model."""

    trials: Count = setting(12, "trials of a model in a direction")
    trial_seconds: Positive = setting(
        120.0, "wall-clock seconds of a trial, shared by its seeds; the current epoch is completed"
    )
    seeds: Annotated[tuple[int, ...], Bounds(1)] = setting((1,), "seeds of a trial's trainings")
    epochs: Count = setting(200, "epochs of a training, at most")
    patience: Count = setting(10, "epochs without a better validation NDCG@10 before a training stops")
    random_trials: Natural = setting(4, "random trials, never pruned, before trials that learn from earlier ones")
    prune_after_epoch: Natural = setting(5, "no trial is pruned before the end of this epoch")
    seed: int = setting(0, "seed of the proposals")


@dataclass(frozen=True)
class Outcome:
    """The result of a trial: its value, whether it was pruned, and notes to store with it."""

    value: float
    pruned: bool
    notes: dict[str, Any]


def identity(content: dict[str, Any], files: Iterable[Path]) -> str:
    """A digest of everything that determines a trial's result: a JSON object and the contents of files.

    A UserError names a file that cannot be read.
    """
    digest = hashlib.sha256(json.dumps(content, sort_keys=True).encode())
    for path in sorted(files):
        try:
            digest.update(path.name.encode() + hashlib.sha256(path.read_bytes()).digest())
        except OSError as error:
            raise UserError(f"{path}: cannot be read: {error}") from error
    return digest.hexdigest()[:16]


@contextmanager
def open_study(path: Path, name: str, settings: Settings) -> Iterator[optuna.Study]:
    """The study `name` in the file at `path`, locked against other processes; both are created if missing."""
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.with_suffix(".lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise UserError(f"{path}: another process runs these trials") from None
        pruner = optuna.pruners.MedianPruner(settings.random_trials, settings.prune_after_epoch)
        try:
            study = optuna.create_study(
                storage=f"sqlite:///{path}", study_name=name, direction="maximize", pruner=pruner, load_if_exists=True
            )
        except Exception as error:  # of SQLAlchemy, which optuna does not export
            raise UserError(
                f"{path}: cannot be opened as a file of trials; remove it to start again: {error}"
            ) from error
        for trial in study.get_trials(deepcopy=False, states=(TrialState.RUNNING,)):
            log.info("trial %d was killed while it ran; it does not count", trial.number)
            study.tell(trial.number, state=TrialState.FAIL)
        yield study


def ended(study: optuna.Study, trials: int | None = None) -> list[FrozenTrial]:
    """The trials that ended by themselves, with a value or with an error; only the first `trials` of them if given."""
    found = study.get_trials(deepcopy=False, states=ENDED)
    return [t for t in found if t.state != TrialState.FAIL or "error" in t.user_attrs][:trials]


def search(
    study: optuna.Study, space: Space, first: dict[str, Any], settings: Settings, run: Callable[[Trial], Outcome]
) -> list[FrozenTrial]:
    """Run the missing trials and return all; the first one has the settings `first`."""
    while (number := len(ended(study))) < settings.trials:
        study.sampler = _sampler(settings, number, first)
        trial = study.ask(dict(space))
        log.info("trial %d of %d: %s", number + 1, settings.trials, _in_words(trial.params))
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
        done = [t.value for t in study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,)) if t.value is not None]
        log.info(
            "trial %d %s: validation NDCG@10 %.4f, %s; best so far %.4f", number + 1,
            "pruned" if outcome.pruned else "finished", outcome.value, _in_words(outcome.notes),
            max(done, default=np.nan),
        )  # fmt: skip
    return ended(study, settings.trials)


def _in_words(values: dict[str, Any]) -> str:
    shown = {name: f"{value:.4g}" if isinstance(value, float) else value for name, value in values.items()}
    return ", ".join(f"{name.replace('_', ' ')} {value}" for name, value in shown.items())


def _sampler(settings: Settings, number: int, first: dict[str, Any]) -> BaseSampler:
    """A separate sampler for each trial, so that a resumed search draws what an undisturbed one would have drawn."""
    seed = int(np.random.SeedSequence([settings.seed, number]).generate_state(1)[0])
    sampler = TPESampler(n_startup_trials=settings.random_trials, seed=seed)
    if number or not first:
        return sampler
    with warnings.catch_warnings(action="ignore", category=optuna.exceptions.ExperimentalWarning):
        return PartialFixedSampler(first, sampler)


def best(trials: list[FrozenTrial], name: str) -> FrozenTrial:
    """The finished trial with the highest value, the earliest of equal ones; a UserError if none finished."""
    finished = [trial for trial in trials if trial.state == TrialState.COMPLETE]
    if not finished:
        errors = [trial.user_attrs["error"] for trial in trials if "error" in trial.user_attrs]
        last = f"; the last error: {errors[-1]}" if errors else ""
        raise UserError(f"{name}: none of {len(trials)} trials finished{last}")
    return max(finished, key=lambda trial: -np.inf if trial.value is None else trial.value)

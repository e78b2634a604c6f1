"""The training loop of every model: shuffled epochs, validation by full-ranking NDCG@10; the best epoch is kept.

Training reads only the training and validation events; later stages read the test events.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass

import torch

from semacdr.data.history import History
from semacdr.errors import UserError
from semacdr.evaluation.measures import at_level, hit_rate, ndcg
from semacdr.evaluation.ranks import Ranker
from semacdr.models import popularity
from semacdr.models.base import Model, ModelInputs
from semacdr.runtime.cli import log
from semacdr.training.progress import Epoch, Progress
from semacdr.training.saved_state import SavedState
from semacdr.training.settings import Training
from semacdr.training.trainer import Diverged, Trainer

PATIENCE_FROM = 1.5  # patience counts from this multiple of popularity's value; plateaus were seen at up to 1.3 of it


@dataclass(frozen=True)
class TrainingResult:
    """All epochs, the number and the parameters of the best one, and wall-clock seconds."""

    epochs: list[Epoch]
    best: int
    state: dict[str, torch.Tensor]
    training_seconds: float  # with those of pre-training
    pretraining_seconds: float
    validation_seconds: float
    best_seconds: float  # until the best epoch was validated
    popularity: float  # validation NDCG@10 of the popularity baseline

    @property
    def above_popularity(self) -> bool:
        """Whether the best epoch is clearly better than popularity on validation events."""
        return not at_level(self.epochs[self.best - 1].valid_ndcg_10, self.popularity)


ShouldStop = Callable[[Epoch | None], bool]


def fit(
    model: Model,
    history: History,
    settings: Training,
    seed: int,
    device: torch.device,
    should_stop: ShouldStop | None = None,
    saved: SavedState | None = None,
) -> TrainingResult:
    """Train until `patience` epochs do not improve validation NDCG@10; a non-learned baseline is only validated.

    Patience counts from the first epoch that is clearly better than popularity: many systems first learn nothing else,
    and stay there for a while. A system that is at this level after `plateau_epochs` stops too.

    `should_stop` is called after every epoch, with None after epochs of pre-training. With `saved`, training continues
    from its state, and gives it the state at the end of each epoch. A UserError if no user has a training step, if no
    user has a validation event, or if the loss is not finite.
    """
    model.to(device)
    if not len(history.ranked("valid")[0]):
        raise UserError("no user has a validation event: every user is cold; lower split.cold_users")
    ranker = Ranker(
        history, "valid", settings.max_length, settings.evaluation_batch, device, visibility=settings.visibility
    )
    baseline = popularity.Model(ModelInputs(history, settings.max_length), popularity.Settings())
    level = float(ndcg(ranker.rank(baseline.to(device))["full"], 10).mean())
    learned = any(parameter.requires_grad for parameter in model.parameters())
    trainer = Trainer(model, history, settings, seed, device) if learned else None
    progress = _continue(trainer, saved)
    if trainer and model.pretraining_epochs and not progress.epochs:
        _pretrain(trainer, progress, should_stop, saved)
    for number in range(len(progress.epochs) + 1, settings.epochs + 1 if learned else 2):
        if _is_over(progress, level, settings):
            break
        start = time.perf_counter()
        try:
            loss = trainer.epoch() if trainer else 0.0
        except Diverged as error:
            raise Diverged(f"epoch {number}: {error}") from error
        middle = time.perf_counter()
        ranks = ranker.rank(model, learned=True)["full"]
        progress.seconds["training"] += middle - start
        progress.seconds["validation"] += time.perf_counter() - middle
        epoch = Epoch(number, loss, float(ndcg(ranks, 10).mean()), float(hit_rate(ranks, 10).mean()))
        log.info(
            "epoch %d: loss %.4f, validation NDCG@10 %.4f, HR@10 %.4f (full ranking); %.2f s + %.2f s",
            number, loss, epoch.valid_ndcg_10, epoch.valid_hr_10,
            middle - start, time.perf_counter() - middle,
        )  # fmt: skip
        progress.add(epoch, model)
        if trainer and saved:
            saved.keep(trainer.state() | {"progress": progress.saved()})
        if should_stop and should_stop(epoch):
            break
    return _result(progress, level, learned)


def _continue(trainer: Trainer | None, saved: SavedState | None) -> Progress:
    """The progress of the saved state, whose state the trainer takes; otherwise that of a new training."""
    found = saved.read() if trainer and saved else None
    if trainer is None or found is None:
        return Progress()
    trainer.load(found)
    progress = Progress.of(found["progress"])
    done = len(progress.epochs)
    log.info("continues after %s %d", *(("epoch", done) if done else ("pre-training epoch", progress.pretrained)))
    return progress


def _pretrain(trainer: Trainer, progress: Progress, should_stop: ShouldStop | None, saved: SavedState | None) -> None:
    """Run the rest of the model's pre-training, all epochs or until `should_stop`."""
    start = time.perf_counter()

    def after(number: int) -> bool:
        nonlocal start
        progress.pretrained = number
        progress.seconds["pretraining"] += time.perf_counter() - start
        start = time.perf_counter()
        if saved:
            saved.keep(trainer.state() | {"progress": progress.saved()})
        return bool(should_stop and should_stop(None))

    trainer.pretrain(progress.pretrained, after)


def _result(progress: Progress, level: float, learned: bool) -> TrainingResult:
    """The result; a warning if a learned system is not clearly above popularity."""
    best = progress.best
    assert best is not None
    pretraining, training, validation = progress.seconds.values()
    result = TrainingResult(
        progress.epochs, best.epoch, progress.state, pretraining + training, pretraining, validation,
        progress.best_seconds, level,
    )  # fmt: skip
    if learned and not result.above_popularity:
        log.warning(
            "not clearly above popularity: the best epoch has validation NDCG@10 %.4f, popularity %.4f; the system did "
            "not learn from sequences: look at train.learning_rate, batch_size and settings.dropout",
            best.valid_ndcg_10, level,
        )  # fmt: skip
    return result


def _is_over(progress: Progress, level: float, settings: Training) -> bool:
    """Whether training ends after the last epoch, if that was not the best one; `level`: of popularity."""
    number, best = len(progress.epochs), progress.best
    if best is None or best.epoch == number:
        return False
    if best.valid_ndcg_10 <= PATIENCE_FROM * level:
        return number >= settings.plateau_epochs
    return number - best.epoch >= settings.patience

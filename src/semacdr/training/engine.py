"""The training loop of every model: shuffled epochs, validation by full-ranking NDCG@10; the best epoch is kept.

Training reads only the training and validation events; later stages read the test events.
"""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from semacdr.batching.batches import Batch, Batches, Sampler
from semacdr.batching.negatives import NegativeSampler, SharedNegatives
from semacdr.batching.windows import training_windows
from semacdr.data.history import History
from semacdr.errors import UserError
from semacdr.evaluation.measures import at_level, hit_rate, ndcg
from semacdr.evaluation.ranks import Ranker
from semacdr.models import popularity
from semacdr.models.base import Model, ModelInputs
from semacdr.models.losses import SAMPLED, step_loss
from semacdr.runtime.cli import log
from semacdr.training.adam import Adam
from semacdr.training.device import PRECISIONS
from semacdr.training.settings import Training


@dataclass(frozen=True)
class Epoch:
    """One line of history.tsv."""

    epoch: int
    loss: float
    valid_ndcg_10: float
    valid_hr_10: float


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
) -> TrainingResult:
    """Train until `patience` epochs do not improve validation NDCG@10; a non-learned baseline is only validated.

    Patience counts from the first epoch that is clearly better than popularity: many systems first learn nothing else,
    and stay there for a while. A system that is at this level after `plateau_epochs` stops too.

    `should_stop` is called after every epoch, with None after epochs of pre-training. A UserError if no user has a
    training step, or no user has a validation event.
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
    epochs: list[Epoch] = []
    best: Epoch | None = None
    state: dict[str, torch.Tensor] = {}
    best_seconds = 0.0
    seconds = dict.fromkeys(("pretraining", "training", "validation"), 0.0)
    start = time.perf_counter()
    if trainer and model.pretraining_epochs:
        trainer.pretrain(should_stop)
        seconds["pretraining"] = time.perf_counter() - start
    for number in range(1, settings.epochs + 1 if learned else 2):
        start = time.perf_counter()
        loss = trainer.epoch() if trainer else 0.0
        middle = time.perf_counter()
        ranks = ranker.rank(model)["full"]
        seconds["training"] += middle - start
        seconds["validation"] += time.perf_counter() - middle
        epochs.append(Epoch(number, loss, float(ndcg(ranks, 10).mean()), float(hit_rate(ranks, 10).mean())))
        log.info(
            "epoch %d: loss %.4f, validation NDCG@10 %.4f, HR@10 %.4f (full ranking); %.2f s + %.2f s",
            number, loss, epochs[-1].valid_ndcg_10, epochs[-1].valid_hr_10,
            middle - start, time.perf_counter() - middle,
        )  # fmt: skip
        if best is None or epochs[-1].valid_ndcg_10 > best.valid_ndcg_10:
            best, best_seconds = epochs[-1], sum(seconds.values())
            state = {name: value.detach().cpu().clone() for name, value in model.state_dict().items()}
        elif _is_over(number, best, level, settings):
            break
        if should_stop and should_stop(epochs[-1]):
            break
    assert best is not None
    pretraining, training, validation = seconds.values()
    result = TrainingResult(
        epochs, best.epoch, state, pretraining + training, pretraining, validation, best_seconds, level
    )  # fmt: skip
    if learned and not result.above_popularity:
        log.warning(
            "not clearly above popularity: the best epoch has validation NDCG@10 %.4f, popularity %.4f; the system did "
            "not learn from sequences: look at train.learning_rate, batch_size and settings.dropout",
            best.valid_ndcg_10, level,
        )  # fmt: skip
    return result


def _is_over(number: int, best: Epoch, level: float, settings: Training) -> bool:
    """Whether training ends after epoch `number`, which was not better than the best one; `level`: of popularity."""
    if at_level(best.valid_ndcg_10, level):
        return number >= settings.plateau_epochs
    return number - best.epoch >= settings.patience


class Trainer:
    """Runs epochs of a model: data, negatives and optimiser state stay on the device."""

    def __init__(self, model: Model, history: History, settings: Training, seed: int, device: torch.device) -> None:
        self.model, self.settings = model, settings
        self.precision = PRECISIONS[settings.precision]
        self.rng = np.random.default_rng(seed)
        self.sampler: Sampler
        if settings.loss == "sampled_softmax":
            self.sampler = SharedNegatives(history, settings.shared_negatives, seed, device)
        else:
            count = settings.train_negatives if settings.loss in SAMPLED else 0
            self.sampler = NegativeSampler(history, count, seed, device)
        if settings.loss not in SAMPLED and not model.matches_by_inner_product:
            raise UserError(
                f"loss {settings.loss} scores the catalogue by inner products, and this model has other scores; choose "
                f"one of {', '.join(SAMPLED)}"
            )
        windows = training_windows(history, settings.max_length, settings.visibility, model.first_steps)
        if not len(windows.users):
            raise UserError(
                "no user has two training events in the target domain, so there is nothing to learn from: a step "
                "needs an event and the next one; raise preprocess.min_user_interactions to 4 or more, or lower "
                "split.cold_users"
            )
        self.batches = Batches(windows, settings.batch_size, device, distinct=model.distinct_items)
        semantic = {id(parameter) for parameter in model.semantic_parameters()}
        groups: list[dict[str, Any]] = [
            {"params": [p for p in model.parameters() if id(p) in semantic], "lr": settings.semantic_learning_rate},
            {"params": [p for p in model.parameters() if id(p) not in semantic], "lr": settings.learning_rate},
        ]
        self.groups = [group for group in groups if group["params"]]
        self.steps = 0
        self.optimiser = self._optimiser()

    def _optimiser(self) -> torch.optim.Optimizer:
        groups = [dict(group) for group in self.groups]  # the optimiser keeps and changes the ones that it gets
        decay, apart = self.settings.weight_decay, self.settings.decoupled_weight_decay
        return Adam(groups, betas=(0.9, 0.98), weight_decay=decay, decoupled_weight_decay=apart, fused=True)

    def pretrain(self, should_stop: ShouldStop | None = None) -> None:
        """Run the model's pre-training, all epochs or until `should_stop`; training then has a new optimiser."""
        for number in range(1, self.model.pretraining_epochs + 1):
            log.info("pre-training epoch %d: loss %.4f", number, self.epoch(self.model.pretraining_loss))
            if should_stop and should_stop(None):
                break
        self.optimiser, self.steps = self._optimiser(), 0

    def epoch(self, loss_of: Callable[[Batch], torch.Tensor] | None = None) -> float:
        """Take a step for every batch in random order and return the mean loss of the batches.

        The loss of a batch is `loss_of(batch)`, by default the training loss.
        """
        self.model.train()
        losses = [self.step((loss_of or self.loss)(batch)) for batch in self.shuffled()]
        return float(torch.stack(losses).mean())

    def shuffled(self) -> Iterator[Batch]:
        """The batches of an epoch."""
        return self.batches.shuffled(self.rng, self.sampler)

    def step(self, loss: torch.Tensor) -> torch.Tensor:
        """Take one optimiser step on a loss and return the loss, detached; the first steps have lower rates."""
        self.steps += 1
        if self.steps <= self.settings.warmup_steps:
            for group, own in zip(self.optimiser.param_groups, self.groups, strict=True):
                group["lr"] = own["lr"] * self.steps / self.settings.warmup_steps
        self.optimiser.zero_grad(set_to_none=True)
        loss.backward()
        self.optimiser.step()
        return loss.detach()

    def loss(self, batch: Batch) -> torch.Tensor:
        """The loss of a batch: the loss over its steps plus the model's auxiliary loss.

        With precision bfloat16, autocast applies to states and auxiliary loss only, and keeps softmax, norms and
        logarithms in float32. Graphs, item vectors and the scores of steps are always float32.
        """
        prepared = self.model.prepare()
        with torch.autocast(batch.users.device.type, self.precision, enabled=self.precision != torch.float32):
            states, auxiliary = self.model.states_and_auxiliary_loss(prepared, batch)
        settings = self.settings
        items = (self.model.loss_vectors if settings.loss == "ce" else self.model.item_vectors)(prepared)
        states = states.to(items.dtype)
        assert settings.loss is not None  # a non-learned baseline has no Trainer
        match = None if self.model.matches_by_inner_product else self.model.match
        steps = step_loss(settings.loss, states, items, batch.positives, batch.negatives, settings.calibration, match)
        return steps + auxiliary

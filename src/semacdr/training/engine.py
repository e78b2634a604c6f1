"""The training loop that every system shares: shuffled epochs, validation by full-ranking NDCG@10, the best epoch kept.

Only the validation split is looked at here; the test split belongs to the rank stage.
"""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import torch

from semacdr.batching.batches import Batch, Batches
from semacdr.batching.negatives import NegativeSampler, SharedNegatives
from semacdr.batching.windows import training_windows
from semacdr.data.history import History
from semacdr.evaluation.measures import hit_rate, ndcg
from semacdr.evaluation.ranks import Ranker
from semacdr.models.base import Model
from semacdr.models.losses import SAMPLED, step_loss
from semacdr.runtime.cli import log
from semacdr.training.adam import Adam
from semacdr.training.device import PRECISIONS


@dataclass(frozen=True)
class Training:
    """How a system is trained; the defaults are the paper's where it gives one."""

    loss: str = "bpr"
    negatives: int = 1  # of each step: bpr, bce, gbce
    shared_negatives: int = 1000  # of a batch: sampled_softmax
    calibration: float = 0.75  # t of gbce
    batch_size: int = 256
    max_length: int = 100
    visibility: str = "causal"  # all: every step sees the whole source history, to measure that leak
    learning_rate: float = 1e-3
    semantic_learning_rate: float = 1e-3  # the paper: below the general one, which is no better on kitchen_food
    weight_decay: float = 0.0
    epochs: int = 200
    patience: int = 10  # epochs without a better validation NDCG@10 before training stops
    evaluation_batch: int = 512
    precision: str = "float32"  # or bfloat16: of matrix products in `states`; semacdr.training.device


@dataclass(frozen=True)
class Epoch:
    """One line of history.tsv."""

    epoch: int
    loss: float
    valid_ndcg_10: float
    valid_hr_10: float


@dataclass(frozen=True)
class Fitted:
    """What training leaves: all epochs, the best one's number and parameters, seconds spent (on it and before, too)."""

    epochs: list[Epoch]
    best: int
    state: dict[str, torch.Tensor]
    training_seconds: float  # pre-training among them
    pretraining_seconds: float
    validation_seconds: float
    best_seconds: float  # until the best epoch was validated


def fit(
    model: Model,
    history: History,
    settings: Training,
    seed: int,
    device: torch.device,
    enough: Callable[[Epoch | None], bool] | None = None,
) -> Fitted:
    """Train until `patience` epochs brought nothing better; a system without parameters is only validated.

    `enough`, where given, is asked after every epoch whether it was the last; with None after those of pre-training.
    """
    model.to(device)
    ranker = Ranker(
        history, "valid", settings.max_length, settings.evaluation_batch, device, visibility=settings.visibility
    )
    learned = any(parameter.requires_grad for parameter in model.parameters())
    trainer = Trainer(model, history, settings, seed, device) if learned else None
    epochs, best, state, best_seconds = [], None, {}, 0.0
    seconds = dict.fromkeys(("pretraining", "training", "validation"), 0.0)
    start = time.perf_counter()
    if model.pretraining_epochs:
        trainer.pretrain(enough)
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
        elif number - best.epoch >= settings.patience:
            break
        if enough and enough(epochs[-1]):
            break
    before, training, validation = seconds.values()
    return Fitted(epochs, best.epoch, state, before + training, before, validation, best_seconds)


class Trainer:
    """Runs epochs of a model: data, negatives and optimiser state stay on the device."""

    def __init__(self, model: Model, history: History, settings: Training, seed: int, device: torch.device) -> None:
        self.model, self.settings = model, settings
        self.precision = PRECISIONS[settings.precision]
        self.rng = np.random.default_rng(seed)
        if settings.loss == "sampled_softmax":
            self.sampler = SharedNegatives(history, settings.shared_negatives, seed, device)
        else:
            own = settings.negatives if settings.loss in SAMPLED else 0
            self.sampler = NegativeSampler(history, own, seed, device)
        windows = training_windows(history, settings.max_length, settings.visibility)
        self.batches = Batches(windows, settings.batch_size, device, distinct=model.distinct_items)
        semantic = {id(parameter) for parameter in model.semantic_parameters()}
        groups = [
            {"params": [p for p in model.parameters() if id(p) in semantic], "lr": settings.semantic_learning_rate},
            {"params": [p for p in model.parameters() if id(p) not in semantic], "lr": settings.learning_rate},
        ]
        self.groups = [group for group in groups if group["params"]]
        self.optimiser = self._optimiser()

    def _optimiser(self) -> torch.optim.Optimizer:
        return Adam(self.groups, betas=(0.9, 0.98), weight_decay=self.settings.weight_decay, fused=True)

    def pretrain(self, enough: Callable[[None], bool] | None = None) -> None:
        """The epochs of the model's pre-training, all or until `enough`; training then begins with a new optimiser."""
        for number in range(1, self.model.pretraining_epochs + 1):
            log.info("pre-training epoch %d: loss %.4f", number, self.epoch(self.model.pretraining_loss))
            if enough and enough(None):
                break
        self.optimiser = self._optimiser()

    def epoch(self, loss_of: Callable[[Batch], torch.Tensor] | None = None) -> float:
        """Learn once from every user with a training step, in random order; the mean loss of the batches.

        The loss is that of training, or `loss_of` a batch.
        """
        self.model.train()
        losses = [self.step((loss_of or self.loss)(batch)) for batch in self.shuffled()]
        return float(torch.stack(losses).mean())

    def shuffled(self) -> Iterator[Batch]:
        """The batches of an epoch."""
        return self.batches.shuffled(self.rng, self.sampler)

    def step(self, loss: torch.Tensor) -> torch.Tensor:
        """Take one step down a loss, which comes back as a number of its own."""
        self.optimiser.zero_grad(set_to_none=True)
        loss.backward()
        self.optimiser.step()
        return loss.detach()

    def loss(self, batch: Batch) -> torch.Tensor:
        """The loss of a batch: over its steps, and the model's own.

        In bfloat16 are at most the matrix products of states and the model's own loss, by autocast, which takes
        softmax, norms and logarithms in float32. Graphs, item vectors and the scores of steps are float32 always.
        """
        prepared = self.model.prepare()
        with torch.autocast(batch.users.device.type, self.precision, enabled=self.precision != torch.float32):
            states, auxiliary = self.model.states_and_auxiliary_loss(prepared, batch)
        items = self.model.item_vectors(prepared)
        states = states.to(items.dtype)
        settings = self.settings
        steps = step_loss(settings.loss, states, items, batch.positives, batch.negatives, settings.calibration)
        return steps + auxiliary

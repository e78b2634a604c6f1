"""The steps of a training: batches, loss and optimiser, and the state from which they can go on."""

import copy
import json
import math
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import torch

from semacdr.batching.batches import Batch, Batches, Sampler
from semacdr.batching.negatives import NegativeSampler, SharedNegatives
from semacdr.batching.windows import training_windows
from semacdr.data.history import History
from semacdr.errors import UserError
from semacdr.models.base import Model
from semacdr.models.losses import SAMPLED, step_loss
from semacdr.runtime.cli import log
from semacdr.training.adam import Adam
from semacdr.training.device import PRECISIONS
from semacdr.training.progress import copied
from semacdr.training.settings import Training


class Diverged(UserError):
    """A loss is not finite."""


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

    def pretrain(self, done: int = 0, after: Callable[[int], bool] | None = None) -> None:
        """Run the model's pre-training, whose first `done` epochs are finished; training then has a new optimiser.

        `after` is called with the number of each finished epoch and returns whether to end.
        """
        for number in range(done + 1, self.model.pretraining_epochs + 1):
            try:
                loss = self.epoch(self.model.pretraining_loss)
            except Diverged as error:
                raise Diverged(f"pre-training epoch {number}: {error}") from error
            log.info("pre-training epoch %d: loss %.4f", number, loss)
            if after and after(number):
                break
        self.optimiser, self.steps = self._optimiser(), 0

    def state(self) -> dict[str, Any]:
        """What a training needs to continue with the same bytes, on the CPU: parameters, optimiser, random states."""
        optimiser, cuda = self.optimiser.state_dict(), self.sampler.generator.device.type == "cuda"
        return {
            "model": copied(self.model.state_dict()),
            "optimiser": {
                "state": copied(optimiser["state"]),
                "param_groups": copy.deepcopy(optimiser["param_groups"]),
            },
            "steps": self.steps,
            "order": json.dumps(self.rng.bit_generator.state),
            "negatives": self.sampler.generator.get_state(),
            "torch": torch.get_rng_state(),
            "cuda": torch.cuda.get_rng_state(self.sampler.generator.device) if cuda else None,
        }

    def load(self, state: dict[str, Any]) -> None:
        """Continue from a state that `state` returned."""
        self.model.load_state_dict(state["model"])
        optimiser = state["optimiser"]
        moments = {int(place): values for place, values in optimiser["state"].items()}
        self.optimiser.load_state_dict(optimiser | {"state": moments})
        self.steps, self.rng.bit_generator.state = state["steps"], json.loads(state["order"])
        self.sampler.generator.set_state(state["negatives"])
        torch.set_rng_state(state["torch"])
        if state["cuda"] is not None:
            torch.cuda.set_rng_state(state["cuda"], self.sampler.generator.device)

    def epoch(self, loss_of: Callable[[Batch], torch.Tensor] | None = None) -> float:
        """Take a step for every batch in random order and return the mean loss of the batches.

        The loss of a batch is `loss_of(batch)`, by default the training loss.
        """
        self.model.train()
        found: list[torch.Tensor] = []
        for batch in self.shuffled():
            loss = (loss_of or self.loss)(batch)
            if loss.device.type == "cpu" and not loss.isfinite():  # before the step, so that parameters still are
                raise Diverged(self._diverged(torch.stack([*found, loss.detach()])))
            found.append(self.step(loss))
        losses = torch.stack(found)
        mean = float(losses.mean())
        if not math.isfinite(mean):
            raise Diverged(self._diverged(losses))
        if not torch.stack([p.isfinite().all() for p in self.model.parameters()]).all():
            raise Diverged(f"training diverged: the last step of this epoch; {self._largest()}")
        return mean

    def _diverged(self, losses: torch.Tensor) -> str:
        """What to say of losses of which one is not finite: the step, and the largest parameters."""
        step = int((~losses.isfinite()).nonzero()[0]) + 1
        before = f", after {float(losses[step - 2]):.4g} in the step before" if step > 1 else ""
        where = f"step {step} of this epoch's {len(self.batches)}"
        return f"training diverged: the loss of {where} is {float(losses[step - 1])}{before}; {self._largest()}"

    def _largest(self) -> str:
        """The parameters with the largest absolute values, and what to do."""
        sizes = {name: float(p.detach().abs().nan_to_num(torch.inf).max()) for name, p in self.model.named_parameters()}
        largest = ", ".join(f"{name} {sizes[name]:.3g}" for name in sorted(sizes, key=lambda name: -sizes[name])[:3])
        return f"largest absolute values: {largest}; lower train.learning_rate or semantic_learning_rate"

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

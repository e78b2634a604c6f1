"""Compare seconds per epoch of a model on packed batches and on batches padded to the maximum length, in one run.

    python benchmarks/padding.py results/kitchen_food/kitchen_to_food --rounds 5

Reads a direction that the pipeline made (interactions and items are one folder above). The padded batches store every
sequence in 100 places, as published code does. Padding comes last, where causal attention does not see it, so both
compute the same states, which is checked. Epochs alternate, so that a slow moment of the machine affects both. `around`
is the share of a packed epoch outside forward, backward and the optimiser's step: making batches, drawing negatives,
the loop.
"""

import argparse
import statistics
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from direction import inputs_of, trainer_of

from semacdr.batching.batches import Batch
from semacdr.batching.windows import Ragged, Windows
from semacdr.models.losses import step_loss
from semacdr.runtime.machine import use_threads
from semacdr.training.settings import Training
from semacdr.training.trainer import Trainer


def padded(windows: Windows, length: int) -> Windows:
    """The windows with every sequence in `length` places; the positives of padding are -1."""
    rows = len(windows.users)

    def pad(values: np.ndarray, offsets: np.ndarray, fill: int = 0) -> np.ndarray:
        lengths = np.diff(offsets)
        table = np.full((rows, length), fill)
        table[np.arange(length) < lengths[:, None]] = values
        return table.ravel()

    whole, steps = np.arange(rows + 1) * length, windows.target.offsets
    ragged = {
        n: Ragged(pad(r.values, r.offsets), whole) for n in ("target", "source", "mixed") for r in [getattr(windows, n)]
    }
    step = {n: pad(getattr(windows, n), steps) for n in ("source_visible", "mixed_last", "target_place")}
    event = {n: pad(getattr(windows, n), windows.source.offsets) for n in ("source_place", "target_before")}
    return replace(windows, **ragged, **step, **event, positives=pad(windows.positives, steps, -1))


class PaddedTrainer(Trainer):
    """The engine's trainer on padded batches: padding goes through the model, but not into a loss."""

    def __init__(self, *args) -> None:
        super().__init__(*args)
        self.batches.windows = padded(self.batches.windows, self.settings.max_length)

    def loss(self, batch: Batch) -> torch.Tensor:
        prepared, real = self.model.prepare(), batch.positives >= 0
        states, items = self.model.states(prepared, batch)[real], self.model.item_vectors(prepared)
        steps = step_loss(self.settings.loss, states, items, batch.positives[real], batch.negatives[real])
        listed = batch.target_items[batch.target_items >= 0]  # the positive of padding is -1, which is not an item
        return steps + self.model.auxiliary_loss(prepared, replace(batch, target_items=listed))


def check_equal(packed: Trainer, other: PaddedTrainer) -> None:
    """Assert that both give the same states at every real step."""
    packed.model.eval()
    with torch.no_grad():
        one, two = next(packed.batches.ordered()), next(other.batches.ordered())
        prepared = packed.model.prepare()
        states = packed.model.states(prepared, two)[two.positives >= 0]
        torch.testing.assert_close(packed.model.states(prepared, one), states, rtol=1e-4, atol=1e-4)


def timed(action) -> float:
    start = time.perf_counter()
    action()
    return time.perf_counter() - start


def around(trainer: Trainer) -> float:
    """The share of an epoch that is spent outside the loss and the step that follows it."""
    loss, step, inside = trainer.loss, trainer.step, []

    def learn(batch: Batch) -> torch.Tensor:
        start = time.perf_counter()
        learned = step(loss(batch))
        inside.append(time.perf_counter() - start)
        return learned

    trainer.loss, trainer.step = learn, lambda learned: learned
    whole = timed(trainer.epoch)
    trainer.loss, trainer.step = loss, step
    return 1 - sum(inside) / whole


def compare(folder: Path, name: str, loss: str, rounds: int) -> str:
    """A line of the table: median seconds of both, the median ratio of the rounds, the share around the steps."""
    inputs, cpu = inputs_of(folder, name), torch.device("cpu")
    trainers = [trainer_of(inputs, name, Training(loss=loss), cpu, kind) for kind in (Trainer, PaddedTrainer)]
    packed, other = trainers
    check_equal(packed, other)
    packed.epoch()
    seconds = [(timed(packed.epoch), timed(other.epoch)) for _ in range(rounds)]
    rest = statistics.median(around(packed) for _ in range(rounds))
    ours, theirs = (statistics.median(column) for column in zip(*seconds, strict=True))
    ratio = statistics.median(b / a for a, b in seconds)
    return f"{name}\t{loss}\t{ours:.2f}\t{theirs:.2f}\t{ratio:.1f}\t{rest:.1%}"


def main() -> None:
    cli = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    cli.add_argument("folder", type=Path, help="results/<scenario>/<source>_to_<target>")
    cli.add_argument("--rounds", type=int, default=5)
    args = cli.parse_args()
    use_threads(None)
    print("model\tloss\tpacked s/epoch\tpadded s/epoch\tratio\taround", flush=True)
    for name, loss in (("sasrec", "bce"), ("sasrec", "ce"), ("semacdr", "bpr"), ("semacdr", "ce")):
        print(compare(args.folder, name, loss, args.rounds), flush=True)


if __name__ == "__main__":
    main()

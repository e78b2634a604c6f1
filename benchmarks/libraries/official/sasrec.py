"""Train SASRec of pmixer/SASRec.pytorch on the training events of a direction, with its own main.py.

parity.py, one folder above, runs this script.

--settings are options of its main.py; those below differ from its defaults. The checkout is not edited: main.py runs as
a script in a separate folder, with its own model, initialisation, optimiser and loss. These imports of main.py are
replaced:
* utils.data_partition and build_index: they read a file and hold out two events of users with four; the training events
  are given instead. No user's validation or test event is among them;
* utils.WarpSampler: it runs sample_function in three endless processes; here the function is called for the batches of
  one epoch at a time, so that its CPU seconds count and the seed determines everything. Each user is drawn once an
  epoch, as by each official process; for a user with only one training event it draws another user, as always;
* utils.evaluate and evaluate_valid, which rank among 100 random items every 20 epochs: Run.epoch validates after each
  epoch, by the scores of SASRec.predict;
* SASRec.__init__, by a function that calls it and keeps a reference to the model; print, since main.py prints the loss
  of each step.
"""

import importlib
import os
import runpy
import sys
import tempfile
from pathlib import Path

import numpy as np
import torch
from protocol import Judge, Run, arguments, events_before, load, sequences
from published import commit

SETTINGS = {"hidden_units": 64, "num_blocks": 2, "num_heads": 1, "dropout_rate": 0.5, "batch_size": 256, "lr": 0.001}
SETTINGS |= {"maxlen": 50, "device": "cpu"}
SAID = ("hidden_units", "num_blocks", "num_heads", "dropout_rate", "batch_size", "lr", "maxlen", "l2_emb", "norm_first")


class Over(Exception):
    """Raised to leave main.py when training is over."""


class Full(Exception):
    """Raised to leave sample_function when an epoch's batches are complete."""


class Epoch:
    """The queue that sample_function fills; it takes the batches of one epoch."""

    def __init__(self, size: int) -> None:
        self.size, self.batches = size, []

    def put(self, batch) -> None:
        self.batches.append(batch)
        if len(self.batches) == self.size:
            raise Full


class Side:
    """Replaces parts of utils, model and the command line for main.py; items and users are numbered from 1."""

    def __init__(self, args, sample, commit: str) -> None:
        self.args, self.sample = args, sample
        self.history = load(args.folder)
        self.items, self.users = len(self.history.target_items), self.history.users
        self.judge, self.commit = Judge(self.history, args.folder / "candidates.parquet"), commit
        self.before = {split: self.known(split) for split in ("valid", "test")}
        self.rng, self.batches, self.run = np.random.default_rng(args.seed), iter(()), None

    def known(self, split: str) -> list[np.ndarray]:
        """Each user's target items before the split's event."""
        events = events_before(self.history, split)
        return [items + 1 for items in sequences(events, self.users, np.arange(self.items))]

    def data_partition(self, name: str) -> list:
        training = {user: items.tolist() for user, items in enumerate(self.before["valid"], 1)}
        return [training, {}, {}, self.users, self.items]

    def sampler(self, training: dict, users: int, items: int, batch_size: int, maxlen: int, n_workers: int) -> "Side":
        self.sampled = training, users, items, batch_size, maxlen
        self.steps = (len(training) - 1) // batch_size + 1  # steps of an epoch, as main.py counts them
        return self

    def watched(self, initialise):
        """SASRec.__init__, wrapped to keep a reference to the model."""

        def init(model, users: int, items: int, settings) -> None:
            self.settings, self.trained = settings, model
            initialise(model, users, items, settings)

        return init

    def next_batch(self):
        """The next batch for main.py; if none is left, the epoch has ended."""
        batch = next(self.batches, None)
        if batch is None:
            self.between()
            self.batches = iter(self.drawn())
            batch = next(self.batches)
        return batch

    def between(self) -> None:
        if self.run is None:
            self.run = Run(self.args, self.trained, self.ranks)
            self.run.start()
        elif not self.run.epoch():
            self.run.write({"SASRec.pytorch": self.commit}, {name: getattr(self.settings, name) for name in SAID})
            raise Over
        self.trained.train()

    def drawn(self) -> list:
        epoch = Epoch(self.steps)
        try:
            self.sample(*self.sampled, epoch, int(self.rng.integers(2**31)))
        except Full:
            return epoch.batches

    def ranks(self, split: str) -> dict[str, np.ndarray]:
        return self.judge.ranks(split, self.scores(self.before[split]), np.arange(self.items))

    @torch.no_grad()
    def scores(self, histories: list[np.ndarray], batch: int = 256) -> torch.Tensor:
        """(users, items) after histories; padding comes first, as in evaluate."""
        self.trained.eval()
        length, items = self.settings.maxlen, np.arange(1, self.items + 1)
        rows = np.zeros((len(histories), length), np.int64)
        for row, history in zip(rows, histories, strict=True):
            row[length - len(history[-length:]) :] = history[-length:]
        parts = [rows[begin : begin + batch] for begin in range(0, len(rows), batch)]
        return torch.cat([self.trained.predict(None, part, items) for part in parts])


def main() -> None:
    cli = arguments(__doc__)
    cli.add_argument("--code", type=Path, required=True, help="a checkout of pmixer/SASRec.pytorch")
    args = cli.parse_args()
    args.folder, args.output, code = args.folder.resolve(), args.output.resolve(), args.code.resolve() / "python"
    torch.set_num_threads(args.threads)
    torch.manual_seed(args.seed)
    sys.path.insert(0, str(code))
    utils, model = (importlib.import_module(name) for name in ("utils", "model"))
    side = Side(args, utils.sample_function, commit(code))
    model.SASRec.__init__ = side.watched(model.SASRec.__init__)
    utils.WarpSampler, utils.data_partition = side.sampler, side.data_partition
    utils.build_index = lambda name: (None, None)
    utils.evaluate = utils.evaluate_valid = lambda *_: (0.0, 0.0)
    given = {"dataset": "target", "train_dir": "run", **SETTINGS, **args.settings, "num_epochs": args.epochs + 1}
    given = {f"--{name}": value for name, value in given.items() if value is not False}
    sys.argv = ["main.py"] + [part for name, value in given.items() for part in (name, str(value)) if part != "True"]
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        try:
            runpy.run_path(str(code / "main.py"), {"print": lambda *_, **__: None}, "__main__")
        except Over:
            os.chdir(code)


if __name__ == "__main__":
    main()

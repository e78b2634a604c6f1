"""The protocol that all models of the comparison share: training events, timing, ranks and stopping.

Needs only numpy, pyarrow and torch, so that it runs in a library's environment with this project's src in PYTHONPATH.
After each epoch a model calls `Run.epoch`, which stops the clock, ranks the validation events over the whole catalogue
and says whether to continue. The test events are ranked once, with the epoch that validation chose.
"""

import argparse
import dataclasses
import json
import logging
import os
import time
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from semacdr.data.history import History, load_history
from semacdr.errors import UserError
from semacdr.evaluation.candidates import load_candidates
from semacdr.evaluation.measures import hit_rate, ndcg
from semacdr.evaluation.ranks import Ranker
from semacdr.models.base import Model


@dataclass(frozen=True)
class Events:
    """Target events in the order of each user: users, items numbered within the target domain, places from 0."""

    user: np.ndarray
    item: np.ndarray
    place: np.ndarray  # in the user's order, which also orders events of one day


def events_before(history: History, split: str) -> Events:
    """All target events before their user's validation ('valid') or test ('test') event; none for cold users.

    A system may only learn from those before the validation event.
    """
    last = history.valid if split == "valid" else history.test
    before = history.is_target & (np.arange(len(history.item)) < np.repeat(last, np.diff(history.start)))
    user = history.user()[before]
    place = np.arange(len(user)) - np.searchsorted(user, user)
    return Events(user, history.item[before] - history.target_items.start, place)


def sequences(events: Events, users: int, known: np.ndarray) -> list[np.ndarray]:
    """Each user's items in order, as numbers within `known` (sorted); items that are not in it are left out."""
    where = np.isin(events.item, known)
    user, number = events.user[where], np.searchsorted(known, events.item[where])
    return np.split(number, np.searchsorted(user, np.arange(1, users)))


def padded(events: Events, users: int, known: np.ndarray, number: np.ndarray, length: int) -> torch.Tensor:
    """(users, length): each user's last known items by their `number` (known items,), after zeros."""
    rows = np.zeros((users, length), np.int64)
    for row, items in zip(rows, sequences(events, users, known), strict=True):
        row[length - len(items[-length:]) :] = number[items[-length:]]
    return torch.from_numpy(rows)


class Scored(Model):
    """Scores by a table (users, target items), for the project's own ranker."""

    def __init__(self, table: torch.Tensor) -> None:
        super().__init__()
        self.table = table

    def scores(self, prepared, batch) -> torch.Tensor:
        return self.table[batch.users.long()]


def rankers(history: History, candidates: Path, max_length: int = 1) -> dict[str, Ranker]:
    """This project's ranker by split, full and sampled; systems that score by themselves need no events in it."""
    stored = {split: load_candidates(candidates, history, split) for split in ("valid", "test")}
    device = torch.device("cpu")
    return {split: Ranker(history, split, max_length, 512, device, own) for split, own in stored.items()}


class Judge:
    """Ranks of the positives of a split from the scores of all users."""

    def __init__(self, history: History, candidates: Path) -> None:
        self.items, self.rankers = len(history.target_items), rankers(history, candidates)

    def ranks(self, split: str, scores: torch.Tensor, known: np.ndarray) -> dict[str, np.ndarray]:
        """Ranks by ranking from scores (users, known items); items that the system never saw come last."""
        table = (scores.min(1, keepdim=True).values - 1).repeat(1, self.items)
        table[:, torch.from_numpy(known)] = scores
        return self.rankers[split].rank(Scored(table))


@dataclass(frozen=True)
class Epoch:
    """One epoch: seconds of training up to its end, on the clock and of all threads together; validation."""

    epoch: int
    seconds: float
    cpu_seconds: float
    valid_ndcg_10: float


def measured(ranks: np.ndarray) -> dict[str, float]:
    """The means over users by which a run is judged."""
    return {"ndcg_10": float(ndcg(ranks, 10).mean()), "hr_10": float(hit_rate(ranks, 10).mean())}


class Run:
    """Clock, validation and stopping of one training; `ranks` returns the current model's ranks of a split."""

    def __init__(
        self, args: argparse.Namespace, model: torch.nn.Module, ranks: Callable[[str], dict[str, np.ndarray]]
    ) -> None:
        self.args, self.model, self.ranks = args, model, ranks
        self.epochs, self.best, self.state, self.stopped = [], None, {}, ""
        self.seconds = self.cpu_seconds = 0.0
        self.load = os.getloadavg()[0]

    def start(self) -> None:
        """Start the clock."""
        self._since = time.perf_counter(), time.process_time()

    def epoch(self) -> bool:
        """End an epoch: stop the clock and validate; returns False if training is over."""
        self.seconds += time.perf_counter() - self._since[0]
        self.cpu_seconds += time.process_time() - self._since[1]
        value = float(ndcg(self.ranks("valid")["full"], 10).mean())
        now = Epoch(len(self.epochs) + 1, self.seconds, self.cpu_seconds, value)
        self.epochs.append(now)
        print(f"{self.args.name} {now.epoch}: {now.seconds:.1f} s, validation NDCG@10 {value:.4f}", flush=True)
        if self.best is None or value > self.best.valid_ndcg_10:
            self.best = now
            self.state = {name: tensor.detach().clone() for name, tensor in self.model.state_dict().items()}
        ends = {
            "patience": now.epoch - self.best.epoch >= self.args.patience,
            "epochs": now.epoch >= self.args.epochs,
            "seconds": now.seconds >= self.args.seconds,
        }
        self.stopped = next((reason for reason, true in ends.items() if true), "")
        self.start()
        return not self.stopped

    def write(self, versions: dict[str, str], settings: dict) -> None:
        """Rank the test events by the best epoch's parameters and write the record of the run."""
        self.model.load_state_dict(self.state)
        test = self.ranks("test")
        found = {
            "name": self.args.name,
            "versions": versions | {"torch": torch.__version__},
            "settings": settings,
            "threads": torch.get_num_threads(),
            "load": self.load,
            "parameters": sum(parameter.numel() for parameter in self.model.parameters()),
            "epochs": [dataclasses.asdict(epoch) for epoch in self.epochs],
            "best": self.best.epoch,
            "stopped": self.stopped,
            "users": len(test["full"]),
            "test": measured(test["full"]),
            "test_sampled": measured(test["sampled"]),
        }
        self.args.output.write_text(json.dumps(found, indent=1) + "\n")


def start_quietly(threads: int) -> None:
    """Use that many threads of torch, and silence a library's warnings and Lightning's messages."""
    torch.set_num_threads(threads)
    warnings.filterwarnings("ignore")
    logging.getLogger("pytorch_lightning").setLevel(logging.ERROR)


def arguments(doc: str) -> argparse.ArgumentParser:
    """The command line that the systems share."""
    cli = argparse.ArgumentParser(description=doc, formatter_class=argparse.RawDescriptionHelpFormatter)
    cli.add_argument("folder", type=Path, help="results/<scenario>/<source>_to_<target>")
    cli.add_argument("--name", required=True, help="name of the row in the table")
    cli.add_argument(
        "--settings", type=json.loads, default={}, metavar="JSON", help="in addition to those in the script"
    )
    cli.add_argument("--epochs", type=int, default=200)
    cli.add_argument("--patience", type=int, default=10, help="epochs without a better validation NDCG@10")
    cli.add_argument(
        "--seconds", type=float, default=float("inf"), help="seconds of training after which no epoch starts"
    )
    cli.add_argument("--threads", type=int, default=1)
    cli.add_argument("--seed", type=int, default=1)
    cli.add_argument("--output", type=Path, required=True, help="a JSON file")
    return cli


def load(folder: Path) -> History:
    """The history of a direction, without cold users: the libraries cannot rank for users without events."""
    scenario = folder.parent
    history = load_history(scenario / "interactions.parquet", scenario / "items.parquet", folder / "split.parquet")
    if history.hidden.size:
        raise UserError(f"{folder}: some users are cold; compare on a scenario without cold users")
    return history

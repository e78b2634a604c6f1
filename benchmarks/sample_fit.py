"""Compare the sample with real data: ties, lengths, sequential signal and non-learned systems, side by side.

    python benchmarks/sample_fit.py results/movie_book results/kitchen_food

Reads   interactions.parquet, items.parquet and <direction>/split.parquet of each scenario, which targets such as
        results/<scenario>/preprocess.tsv and results/<scenario>/<direction>/split.parquet make.
Prints  a tab-separated table, a column for each direction. The simulator (semacdr.data.simulator) was fitted by it.
        Everything but the rows that say `test` uses validation events, so that the test events stay unread while
        parameters are chosen.
"""

import argparse
import importlib.util
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import polars as pl
import torch

from semacdr import models
from semacdr.data.history import History, load_history
from semacdr.errors import UserError
from semacdr.evaluation.measures import ndcg
from semacdr.evaluation.ranks import Ranker
from semacdr.models.base import ModelInputs
from semacdr.models.markov import transition_counts
from semacdr.training.settings import Training
from semacdr.training.system import system_of

SYSTEMS = ("seq_rules", "popularity", "item_knn", "markov")  # ratios are to the first one that exists
TOP, FEW = 10, 5


def directions(scenario: Path) -> Iterator[tuple[str, History, np.ndarray, np.ndarray]]:
    """Name, history, day (E,) of each event and creator (items,) of each direction that has a split."""
    splits = sorted(scenario.glob("*_to_*/split.parquet"))
    if not splits:
        raise UserError(f"{scenario}: has no split; make results/<scenario>/<source>_to_<target>/split.parquet first")
    events = pl.read_parquet(scenario / "interactions.parquet")
    creators = pl.read_parquet(scenario / "items.parquet")["brand"].to_numpy()
    for path in splits:
        history = load_history(scenario / "interactions.parquet", scenario / "items.parquet", path)
        target = (events["domain"] == history.meta["target"]).to_numpy()
        order = np.lexsort((~target, events["timestamp"].to_numpy(), events["user"].to_numpy()))
        yield path.parent.name, history, events["timestamp"].to_numpy()[order] // 86400, creators


def quantiles(values: np.ndarray) -> str:
    """The 10, 50 and 90 % quantiles and the mean, as text."""
    low, middle, high = np.quantile(values, [0.1, 0.5, 0.9])
    return f"{low:g} / {middle:g} / {high:g}, mean {values.mean():.1f}"


def previous(history: History, at: np.ndarray) -> np.ndarray:
    """(n,) index of the target event before each of the target events `at`."""
    where = np.where(history.is_target, np.arange(len(history.item)), -1)
    return np.maximum.accumulate(where)[at - 1]


def transition_share(history: History) -> tuple[float, float]:
    """Shares of validation events whose item followed the item before it in training: at all, and among the TOP."""
    items = len(history.source_items) + len(history.target_items)
    before, after = transition_counts(history, mixed=False)
    pairs, counts = np.unique(before * items + after, return_counts=True)
    order = np.lexsort((pairs % items, -counts, pairs // items))
    first = pairs[order] // items
    place = np.arange(len(first)) - np.searchsorted(first, first)
    top = np.sort(pairs[order][place < TOP])
    _, at = history.ranked("valid")
    wanted = history.item[previous(history, at)] * items + history.item[at]
    return float(np.isin(wanted, pairs).mean()), float(np.isin(wanted, top).mean())


def co_occurrence(history: History, chosen: np.ndarray) -> np.ndarray:
    """(target items, target items) how many users have both among the chosen events, 0 on the diagonal."""
    own = chosen & history.is_target
    seen = np.zeros((history.users, len(history.target_items)), np.float32)
    seen[history.user()[own], history.item[own] - history.target_items.start] = 1
    together = seen.T @ seen
    np.fill_diagonal(together, 0)
    return together


def drift(history: History, day: np.ndarray) -> float:
    """The correlation of the items' co-occurrence in the earlier and in the later half of the training events."""
    training = history.training()
    late = day > np.median(day[training & history.is_target])
    early, later = (co_occurrence(history, training & part) for part in (~late, late))
    above = np.triu_indices(len(early), 1)
    return float(np.corrcoef(early[above], later[above])[0, 1])


def same_creator(history: History, creators: np.ndarray) -> float:
    """The share of validation events by the creator of one of the user's last TOP events of either domain."""
    users, at = history.ranked("valid")
    found = [
        creators[history.item[e]] in set(creators[history.item[max(history.start[u], e - TOP) : e]]) - {""}
        for u, e in zip(users, at, strict=True)
    ]
    return float(np.mean(found))


def describe(history: History, day: np.ndarray, creators: np.ndarray) -> dict[str, str]:
    """The rows that need no system."""
    own = np.bincount(history.user()[history.is_target], minlength=history.users)
    other = np.diff(history.start) - own
    training = history.item[history.training() & history.is_target] - history.target_items.start
    counts = np.bincount(training, minlength=len(history.target_items))
    _, test = history.ranked("test")
    tested = history.item[test] - history.target_items.start
    same_user = history.user()[1:] == history.user()[:-1]
    seen, top = transition_share(history)
    biggest = np.sort(counts)[::-1][: max(len(counts) // 10, 1)]
    return {
        "users": str(history.users),
        "target items": str(len(history.target_items)),
        "target events of a user": quantiles(own),
        "source events of a user": quantiles(other),
        "correlation of their logarithms": f"{np.corrcoef(np.log(own), np.log(np.maximum(other, 1)))[0, 1]:.2f}",
        "training events of a target item": quantiles(counts),
        "share of the 10 % most frequent items": f"{biggest.sum() / counts.sum():.2f}",
        "events on the day of the event before": f"{(np.diff(day) == 0)[same_user].mean():.2f}",
        "tied test events": f"{(day[test] == day[previous(history, test)]).mean():.2f}",
        f"test items with < {FEW} training events": f"{(counts[tested] < FEW).mean():.2f}",
        "next item followed the last one before": f"{seen:.2f}",
        f"the same, among its {TOP} most frequent followers": f"{top:.2f}",
        "same creator among the last 10 events": f"{same_creator(history, creators):.2f}",
        "early and late co-occurrence, correlation": f"{drift(history, day):.2f}",
    }


def accuracy(history: History) -> dict[str, str]:
    """Full NDCG@10 of the non-learned systems that exist, and their ratio to the first."""
    found: dict[str, str] = {}
    for split in ("valid", "test"):
        ranker = Ranker(history, split, Training.max_length, 512, torch.device("cpu"))
        reference = None
        for name in SYSTEMS:
            if importlib.util.find_spec(f"{models.__name__}.{name}") is None:
                continue
            system = system_of(name, {}, Training(loss=None))
            model = system.build(ModelInputs(history, system.training.max_length), 1)
            value = float(ndcg(ranker.rank(model)["full"], 10).mean())
            reference = reference or value
            found[f"{name}, {split}"] = f"{value:.4f} ({value / reference:.2f})"
    return found


def main() -> None:
    cli = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    cli.add_argument("scenarios", type=Path, nargs="+", help="folders of results")
    args = cli.parse_args()
    torch.set_num_threads(1)
    columns: dict[str, dict[str, str]] = {}
    for scenario in args.scenarios:
        for name, history, day, creators in directions(scenario):
            columns[name] = describe(history, day, creators) | accuracy(history)
    print("quantity", *columns, sep="\t")
    for row in next(iter(columns.values())):
        print(row, *(column[row] for column in columns.values()), sep="\t")


if __name__ == "__main__":
    main()

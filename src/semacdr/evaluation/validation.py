"""The validation of training runs by epoch, and the runs that never left the level of popularity.

A learned system can stop early on a plateau on which it ranks items by popularity alone. Its number then says nothing
about the system, so every table and page names such runs.
"""

import math
from collections.abc import Iterable
from pathlib import Path
from typing import Any, NamedTuple

from semacdr.errors import UserError
from semacdr.evaluation.costs import read_record
from semacdr.storage import tsv

POPULARITY = "popularity_valid_ndcg_10"  # of cost.json: validation NDCG@10 of the most popular items, full ranking
PLATEAU = 1.2  # up to this multiple of popularity a run is at its level; training has the same constant


class Plateau(NamedTuple):
    """A run at the level of popularity by its best epoch; both values are NDCG@10, full ranking, on validation."""

    source: str
    target: str
    seed: str
    best: float
    popularity: float


def read_validation(folder: Path) -> list[tuple[int, float]]:
    """Epoch and validation NDCG@10 of each epoch of a run; a UserError where history.tsv cannot be read."""
    path = folder / "history.tsv"
    try:
        return [(int(row["epoch"]), float(row["valid_ndcg_10"])) for row in tsv.read(path, ("epoch", "valid_ndcg_10"))]
    except ValueError as error:
        raise UserError(f"{path}: not what stage train writes: {error}; train the run again") from error


def at_level(best: float, popularity: float) -> bool:
    """Whether a run's best validation value is at the level of popularity's: not clearly above it."""
    return best <= PLATEAU * popularity


def read_plateau(folder: Path) -> Plateau | None:
    """What a learned run reached, if its best epoch is at the level of popularity; else None.

    None also for a non-learned baseline, and for a run of an earlier version, which did not record popularity.
    """
    settings, cost = read_record(folder)
    if POPULARITY not in cost or not settings.get("training", {}).get("loss"):
        return None
    popularity, best = _number(folder, cost[POPULARITY]), _best(folder, cost["best_epoch"])
    if not at_level(best, popularity):
        return None
    return Plateau(settings["source"], settings["target"], str(settings["seed"]), best, popularity)


def read_plateaus(folders: Iterable[Path]) -> list[Plateau]:
    """The plateaus among runs."""
    return [found for folder in dict.fromkeys(folders) if (found := read_plateau(folder)) is not None]


def seeds_at_popularity(plateaus: Iterable[Plateau], source: str, target: str) -> str | None:
    """The seeds of a direction's plateaus, as a table shows them: 1, 3. None where there are none."""
    return ", ".join(one.seed for one in plateaus if (one.source, one.target) == (source, target)) or None


def _best(folder: Path, epoch: int) -> float:
    for number, value in read_validation(folder):
        if number == epoch:
            return value
    raise UserError(f"{folder}: history.tsv has no epoch {epoch}, the best one of cost.json; train the run again")


def _number(folder: Path, value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise UserError(f"{folder}/cost.json: {POPULARITY} must be a number, not {value!r}; train the run again")
    return float(value)

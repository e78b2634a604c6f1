"""Systems on several data sets: for each run its test result, and its validation next to that of simple baselines.

A data set is one direction of one scenario. Two directions share their users.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from semacdr.errors import UserError
from semacdr.evaluation.costs import read_settings
from semacdr.evaluation.groups import warm_and_cold
from semacdr.evaluation.main_metric import CUTOFF
from semacdr.evaluation.measures import at_level, ndcg
from semacdr.evaluation.runs import Run, check_comparable, load_run
from semacdr.evaluation.validation import read_validation

POPULARITY, RULES = "popularity", "seq_rules"  # models that the others are divided by


class Place(NamedTuple):
    """Where a variant was trained: an experiment of a scenario."""

    experiment: str
    scenario: str


@dataclass(frozen=True)
class DataSetRow:
    """A run: its fields are the columns. NDCG@10 of warm users; ratios are of validation values, in full ranking."""

    experiment: str
    scenario: str
    source: str
    target: str
    variant: str
    seed: str
    full: float
    sampled: float
    valid: float
    valid_from_start: float | None  # the value, had patience counted from the first epoch; None for a baseline
    to_popularity: float | None  # None where the experiment lacks the other system, or its value is 0
    to_rules: float | None
    at_popularity: str | None  # yes: a learned system's run at the level of popularity
    users: int
    release: str
    model: str
    run: str


def data_set_rows(given: Mapping[Place, Mapping[str, Sequence[Path]]]) -> list[DataSetRow]:
    """The rows, from the run folders by place and variant; a UserError where runs do not fit together.

    A non-learned baseline has one row, whatever the number of seeds.
    """
    rows: list[DataSetRow] = []
    for place, variants in given.items():
        loaded = {name: [_Loaded(folder) for folder in dict.fromkeys(own)] for name, own in variants.items()}
        check_comparable([one.test for own in loaded.values() for one in own])
        directions = dict.fromkeys(one.test.direction for own in loaded.values() for one in own)
        for direction in directions:
            part = {name: [one for one in own if one.test.direction == direction] for name, own in loaded.items()}
            for name in [name for name, own in part.items() if not own]:
                where = " to ".join(direction)
                raise UserError(f"{place.experiment}, {place.scenario}: there is no '{name}' from {where}")
            rows += _direction_rows(place, part)
    return rows


class _Loaded:
    """A run with its validation NDCG@10."""

    def __init__(self, folder: Path) -> None:
        self.test, valid = load_run(folder), load_run(folder, "valid")
        self.valid = float(ndcg(valid.ranks["full"], CUTOFF).mean())
        training = read_settings(folder).get("training", {})
        self.learned = bool(training.get("loss"))
        self.from_start: float | None = None
        if self.learned:
            values = [value for _, value in read_validation(folder)]
            self.from_start = best_from_start(values, int(training["patience"]))


def best_from_start(values: Sequence[float], patience: int) -> float:
    """The best validation value that training keeps if patience counts from the first epoch, given all epochs' values.

    Training counts it only from the first epoch clearly above popularity (semacdr.training.engine.fit).
    """
    best, since = values[0], 0
    for value in values[1:]:
        best, since = (value, 0) if value > best else (best, since + 1)
        if since == patience:
            break
    return best


def _direction_rows(place: Place, variants: Mapping[str, Sequence[_Loaded]]) -> list[DataSetRow]:
    runs = [one for own in variants.values() for one in own]
    popularity, rules = (_reference(model, runs) for model in (POPULARITY, RULES))
    return [
        DataSetRow(
            *place,
            *one.test.direction,
            variant=name,
            seed=one.test.seed,
            full=_test(one.test, "full"),
            sampled=_test(one.test, "sampled"),
            valid=one.valid,
            valid_from_start=one.from_start,
            to_popularity=one.valid / popularity if popularity else None,
            to_rules=one.valid / rules if rules else None,
            at_popularity="yes" if one.learned and popularity is not None and at_level(one.valid, popularity) else None,
            users=int(warm_and_cold(one.test)[0].members.sum()),
            release=one.test.release,
            model=one.test.model,
            run=one.test.name,
        )
        for name, own in variants.items()
        for one in own
    ]


def _reference(model: str, runs: Iterable[_Loaded]) -> float | None:
    """The validation value of the first run of a non-learned model; None where there is none."""
    return next((one.valid for one in runs if one.test.model == model), None)


def _test(run: Run, ranking: str) -> float:
    return float(ndcg(run.ranks[ranking][warm_and_cold(run)[0].members], CUTOFF).mean())

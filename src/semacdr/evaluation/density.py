"""What the gain of SPHERE over its backbone is compared with: density of the target, quality, semantic proximity.

The point of a scenario's direction holds, for each backbone, the gain of backbone + SPHERE in NDCG@10 of full ranking.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from semacdr.errors import UserError
from semacdr.evaluation.correlation import Correlation, rank_correlation
from semacdr.evaluation.main_metric import read_main_metric
from semacdr.evaluation.significance import holm
from semacdr.storage import tables

MODEL = "sphere"
NEEDS = ("model", "difference", "difference_low", "difference_high", "p_bootstrap_holm", "seeds", "users")
PREDICTORS = ("events_per_item", "events_per_user", "backbone_ndcg", "over_popularity", "proximity")
OUTCOMES = ("gain", "relative_gain")
ALL = "all"  # series of the correlation over all backbones

Array = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Place:
    """What a direction of a scenario is like; training events are of the target domain."""

    training_events: int
    training_users: int  # with a training event
    items: int  # of the target's catalogue
    proximity: float  # of the domains, 0 to 1: semacdr.evaluation.density.proximity

    @property
    def events_per_item(self) -> float:
        """Training events of a target item, on average over the catalogue."""
        return self.training_events / self.items

    @property
    def events_per_user(self) -> float:
        """Training events of a user who has any, on average."""
        return self.training_events / self.training_users


@dataclass(frozen=True)
class DensityRow:
    """The gain of one variant over its backbone in a direction: its fields are the columns."""

    scenario: str
    source: str
    target: str
    backbone: str
    variant: str
    gain: float  # in NDCG@10, full ranking
    gain_low: float
    gain_high: float
    p_bootstrap_holm: float
    relative_gain: float | None  # gain / backbone_ndcg; None where the backbone has 0
    backbone_ndcg: float
    popularity_ndcg: float | None  # None if the experiment has no popularity
    over_popularity: float | None  # backbone_ndcg / popularity_ndcg
    events_per_item: float
    events_per_user: float
    training_events: int
    training_users: int
    items: int
    proximity: float
    seeds: int
    users: int  # test users
    release: str


@dataclass(frozen=True)
class CorrelationRow:
    """A correlation over all points: its fields are the columns."""

    backbone: str  # all: the mean over backbones
    variant: str
    outcome: str
    predictor: str
    rho: float | None
    p: float | None
    p_holm: float | None  # over the predictors
    points: int
    pairs: int  # distinct pairs of source and target among them


def proximity(counts: Sequence[Array], assigned: Mapping[str, Sequence[tuple[int, int]]]) -> float:
    """1 minus the Jensen-Shannon divergence (base 2) of the domains' term shares, averaged over categories.

    `counts`: for each domain (items,) the training events of each item; `assigned`: by category the items and the
    numbers of their terms. An event counts once in a category, divided among the item's terms. 1: the same shares; 0:
    no term in common. A category without events in one of the domains is left out; a UserError if all are.
    """
    found = []
    for pairs in assigned.values():
        item, term = np.array(pairs).T
        share = 1 / np.bincount(item)[item]
        shares = [np.bincount(term, count[item] * share, minlength=term.max() + 1) for count in counts]
        if all(one.sum() > 0 for one in shares):
            found.append(1 - divergence(*(one / one.sum() for one in shares)))
    if not found:
        raise UserError("no category has items with events in both domains, so their proximity is unknown")
    return float(np.mean(found))


def divergence(one: Array, other: Array) -> float:
    """The Jensen-Shannon divergence of two distributions, base 2: 0 for equal ones, 1 without common support."""
    middle = (one + other) / 2

    def to_middle(part: Array) -> float:
        some = part > 0
        return float((part[some] * np.log2(part[some] / middle[some])).sum())

    return max(0.0, (to_middle(one) + to_middle(other)) / 2)


def read_place(folder: Path, source: str, target: str) -> Place:
    """What a direction is like, from the tables in a scenario's folder."""
    interactions, meta = tables.read(folder / "interactions.parquet", "interactions")
    items, _ = tables.read(folder / "items.parquet", "items")
    path = folder / f"{source}_to_{target}/split.parquet"
    split, split_meta = tables.read(path, "split")
    tables.check_made_from(path, split_meta, "split", interactions=meta)
    train = split.filter(pc.equal(split["role"], "train"))
    if not len(train):
        raise UserError(f"{path}: has no training event")
    size = len(items)
    before = interactions.filter(pc.equal(interactions["domain"], source))["item"]
    counts = [np.bincount(column.to_numpy(), minlength=size).astype(float) for column in (before, train["item"])]
    try:
        near = proximity(counts, _assigned(folder / "semantics/agnostic.parquet"))
    except UserError as error:
        raise UserError(f"{folder}: {error}") from error
    catalogue = pc.sum(pc.equal(items["domain"], target)).as_py()
    return Place(len(train), len(pc.unique(train["user"])), catalogue, near)


def _assigned(path: Path) -> dict[str, list[tuple[int, int]]]:
    """By category the item and the number of the term of each assignment."""
    table, _ = tables.read(path, "agnostic")
    found: dict[str, list[tuple[int, int]]] = {}
    numbers: dict[str, dict[str, int]] = {}
    for item, category, term in zip(
        *(_column(table, name) for name in ("item", "category", "subcategory")), strict=True
    ):
        own = numbers.setdefault(category, {})
        found.setdefault(category, []).append((item, own.setdefault(term, len(own))))
    return found


def _column(table: pa.Table, name: str) -> list:
    return table[name].to_pylist()


def density_rows(scenarios: Iterable[Path], experiment: str, variants: Sequence[str] = ()) -> list[DensityRow]:
    """The rows of all directions; `scenarios`: folders with the experiment's table and the tables it was made from.

    `variants`: those whose gain is taken; by default every variant of model sphere that is compared with another model.
    """
    rows: list[DensityRow] = []
    for folder in scenarios:
        path = folder / f"{experiment}.tsv"
        found = read_main_metric(path, NEEDS)
        if found[0]["split"] != "test":
            raise UserError(f"{path}: is of validation events; give an experiment with split test")
        for direction in dict.fromkeys((row["source"], row["target"]) for row in found):
            part = {row["variant"]: row for row in found if (row["source"], row["target"]) == direction}
            chosen = variants or [name for name, row in part.items() if _is_gain(row, part)]
            lacking = [name for name in chosen if name not in part or not part[name].get("against")]
            if lacking or not chosen:
                what = f"variant {lacking[0]}" if lacking else f"a variant of model {MODEL}"
                raise UserError(
                    f"{path}: lacks {what} that is compared with its backbone (`against` in the experiment)"
                )
            place = read_place(folder, *direction)
            rows += [_row(folder.name, part, name, place) for name in chosen]
    return rows


def _is_gain(row: Mapping[str, str], rows: Mapping[str, Mapping[str, str]]) -> bool:
    return bool(row["model"] == MODEL and row.get("against") in rows and rows[row["against"]]["model"] != MODEL)


def _row(scenario: str, rows: Mapping[str, Mapping[str, str]], name: str, place: Place) -> DensityRow:
    row, backbone = rows[name], rows[rows[name]["against"]]
    gain, low, high = (float(row[column]) for column in ("difference", "difference_low", "difference_high"))
    quality = float(backbone["mean"])
    popular = next((float(one["mean"]) for one in rows.values() if one["model"] == "popularity"), None)
    return DensityRow(
        scenario=scenario,
        source=row["source"],
        target=row["target"],
        backbone=backbone["variant"],
        variant=name,
        gain=gain,
        gain_low=low,
        gain_high=high,
        p_bootstrap_holm=float(row["p_bootstrap_holm"]),
        relative_gain=gain / quality if quality > 0 else None,
        backbone_ndcg=quality,
        popularity_ndcg=popular,
        over_popularity=quality / popular if popular else None,
        events_per_item=place.events_per_item,
        events_per_user=place.events_per_user,
        training_events=place.training_events,
        training_users=place.training_users,
        items=place.items,
        proximity=place.proximity,
        seeds=int(row["seeds"]),
        users=int(row["users"]),
        release=row["release"],
    )


def correlations(rows: Sequence[DensityRow]) -> list[CorrelationRow]:
    """The correlation of each outcome with each predictor, for each variant and for all together.

    For all together a point counts only if every variant has it. Points without a value of the predictor are left out.
    """
    series = list(dict.fromkeys((row.backbone, row.variant) for row in rows))
    groups = {one: [one] for one in series} | ({(ALL, ALL): series} if len(series) > 1 else {})
    found: list[CorrelationRow] = []
    for (backbone, variant), members in groups.items():
        for outcome in OUTCOMES:
            measured = [_correlation(rows, members, predictor, outcome) for predictor in PREDICTORS]
            known = [one.p for one, _ in measured if one.p is not None]
            corrected = iter(holm(known))
            for predictor, (one, pairs) in zip(PREDICTORS, measured, strict=True):
                adjusted = None if one.p is None else next(corrected)
                found.append(
                    CorrelationRow(
                        backbone, variant, outcome, predictor, one.rho, one.p, adjusted, one.points, pairs
                    )
                )  # fmt: skip
    return found


def _correlation(
    rows: Sequence[DensityRow], series: Sequence[tuple[str, str]], predictor: str, outcome: str
) -> tuple[Correlation, int]:
    """The correlation over the points that all series have, and their distinct pairs of domains."""
    points: dict[tuple[str, str, str], dict[tuple[str, str], tuple[float, float]]] = {}
    for row in rows:
        x, y = getattr(row, predictor), getattr(row, outcome)
        if x is not None and y is not None:
            points.setdefault((row.scenario, row.source, row.target), {})[row.backbone, row.variant] = (x, y)
    complete = {key: point for key, point in points.items() if all(one in point for one in series)}
    values = np.array([[point[one] for one in series] for point in complete.values()]).reshape(-1, len(series), 2)
    return rank_correlation(values[..., 0], values[..., 1]), len({key[1:] for key in complete})

"""People: some users' histories of both domains, what systems put before them, and what speaks for it.

Who is shown is not picked by hand: users fall into groups by which of the systems had the test item among the best ten
of full ranking, and they are drawn one by one from each group in turn, in an order that a seed determines.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import numpy as np

from semacdr.data.history import History
from semacdr.errors import UserError
from semacdr.evaluation.runs import Run, load
from semacdr.reporting.metrics_page import name
from semacdr.reporting.page.catalogue import Catalogue, Item
from semacdr.reporting.page.tastes import Taste, Tastes
from semacdr.storage import tables

HIT = 10  # places: what counts as found
SHOWN_TASTES = 6  # of a domain


@dataclass(frozen=True)
class Shown:
    """A system whose recommendations are shown: its ranks of the test events, and the best items of each user."""

    name: str
    run: Run
    users: np.ndarray  # (places,) sorted
    items: np.ndarray  # (places,) of each user the best first

    def rank(self, user: int) -> float:
        """The rank of the user's test item in full ranking."""
        return float(self.run.ranks["full"][np.searchsorted(self.run.users, user)])

    def best(self, user: int) -> list[int]:
        """The user's best items, in order."""
        begin, end = np.searchsorted(self.users, [user, user + 1])
        return self.items[begin:end].tolist()


@dataclass(frozen=True)
class Place:
    """An item of a system's list: its subcategories, each with whether source and target events speak for it."""

    place: int
    item: Item
    hit: bool
    filed: list[tuple[str, bool, bool]]


@dataclass(frozen=True)
class Listed:
    """A system's list for a person, and where the test item is."""

    system: str
    rank: str
    hit: bool
    places: list[Place]


@dataclass(frozen=True)
class Event:
    """What a person did: the day, the item, and whether it is of the target domain."""

    day: str
    item: Item
    is_target: bool


@dataclass(frozen=True)
class Person:
    """All that is shown of a user."""

    user: int
    group: str
    cold: bool
    events: list[Event]  # the latest that the systems saw, in time
    earlier: int  # seen too, but not shown
    counts: tuple[int, int]  # of source and target events that the systems saw
    asked: Event  # the test event
    asked_filed: list[tuple[str, bool, bool]]
    candidates: int  # of full ranking
    tastes: tuple[list[Taste], list[Taste]]  # of source and target
    lists: list[Listed]


@dataclass(frozen=True)
class Direction:
    """The people of a direction, and how many users each group has."""

    source: str
    target: str
    groups: list[tuple[str, int]]
    users: int
    seeds: str
    people: list[Person]


def shown(folder: Path) -> Shown:
    """The system in a run's folder, which holds ranks.parquet and recommendations.parquet."""
    run = load(folder / "ranks.parquet")
    path = folder / "recommendations.parquet"
    table, meta = tables.read(path, "recommendations")
    if any(meta.get(key) != getattr(run, key) for key in ("source", "target", "model", "variant", "seed")):
        raise UserError(f"{path}: not of the same run as {run.path}; run the stages rank and recommend again")
    table = table.sort_by([("user", "ascending"), ("place", "ascending")])
    return Shown(name(run.model, run.variant), run, table["user"].to_numpy(), table["item"].to_numpy())


def groups(systems: Sequence[Shown]) -> dict[str, np.ndarray]:
    """By name the users of each group, the one that all systems found first; none is empty."""
    hits = np.stack([system.run.ranks["full"] <= HIT for system in systems])
    keys = sorted({tuple(column) for column in hits.T.tolist()}, key=lambda key: (-sum(key), [not h for h in key]))
    users = systems[0].run.users
    return {_group(systems, key): users[np.equal(hits.T, key).all(1)] for key in keys}


def _group(systems: Sequence[Shown], key: Sequence[bool]) -> str:
    found = [system.name for system, hit in zip(systems, key, strict=True) if hit]
    if not found:
        return "found by none"
    if len(found) == len(systems):
        return f"found by {' and '.join(found)}"
    return f"found by {' and '.join(found)} alone"


def choose(groups: dict[str, np.ndarray], count: int, seed: int) -> list[tuple[int, str]]:
    """`count` users with their group: drawn from each group in turn, each in an order that the seed determines."""
    rng, drawn = np.random.default_rng(seed), []
    orders = {group: rng.permutation(users).tolist() for group, users in groups.items()}
    while len(drawn) < count and any(orders.values()):
        drawn += [(order.pop(), group) for group, order in orders.items() if order]
    place = list(groups)
    return sorted(drawn[:count], key=lambda pair: place.index(pair[1]))


class Views:
    """Makes the persons of a direction."""

    def __init__(
        self,
        history: History,
        days: dict[tuple[int, int], int],
        catalogue: Catalogue,
        systems: Sequence[Shown],
        events: int,
    ) -> None:
        """`days`: the timestamp of each user's event with an item; `events`: how many of a history are shown."""
        self.history, self.days, self.catalogue, self.systems, self.events = history, days, catalogue, systems, events
        self.tastes = Tastes(history, catalogue)

    def person(self, user: int, group: str) -> Person:
        """All that is shown of a user."""
        history = self.history
        seen = slice(history.start[user], history.test[user])
        items, is_target = history.item[seen].tolist(), history.is_target[seen]
        asked = int(history.item[history.test[user]])
        apart = [[item for item, own in zip(items, is_target, strict=True) if own == side] for side in (False, True)]
        tastes = tuple(self.tastes.of(part, side) for part, side in zip(apart, (False, True), strict=True))
        keys = tuple({(taste.category, taste.subcategory) for taste in part} for part in tastes)
        hidden = int((history.hidden[0] == user).sum())
        events = [self._event(user, item, bool(own)) for item, own in zip(items, is_target, strict=True)]
        return Person(
            user, group, bool(history.valid[user] == history.test[user]), events[-self.events :],
            max(0, len(events) - self.events), (len(apart[0]), len(apart[1])), self._event(user, asked, True),
            self._filed(asked, keys), len(history.target_items) - len(apart[1]) - hidden,
            tuple(part[:SHOWN_TASTES] for part in tastes), [self._listed(s, user, asked, keys) for s in self.systems],
        )  # fmt: skip

    def _event(self, user: int, item: int, is_target: bool) -> Event:
        day = datetime.fromtimestamp(self.days[user, item], UTC).date().isoformat()
        return Event(day, self.catalogue[item], is_target)

    def _filed(self, item: int, keys: tuple[set, set]) -> list[tuple[str, bool, bool]]:
        """What speaks for it first."""
        rows = [(key[1], key in keys[0], key in keys[1]) for key in self.catalogue.meant(item)]
        return sorted(rows, key=lambda row: -(row[1] + row[2]))

    def _listed(self, system: Shown, user: int, asked: int, keys: tuple[set, set]) -> Listed:
        rank = system.rank(user)
        places = [
            Place(place, self.catalogue[item], item == asked, self._filed(item, keys))
            for place, item in enumerate(system.best(user), 1)
        ]
        return Listed(system.name, f"{rank:g}", rank <= HIT, places)


def direction(
    history: History,
    interactions: Path,
    catalogue: Catalogue,
    systems: Sequence[Shown],
    count: int,
    events: int,
    seed: int,
) -> Direction:
    """The people of a direction under these systems; a UserError where they are not of the same users."""
    for system in systems:
        if not np.array_equal(system.run.users, np.arange(history.users)):
            raise UserError(f"{system.run.path}: its users are not those of the split; run the rank stage again")
    found = groups(systems)
    drawn = choose(found, count, seed)
    table = tables.read(interactions, "interactions")[0]
    rows = np.isin(table["user"].to_numpy(), [user for user, _ in drawn])
    part = table.filter(rows)
    keys = zip(part["user"].to_pylist(), part["item"].to_pylist(), strict=True)
    days = dict(zip(keys, part["timestamp"].to_pylist(), strict=True))
    views = Views(history, days, catalogue, systems, events)
    return Direction(
        history.meta["source"], history.meta["target"], [(name, len(users)) for name, users in found.items()],
        history.users, systems[0].run.seed, [views.person(user, group) for user, group in drawn],
    )  # fmt: skip

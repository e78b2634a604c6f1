"""The page's section on users: histories in both domains, recommendations, and which categories support them.

Users are drawn at random, not picked. They are grouped by which systems ranked the test item within the length of their
lists, and drawn from each group in turn, in an order that a seed determines.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import numpy.typing as npt

from semacdr.data.history import History
from semacdr.errors import UserError
from semacdr.reporting.page.catalogue import Catalogue, Item, Key
from semacdr.reporting.page.recommenders import Recommender
from semacdr.reporting.page.tastes import Taste, Tastes
from semacdr.storage import tables

SHOWN_TASTES = 6  # per domain
Supported = tuple[str, bool, bool]  # a subcategory, and whether it is frequent in the user's source and target events


@dataclass(frozen=True)
class Place:
    """An item of a list, with its subcategories."""

    place: int
    item: Item
    hit: bool  # whether it is the test item
    filed: list[Supported]


@dataclass(frozen=True)
class Recommendations:
    """A system's list for a user, and the rank of the test item."""

    system: str
    rank: str
    hit: bool
    places: list[Place]


@dataclass(frozen=True)
class Event:
    """An event of a user: its day, its item, and whether it is of the target domain."""

    day: str
    item: Item
    is_target: bool


@dataclass(frozen=True)
class ShownUser:
    """Everything that the page shows about a user."""

    user: int
    group: str
    cold: bool
    events: list[Event]  # the latest that the systems saw, in order
    earlier: int  # number of events that the systems saw and the page leaves out
    counts: tuple[int, int]  # of source and target events that the systems saw
    test: Event
    test_filed: list[Supported]
    candidates: int  # of full ranking
    tastes: tuple[list[Taste], list[Taste]]  # of source and target
    lists: list[Recommendations]


@dataclass(frozen=True)
class DirectionUsers:
    """The shown users of a direction, and how many users each group has."""

    source: str
    target: str
    top: int  # a test item within so many places counts as found
    groups: list[tuple[str, int]]
    users: int
    seeds: str
    shown: list[ShownUser]

    @property
    def choices(self) -> list[tuple[int, str]]:
        """The shown users, each with the name of its group."""
        return [(one.user, one.group) for one in self.shown]


def user_groups(systems: Sequence[Recommender], top: int) -> dict[str, npt.NDArray[np.int32]]:
    """By name the users of each group, first those whose test item all systems ranked within `top`; none is empty."""
    hits = np.stack([system.run.ranks["full"] <= top for system in systems])
    keys = sorted({tuple(column) for column in hits.T.tolist()}, key=lambda key: (-sum(key), [not h for h in key]))
    users = systems[0].run.users
    return {_group_name(systems, key): users[np.equal(hits.T, key).all(1)] for key in keys}


def _group_name(systems: Sequence[Recommender], key: Sequence[bool]) -> str:
    found = [system.name for system, hit in zip(systems, key, strict=True) if hit]
    if not found:
        return "found by none"
    if len(found) == len(systems):
        return f"found by {' and '.join(found)}"
    return f"found only by {' and '.join(found)}"


def draw_users(groups: Mapping[str, npt.NDArray[np.int32]], count: int, seed: int) -> list[tuple[int, str]]:
    """`count` users with their group: drawn from each group in turn, each in an order that the seed determines."""
    rng = np.random.default_rng(seed)
    drawn: list[tuple[int, str]] = []
    orders = {group: rng.permutation(users).tolist() for group, users in groups.items()}
    while len(drawn) < count and any(orders.values()):
        drawn += [(order.pop(), group) for group, order in orders.items() if order]
    place = list(groups)
    return sorted(drawn[:count], key=lambda pair: place.index(pair[1]))


class UserViews:
    """Makes the shown users of a direction."""

    def __init__(
        self,
        history: History,
        timestamps: Mapping[tuple[int, int], int],
        catalogue: Catalogue,
        systems: Sequence[Recommender],
        events: int,
    ) -> None:
        """`timestamps`: of each user's event with an item; `events`: how many of a history are shown."""
        self.history, self.timestamps, self.catalogue = history, timestamps, catalogue
        self.systems, self.events = systems, events
        self.tastes = Tastes(history, catalogue)

    def view(self, user: int, group: str, typical: Sequence[set[Key]] | None = None) -> ShownUser:
        """All that is shown of a user; `typical`: the subcategories marked as of source and target, if not tastes."""
        history = self.history
        seen = slice(history.start[user], history.test[user])
        items, is_target = history.item[seen].tolist(), history.is_target[seen].tolist()
        test = int(history.item[history.test[user]])
        source_items, target_items = (
            [item for item, side in zip(items, is_target, strict=True) if side is wanted] for wanted in (False, True)
        )
        tastes = self.tastes.of(source_items, False), self.tastes.of(target_items, True)
        frequent = typical or tuple({(taste.category, taste.subcategory) for taste in part} for part in tastes)
        hidden = int((history.hidden[0] == user).sum())
        events = [self._event(user, item, side) for item, side in zip(items, is_target, strict=True)]
        return ShownUser(
            user=user,
            group=group,
            cold=bool(hidden) and not target_items,  # else some of his training events are thinned
            events=events[-self.events :],
            earlier=max(0, len(events) - self.events),
            counts=(len(source_items), len(target_items)),
            test=self._event(user, test, True),
            test_filed=self._supported(test, frequent),
            candidates=len(history.target_items) - len(target_items) - hidden,
            tastes=(tastes[0][:SHOWN_TASTES], tastes[1][:SHOWN_TASTES]),
            lists=[self._recommendations(system, user, test, frequent) for system in self.systems],
        )

    def _event(self, user: int, item: int, is_target: bool) -> Event:
        day = datetime.fromtimestamp(self.timestamps[user, item], UTC).date().isoformat()
        return Event(day, self.catalogue[item], is_target)

    def _supported(self, item: int, frequent: Sequence[set[tuple[str, str]]]) -> list[Supported]:
        """The item's subcategories, those that are frequent for the user first."""
        rows = [(key[1], key in frequent[0], key in frequent[1]) for key in self.catalogue.specific(item)]
        return sorted(rows, key=lambda row: -(row[1] + row[2]))

    def _recommendations(
        self, system: Recommender, user: int, test: int, frequent: Sequence[set[tuple[str, str]]]
    ) -> Recommendations:
        rank, items = system.rank(user), system.recommended(user)
        places = [
            Place(place, self.catalogue[item], item == test, self._supported(item, frequent))
            for place, item in enumerate(items, 1)
        ]
        return Recommendations(system.name, f"{rank:g}", rank <= system.top, places)


def direction_users(
    history: History,
    interactions: Path,
    catalogue: Catalogue,
    systems: Sequence[Recommender],
    count: int,
    events: int,
    seed: int,
) -> DirectionUsers:
    """`count` users of a direction under these systems, with their latest `events` events.

    A UserError where the systems were ranked on other users than the split's.
    """
    for system in systems:
        if not np.array_equal(system.run.users, history.ranked("test")[0]):
            raise UserError(f"{system.run.path}: its users are not those of the split; run stage rank again")
    top = min(system.top for system in systems)
    groups = user_groups(systems, top)
    drawn = draw_users(groups, count, seed)
    timestamps = timestamps_of(interactions, [user for user, _ in drawn])
    views = UserViews(history, timestamps, catalogue, systems, events)
    return DirectionUsers(
        source=history.meta["source"],
        target=history.meta["target"],
        top=top,
        groups=[(name, len(users)) for name, users in groups.items()],
        users=len(history.ranked("test")[0]),
        seeds=systems[0].run.seed,
        shown=[views.view(user, group) for user, group in drawn],
    )


def timestamps_of(interactions: Path, users: Sequence[int]) -> dict[tuple[int, int], int]:
    """The timestamp of each event of these users, by user and item."""
    table = tables.read(interactions, "interactions")[0]
    part = table.filter(np.isin(table["user"].to_numpy(), users))
    keys = zip(part["user"].to_pylist(), part["item"].to_pylist(), strict=True)
    return dict(zip(keys, part["timestamp"].to_pylist(), strict=True))

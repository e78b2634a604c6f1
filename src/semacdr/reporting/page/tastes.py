"""A user's tastes: subcategories that are more frequent among the user's events than in the domain."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from semacdr.data.history import History
from semacdr.reporting.page.catalogue import Catalogue, Key

MIN_EVENTS, MIN_LIFT = 2, 1.5  # thresholds: events, and ratio of the user's share to the share in the domain


@dataclass(frozen=True)
class Taste:
    """A subcategory that is frequent among a user's events of a domain: in `events` of `of` events; lift: MIN_LIFT."""

    category: str
    subcategory: str
    events: int
    of: int
    lift: float


class Tastes:
    """Finds tastes by comparing shares of a user's events with those of all users' training events."""

    def __init__(self, history: History, catalogue: Catalogue) -> None:
        self.catalogue = catalogue
        training = history.training()
        self.usual: dict[bool, dict[Key, float]] = {}  # by is_target the share of each subcategory
        for is_target in (False, True):
            items = history.item[training & (history.is_target == is_target)]
            counts: Counter[Key] = Counter()
            for item, times in zip(*np.unique(items, return_counts=True), strict=True):
                for key in catalogue.specific(int(item)):
                    counts[key] += int(times)
            self.usual[is_target] = {key: times / len(items) for key, times in counts.items()}

    def of(self, items: Sequence[int], is_target: bool) -> list[Taste]:
        """The frequent subcategories of the items of a user's events, the strongest first."""
        counts = Counter(key for item in items for key in self.catalogue.specific(item))
        found = []
        for key, events in counts.items():
            usual = self.usual[is_target].get(key)
            if usual and events >= MIN_EVENTS and events / len(items) >= MIN_LIFT * usual:
                found.append(Taste(*key, events, len(items), events / len(items) / usual))
        return sorted(found, key=lambda taste: (-taste.events * np.log(taste.lift), taste.category, taste.subcategory))

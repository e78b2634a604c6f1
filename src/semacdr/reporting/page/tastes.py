"""What is frequent for a user: subcategories that their events fall into more often than is usual in the domain."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from semacdr.data.history import History
from semacdr.reporting.page.catalogue import Catalogue

LEAST, LIFT = 2, 1.5  # events, and times the usual share, from which on a subcategory counts as frequent for a user


@dataclass(frozen=True)
class Taste:
    """A subcategory that is frequent among a user's events of a domain."""

    category: str
    subcategory: str
    events: int
    of: int
    lift: float


class Tastes:
    """What is frequent for a user: shares of events by subcategory, beside those of all users' training events."""

    def __init__(self, history: History, catalogue: Catalogue) -> None:
        self.catalogue = catalogue
        training, self.usual = history.training(), {}
        for is_target in (False, True):
            items = history.item[training & (history.is_target == is_target)]
            counts: Counter = Counter()
            for item, times in zip(*np.unique(items, return_counts=True), strict=True):
                for key in catalogue.meant(int(item)):
                    counts[key] += int(times)
            self.usual[is_target] = {key: times / len(items) for key, times in counts.items()}

    def of(self, items: Sequence[int], is_target: bool) -> list[Taste]:
        """The subcategories that are frequent among the items, the one farthest above its usual share first."""
        counts = Counter(key for item in items for key in self.catalogue.meant(item))
        found = []
        for key, events in counts.items():
            usual = self.usual[is_target].get(key)
            if usual and events >= LEAST and events / len(items) >= LIFT * usual:
                found.append(Taste(*key, events, len(items), events / len(items) / usual))
        return sorted(found, key=lambda taste: (-taste.events * np.log(taste.lift), taste.category, taste.subcategory))

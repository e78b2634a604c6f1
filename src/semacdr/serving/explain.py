"""Which shared categories support a recommendation: those that the item has in common with the user's events.

This describes items and events; it does not say how the model came to its score. A subcategory supports an item if it
is more frequent among the user's events than in the catalogue of both domains.
"""

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from semacdr.storage import tables

SHOWN = 3  # subcategories for an item, at most


class Support:
    """The subcategories of all items."""

    def __init__(self, agnostic: Path, items: int) -> None:
        table, _ = tables.read(agnostic, "agnostic")
        self.own: list[set[tuple[str, str]]] = [set() for _ in range(items)]
        rows = (table[name].to_pylist() for name in ("item", "category", "subcategory"))
        for item, category, subcategory in zip(*rows, strict=True):
            self.own[item].add((category, subcategory))
        counts = Counter(pair for pairs in self.own for pair in pairs)
        self.share = {pair: count / items for pair, count in counts.items()}

    def lines(self, events: Sequence[int], items: Sequence[int]) -> list[str]:
        """For each item what supports it, such as "genre: mystery (3 of 9 events); mood: dark (5 of 9 events)"."""
        found = Counter(pair for event in events for pair in self.own[event])
        return [self._line(found, len(events), item) for item in items]

    def _line(self, found: Counter[tuple[str, str]], events: int, item: int) -> str:
        lift = {pair: found[pair] / events / self.share[pair] for pair in self.own[item] if found[pair]}
        best = sorted((pair for pair in lift if lift[pair] > 1), key=lambda pair: (-lift[pair], pair))[:SHOWN]
        return "; ".join(f"{pair[0]}: {pair[1]} ({found[pair]} of {events} events)" for pair in best)

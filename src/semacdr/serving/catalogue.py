"""The items of both domains by id, for histories that people give."""

from collections.abc import Sequence
from pathlib import Path

import polars as pl

from semacdr.errors import UserError
from semacdr.storage import tables

Given = str | tuple[str, str]  # an item id, or (domain, item id) where both domains have it


class Catalogue:
    """The items of a scenario: `table` has item, item_id, domain and title, in the order of their numbers."""

    def __init__(self, path: Path, source: str, target: str) -> None:
        items = pl.DataFrame(tables.read(path, "items")[0])
        self.table = items.select("item", "item_id", "domain", "title")
        self.domains = (source, target)
        self._numbers: dict[str, dict[str, int]] = {name: {} for name in self.domains}
        for item, item_id, domain in self.table.select("item", "item_id", "domain").iter_rows():
            self._numbers[domain][item_id] = item

    def number(self, given: Given) -> int:
        """The number of an item; a UserError if no domain or both have its id."""
        found = self._find(given)
        if len(found) == 1:
            return found[0]
        domains, name = ([given[0]], given[1]) if isinstance(given, tuple) else (self.domains, given)
        if found:
            raise UserError(f"item '{name}' is in both domains; say which: ('{self.domains[1]}', '{name}')")
        known = sum(len(self._numbers[domain]) for domain in domains)
        example = next(iter(self._numbers[domains[0]]), "")
        among = f"the {known:,} items of {' and '.join(domains)}"
        raise UserError(f"there is no item '{name}' among {among}; an id looks like '{example}'")

    def numbers(self, histories: Sequence[Sequence[Given]], skip_unknown: bool) -> tuple[list[list[int]], int]:
        """The numbers of the items of histories, and how many unknown items were left out.

        Without `skip_unknown`, a UserError for an unknown item names the history.
        """
        found, skipped = [], 0
        for place, history in enumerate(histories, 1):
            if isinstance(history, str):
                raise UserError(f"history {place}: must be a list of item ids, not the text '{history}'")
            own = []
            try:
                for given in history:
                    if skip_unknown and not self._find(given):
                        skipped += 1
                    else:
                        own.append(self.number(given))
            except UserError as error:
                raise UserError(f"history {place}: {error}") from error
            found.append(own)
        return found, skipped

    def _find(self, given: Given) -> list[int]:
        """The numbers of the items with an id: none, one, or one in each domain. A UserError for what is no id."""
        if isinstance(given, tuple) and len(given) != 2:
            raise UserError(f"an item is an id or (domain, id), not {given!r}")
        pairs = [given] if isinstance(given, tuple) else [(domain, given) for domain in self.domains]
        for domain, name in pairs:
            if not isinstance(name, str):
                raise UserError(f"an item id is a text, not {name!r}")
            if domain not in self.domains:
                raise UserError(f"there is no domain '{domain}'; the domains are {' and '.join(self.domains)}")
        return [self._numbers[domain][name] for domain, name in pairs if name in self._numbers[domain]]

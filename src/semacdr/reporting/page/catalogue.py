"""The items of a scenario as the page shows them, with their categories."""

from dataclasses import dataclass
from pathlib import Path

from semacdr.semantics.categories import OTHER
from semacdr.storage import tables

UNTITLED = "(no title)"
Key = tuple[str, str]  # category, subcategory


@dataclass(frozen=True)
class Item:
    """An item with its title and brand."""

    item: int
    domain: str
    title: str
    brand: str


class Catalogue:
    """Items by number, with their categories and subcategories."""

    def __init__(self, items: Path, agnostic: Path) -> None:
        table = tables.read(items, "items")[0].select(["item", "domain", "title", "brand"])
        self.items = [
            Item(row["item"], row["domain"], " ".join(row["title"].split()) or UNTITLED, " ".join(row["brand"].split()))
            for row in table.to_pylist()
        ]
        rows = tables.read(agnostic, "agnostic")[0]
        self._filed: dict[int, list[Key]] = {}
        columns = (rows[name].to_pylist() for name in ("item", "category", "subcategory"))
        for item, category, subcategory in zip(*columns, strict=True):
            self._filed.setdefault(item, []).append((category, subcategory))

    def __getitem__(self, item: int) -> Item:
        return self.items[item]

    def __len__(self) -> int:
        return len(self.items)

    def filed(self, item: int) -> list[Key]:
        """The categories and subcategories of an item."""
        return self._filed.get(item, [])

    def specific(self, item: int) -> list[Key]:
        """The same without subcategory Other, which carries no information."""
        return [key for key in self.filed(item) if key[1] != OTHER]

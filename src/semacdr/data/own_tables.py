"""How a table of your own is described in the config: its files, its columns and which of its rows count.

The planner reads these classes and passes them on to stage preprocess as JSON.
"""

import glob
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from semacdr.runtime.setting_errors import SettingError
from semacdr.runtime.settings import resolve, setting

Names = tuple[str, ...]
BOTH = ("interactions", "items")  # the two tables of a domain


@dataclass(frozen=True)
class Columns:
    """By meaning the names of columns."""

    user: str = setting("user", "user id, in the interactions")
    item: str | dict[str, str] = setting(
        "item", "item id, in both tables; or {interactions: name, items: name} where the names differ"
    )
    time: str | None = setting(None, "time of an event: ISO text, date, year, or epoch in s, ms, µs or ns")
    position: str | None = setting(
        None, "a whole number that orders a user's events: without time it takes its place, with time it breaks ties"
    )
    title: str | None = setting(None, "the item's name, in the items")
    brand: str | None = setting(None, "artist, maker, publisher, in the items")
    text: str | Names = setting((), "text columns of the items, joined in this order to the description")
    categories: str | Names = setting((), "category columns of the items; they keep their names in attributes.parquet")

    def item_in(self, table: str) -> str:
        """The name of the item id's column in the interactions or the items."""
        return self.item if isinstance(self.item, str) else self.item[table]

    def of_items(self) -> list[str]:
        """The columns of the items other than the id."""
        return [*filter(None, (self.title, self.brand)), *as_names(self.text), *as_names(self.categories)]


@dataclass(frozen=True)
class OwnTable:
    """The two tables of a domain: what happened, and the items."""

    interactions: str | Names = setting((), "CSV, TSV or Parquet files, with one row for each event; may have * in it")
    items: str | Names = setting((), "files with one row for each item; none: items have no texts")
    columns: Columns = setting(Columns(), "by meaning the names of columns")
    filter: str | dict[str, dict] | None = setting(
        None, "the rows that count: \"plays >= 2 and event == 'listen'\", or {plays: {min: 2}, event: {in: [listen]}}"
    )
    time_format: str | None = setting(None, "format of times that are not ISO, such as '%d/%m/%Y %H:%M'")
    separator: str | None = setting(None, "what separates the values in a cell of a category column, such as '|'")
    delimiter: str | None = setting(None, "what separates the cells of CSV files; null: found from the header")

    def files(self, table: str) -> list[str]:
        """The files of one of BOTH, each pattern replaced by what it matches."""
        return matching(self.interactions if table == "interactions" else self.items)


def as_names(value: str | Names) -> Names:
    """One name or several, as several."""
    return (value,) if isinstance(value, str) else tuple(value)


def matching(names: str | Names) -> list[str]:
    """The files that names and patterns match, each once, those of a pattern sorted; other names stay as they are."""
    found: list[str] = []
    for name in as_names(names):
        # Path.glob takes no absolute pattern
        found += sorted(glob.glob(name, recursive=True)) if glob.has_magic(name) else [name]  # noqa: PTH207
    return list(dict.fromkeys(found))


def check_tables(tables: Mapping[str, OwnTable], *path: str | int) -> None:
    """Raise a SettingError where a table is not described completely; `path` leads to the tables."""
    for name, table in tables.items():
        columns = table.columns
        if not as_names(table.interactions):
            raise SettingError((*path, name), "needs interactions, the file with the events")
        if columns.time is None and columns.position is None:
            raise SettingError(
                (*path, name, "columns"), "needs time, the column with the times, or position, a whole number"
            )
        if not isinstance(columns.item, str) and columns.item.keys() != set(BOTH):
            raise SettingError((*path, name, "columns", "item"), "needs a name, or names for interactions and items")
        if columns.of_items() and not as_names(table.items):
            raise SettingError((*path, name), f"needs items, the file with the columns {', '.join(columns.of_items())}")
        if table.delimiter is not None and len(table.delimiter) != 1:
            raise SettingError((*path, name, "delimiter"), f"must be one character, not {table.delimiter!r}")
    _refuse_twins(tables, path)


def _refuse_twins(tables: Mapping[str, OwnTable], path: tuple[str | int, ...]) -> None:
    """Refuse the same events as two domains: every user would be shared, and every event would be there twice."""
    seen: dict[str, str] = {}
    for name, table in tables.items():
        key = repr((table.interactions, table.filter, table.columns.item_in("interactions")))
        if key in seen:
            raise SettingError(
                (*path, name, "interactions"),
                f"is also the file of {seen[key]}, with the same filter; give each domain its own file, or a filter",
            )
        seen[key] = name


def with_files(table: OwnTable) -> OwnTable:
    """The table with the files that its patterns match."""
    return replace(table, interactions=tuple(table.files("interactions")), items=tuple(table.files("items")))


def own_tables(given: Mapping[str, Any]) -> dict[str, OwnTable]:
    """By domain the tables of a JSON object; a SettingError names what is wrong."""
    found = {domain: resolve(OwnTable, value, "tables", domain) for domain, value in given.items()}
    check_tables(found, "tables")
    return found

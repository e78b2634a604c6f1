"""Shared categories from columns of the user's own tables: the categories, and the filing of items by their values.

A column is named domain.column, such as songs.genre. Values are compared without regard to case and blanks. No language
model and no text encoder takes part.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa

from semacdr.errors import UserError
from semacdr.runtime.setting_errors import nearest
from semacdr.semantics.categories import OTHER, Category, folded
from semacdr.semantics.column_settings import ValueMap
from semacdr.storage import tables

MANY = 100  # subcategories; a column with more values is rather a name (an artist) than a category
SHOWN = 5  # names in a message

Row = tuple[str, str, str]  # of attributes.parquet: the domain of the item, the column's name, the value


def read_attributes(path: Path, items: Mapping[str, str]) -> tuple[pa.Table, dict[str, str]]:
    """attributes.parquet and its metadata; a UserError if it was not made with the items whose metadata are given."""
    table, meta = tables.read(path, "attributes")
    if "made_from_interactions" in items:
        tables.check_made_from(path, meta, "preprocess", interactions={"digest": items["made_from_interactions"]})
    return table, meta


def attribute_rows(attributes: pa.Table, items: pa.Table) -> list[tuple[int, Row]]:
    """The rows of attributes.parquet that are of the given items: the item's position in `items`, and the row."""
    domains = items["domain"].to_pylist()
    places = {item: place for place, item in enumerate(items["item"].to_pylist())}
    columns = (attributes[name].to_pylist() for name in ("item", "name", "value"))
    return [
        (place, (domains[place], name, value))
        for item, name, value in zip(*columns, strict=True)
        if (place := places.get(item)) is not None
    ]


@dataclass(frozen=True)
class ColumnCategory:
    """A category made from columns: for each subcategory its values by column, and its items by domain."""

    name: str
    columns: Sequence[str]
    values: Mapping[str, Mapping[str, Sequence[str]]]  # by subcategory, then column
    items: Mapping[str, Counter]  # by subcategory: items by domain

    def only_in(self, subcategory: str) -> str | None:
        """The domain that a subcategory occurs in, if it is only one of the domains that have the category."""
        found = list(self.items[subcategory])
        return found[0] if len(found) == 1 else None

    @property
    def shared(self) -> list[str]:
        """The subcategories that items of several domains have."""
        return [name for name in self.items if self.only_in(name) is None]

    def as_json(self) -> dict[str, Any]:
        """The category as a taxonomy file holds it."""
        listed = [{"name": name, "description": "", "values": columns} for name, columns in self.values.items()]
        return {"name": self.name, "question": "", "columns": list(self.columns), "subcategories": listed}


def column_categories(
    rows: Iterable[tuple[int, Row]], columns: Mapping[str, str], maps: Mapping[str, ValueMap], fewest: int
) -> tuple[list[ColumnCategory], list[str]]:
    """The categories in the order of `columns`, their subcategories by name, and warnings.

    `rows`: item and row of the attributes; `columns`: the category by domain.column; `maps`: for each category from a
    value to its subcategory; a value that is not in it keeps its own name. Subcategories of fewer than `fewest` items
    become `Other`. A UserError where a column has no value, or a category fewer than two subcategories.
    """
    having: dict[str, dict[str, set[int]]] = {column: {} for column in columns}  # items by column and value
    present: set[str] = set()
    for item, (domain, name, value) in rows:
        column = f"{domain}.{name}"
        present.add(column)
        if column in having and value.strip():
            having[column].setdefault(" ".join(value.split()), set()).add(item)
    for column in columns:
        if not having[column]:
            has = sorted(present)
            raise UserError(
                f"taxonomy.columns: no item has a value in {column}{nearest(column, has)}; "
                f"the category columns with values are {', '.join(has) or 'none'}: raw names them in columns.categories"
            )
    found, warnings = [], []
    for category in dict.fromkeys(columns.values()):
        own = {column: having[column] for column, name in columns.items() if name == category}
        made, said = _category(category, own, maps.get(category, {}), fewest)
        found.append(made)
        warnings += [f"category {category}: {text}" for text in said]
    return found, warnings


def _category(
    name: str, having: Mapping[str, Mapping[str, set[int]]], given: ValueMap, fewest: int
) -> tuple[ColumnCategory, list[str]]:
    """One category from the items by column and value, and warnings."""
    goals = {folded(value): goal for value, goal in given.items()}
    seen = {folded(value) for values in having.values() for value in values}
    said = []
    if unused := [value for value in given if folded(value) not in seen]:
        said.append(f"no item has these values of taxonomy.values: {_listed(unused)}")
    spelling = _spellings(having, goals)
    items: dict[str, dict[str, set[int]]] = {}
    values: dict[str, dict[str, list[str]]] = {}
    for column, own in having.items():
        for value, which in sorted(own.items()):
            goal = goals.get(folded(value), value)
            if goal is not None:
                subcategory = spelling[folded(goal)]
                items.setdefault(subcategory, {}).setdefault(column.partition(".")[0], set()).update(which)
                values.setdefault(subcategory, {}).setdefault(column, []).append(value)
    rare = [one for one, where in items.items() if one != OTHER and sum(map(len, where.values())) < fewest]
    for one in rare:
        for domain, which in items.pop(one).items():
            items.setdefault(OTHER, {}).setdefault(domain, set()).update(which)
        for column, own_values in values.pop(one).items():
            values.setdefault(OTHER, {}).setdefault(column, []).extend(own_values)
    order = sorted(items, key=lambda one: (one == OTHER, one.casefold()))
    counts = {one: Counter({domain: len(which) for domain, which in sorted(items[one].items())}) for one in order}
    made = ColumnCategory(name, list(having), {one: values[one] for one in order}, counts)
    return made, said + _problems(made, len(rare))


def _spellings(having: Mapping[str, Mapping[str, set[int]]], goals: Mapping[str, str | None]) -> dict[str, str]:
    """By folded name of a subcategory its spelling: that of a map, else the one that most items have."""
    counts: Counter[str] = Counter()
    for values in having.values():
        counts.update({value: len(which) for value, which in values.items()})
    found: dict[str, str] = {}
    for value, _ in sorted(counts.items(), key=lambda pair: (-pair[1], pair[0])):
        found.setdefault(folded(value), value)
    named = {folded(goal): " ".join(goal.split()) for goal in reversed(list(goals.values())) if goal is not None}
    return found | named | {folded(OTHER): OTHER}


def _problems(made: ColumnCategory, rare: int) -> list[str]:
    """What is wrong with a category; a UserError if it distinguishes nothing."""
    names = list(made.items)
    if len(names) < 2:
        raise UserError(
            f"category {made.name}: all items of {', '.join(made.columns)} have the value {_listed(names) or 'none'}, "
            "so it distinguishes nothing; take another column, or lower taxonomy.min_value_items"
        )
    said = []
    domains = {column.partition(".")[0] for column in made.columns}
    if len(domains) == 1:
        said.append(f"only domain {domains.pop()} has a column, so it transfers nothing; name a column of the other")
    elif not made.shared:
        parts = [
            f"{domain} has {_listed([name for name in names if made.items[name][domain]])}"
            for domain in sorted(domains)
        ]
        said.append(f"the domains share no value, so it transfers nothing: {'; '.join(parts)}; map them in "
                    f"taxonomy.values.{made.name}")  # fmt: skip
    else:
        for domain in sorted(domains):
            own = [name for name in names if name != OTHER and made.only_in(name) == domain]
            if own:
                count = sum(made.items[name][domain] for name in own)
                said.append(
                    f"{len(own):,} of {len(names):,} values occur in {domain} only ({count:,} items), so they transfer"
                    f" nothing; map them in taxonomy.values.{made.name} if they mean the same as others: {_listed(own)}"
                )
    if len(names) > MANY:
        said.append(
            f"{len(names):,} subcategories are many for a category; taxonomy.min_value_items makes rare ones Other"
        )
    if rare:
        said.append(f"{rare:,} values with few items (taxonomy.min_value_items) are now {OTHER}")
    return said


def _listed(names: Sequence[str]) -> str:
    """The first names, and how many more there are."""
    more = f" and {len(names) - SHOWN:,} more" if len(names) > SHOWN else ""
    return ", ".join(f"'{name}'" for name in names[:SHOWN]) + more


@dataclass(frozen=True)
class ColumnFiling:
    """The assignments of a category as (item, subcategory, column), by item, and what was not assigned."""

    rows: list[tuple[int, str, str]]
    cut: int  # items with more subcategories than are kept
    lacking: int  # values that the category does not have


def file_by_columns(category: Category, rows: Iterable[tuple[int, Row]], most: int) -> ColumnFiling:
    """The filing of items by their values. An item gets up to `most` subcategories, in the order of its values.

    `rows`: item and row of the attributes. An item without a value has no assignment.
    """
    found: dict[int, dict[str, str]] = {}
    lacking = 0
    for item, (domain, name, value) in rows:
        column = f"{domain}.{name}"
        if column in category.values:
            subcategory = category.values[column].get(folded(value))
            lacking += subcategory is None and bool(value.strip())
            if subcategory is not None:
                found.setdefault(item, {}).setdefault(subcategory, column)
    kept = [(item, name, column) for item in sorted(found) for name, column in list(found[item].items())[:most]]
    return ColumnFiling(kept, sum(len(names) > most for names in found.values()), lacking)

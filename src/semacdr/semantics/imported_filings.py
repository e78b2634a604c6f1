"""Engine `imported`: items are filed by a table that the user gives, such as labels by hand or of another model.

The table has the columns item_id, category and subcategory, one row per assignment; domain, which may be left out
where no item id is in both domains; and place, a number that orders the subcategories of an item in a category, 1
first. Names of categories, subcategories and domains are compared without regard to case and outer or double blanks.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv
import pyarrow.parquet as pq

from semacdr.errors import UserError
from semacdr.runtime.setting_errors import nearest
from semacdr.semantics.categories import Category, folded

NEEDED = ("item_id", "category", "subcategory")
SHOWN = 5  # names in a message
IMPORT = "import"  # step of the counts that are not of one category

Row = tuple[str | None, str, str, str]  # domain, item id, category, subcategory


@dataclass
class Filing:
    """What was imported: assignments by (item, category), the best first; counts; and what was ignored, in words."""

    rows: list[tuple[int, str, str]] = field(default_factory=list)  # position of the item, category, subcategory
    report: Counter = field(default_factory=Counter)  # rows or items by (step, result)
    ignored: list[str] = field(default_factory=list)


def read_filings(path: Path) -> list[Row]:
    """The rows of a Parquet, CSV or TSV file, in the order of place; a UserError says what is wrong with the file."""
    try:
        table = _read(path)
    except (OSError, pa.ArrowException) as error:
        raise UserError(f"{path}: cannot be read as a table of filings: {str(error).splitlines()[0]}") from error
    for name in NEEDED:
        if name not in table.column_names:
            has = ", ".join(table.column_names)
            raise UserError(f"{path}: has no column '{name}'{nearest(name, table.column_names)}; its columns are {has}")
    columns = {name: _texts(table, name, path) for name in ("domain", *NEEDED) if name in table.column_names}
    for name, column in columns.items():
        if not all(column):
            row = next(place for place, value in enumerate(column, 1) if not value)
            raise UserError(f"{path}: row {row:,} has no {name}; fill it in, or leave the row out")
    rows = list(zip(columns.get("domain", [None] * len(table)), *(columns[name] for name in NEEDED), strict=True))
    return [rows[index] for index in np.argsort(_places(table, path), kind="stable")]


def _read(path: Path) -> pa.Table:
    with path.open("rb") as file:
        if file.read(4) == b"PAR1":
            return pq.read_table(path)
    with pa.input_stream(path, compression="detect") as stream:
        first = stream.read(1 << 16).splitlines()[0:1] or [b""]
    tabs = pyarrow.csv.ParseOptions(delimiter="\t" if b"\t" in first[0] else ",")
    names = pyarrow.csv.read_csv(path, parse_options=tabs).column_names
    texts = pyarrow.csv.ConvertOptions(column_types=dict.fromkeys(names, pa.string()), strings_can_be_null=False)
    return pyarrow.csv.read_csv(path, parse_options=tabs, convert_options=texts)


def _texts(table: pa.Table, name: str, path: Path) -> list[str]:
    """A column as text without outer blanks; missing values are empty."""
    try:
        return [" ".join((value or "").split()) for value in table[name].cast(pa.string()).to_pylist()]
    except pa.ArrowException as error:
        raise UserError(f"{path}: column '{name}' must hold text or numbers, not {table[name].type}") from error


def _places(table: pa.Table, path: Path) -> np.ndarray:
    """(rows,) f64 places; infinite where there is none."""
    if "place" not in table.column_names:
        return np.zeros(len(table))
    column = table["place"]
    try:
        if pa.types.is_string(column.type) or pa.types.is_large_string(column.type):
            column = pc.if_else(pc.equal(pc.utf8_trim_whitespace(column), ""), None, column)
        return pc.fill_null(column.cast(pa.float64()), np.inf).to_numpy()
    except pa.ArrowException as error:
        raise UserError(f"{path}: column 'place' must hold numbers, 1 for the best: {error}") from error


def file_by_import(
    rows: Sequence[Row],
    categories: Sequence[Category],
    items: Iterable[tuple[str, str]],
    also_named: Mapping[str, str],
    most: int,
    path: Path,
) -> Filing:
    """File items by imported rows. An item gets up to `most` subcategories of a category, in the order of the rows.

    `items`: domain and item id of each item; `also_named`: by domain another name that the rows may use for it, its
    category or table in the release; `path`: of the file, for messages. Rows on other domains, unknown items,
    categories and subcategories are counted and named. A UserError where the domains are not clear, or no item has a
    filing.
    """
    items = list(items)
    places = _item_places(rows, items, also_named, path)
    known = {folded(one.name): (one.name, {folded(name): name for name, _ in one.subcategories}) for one in categories}
    unknown: dict[str, Counter[str]] = {}
    found: dict[tuple[int, str], dict[str, None]] = {}
    filing = Filing()
    for row, place in zip(rows, places, strict=True):
        domain, item_id, category, subcategory = row
        name, names = known.get(folded(category), ("", {}))
        if isinstance(place, str):
            unknown.setdefault(place, Counter())[f"{domain}" if place == OTHER_DOMAIN else item_id] += 1
        elif not name:
            unknown.setdefault(NO_CATEGORY, Counter())[category] += 1
        elif folded(subcategory) not in names:
            unknown.setdefault(NO_SUBCATEGORY, Counter())[f"{name}: {subcategory}"] += 1
        else:
            found.setdefault((place, name), {})[names[folded(subcategory)]] = None
    for what, values in unknown.items():
        filing.report[IMPORT, what] = values.total()
        filing.ignored.append(f"{what}: {values.total():,} ({_listed(list(values))})")
    if not found:
        why = "; ".join(filing.ignored) or "the file has no rows"
        raise UserError(f"{path}: files no item of the scenario's {len(items):,} in a category of its taxonomy: {why}")
    for (place, category), names_found in sorted(found.items()):
        filing.rows += [(place, category, name) for name in list(names_found)[:most]]
        filing.report[f"file: {category}", "imported"] += 1
        if len(names_found) > most:
            filing.report[f"file: {category}", f"with more than {most} values, cut (max_subcategories)"] += 1
    for one in categories:
        if missing := len(items) - filing.report[f"file: {one.name}", "imported"]:
            filing.report[f"file: {one.name}", "without a filing"] = missing
    return filing


OTHER_DOMAIN = "rows on domains that are not in the scenario"
NO_ITEM = "rows on items that are not in the scenario"
NO_CATEGORY = "rows with a category that the taxonomy does not have"
NO_SUBCATEGORY = "rows with a subcategory that the category does not have"


def _item_places(
    rows: Sequence[Row], items: Sequence[tuple[str, str]], also_named: Mapping[str, str], path: Path
) -> list[int | str]:
    """For each row the position of its item, or why it has none."""
    if rows and rows[0][0] is None:
        by_id: dict[str, int] = {}
        for place, (_, item_id) in enumerate(items):
            if by_id.setdefault(item_id, place) != place:
                raise UserError(
                    f"{path}: has no column 'domain', but item {item_id} is in both domains; add the column, with the"
                    " domain of each row"
                )
        return [by_id.get(item_id, NO_ITEM) for _, item_id, *_ in rows]
    domains = _domain_names(dict.fromkeys(domain for domain, _ in items), also_named, path)
    by_key = {key: place for place, key in enumerate(items)}
    return [
        by_key.get((domains[folded(domain)], item_id), NO_ITEM) if folded(domain) in domains else OTHER_DOMAIN
        for domain, item_id, *_ in ((str(row[0]), *row[1:]) for row in rows)
    ]


def _domain_names(domains: Iterable[str], also_named: Mapping[str, str], path: Path) -> dict[str, str]:
    """By folded name the scenario's domain; a UserError where a name means both domains."""
    found: dict[str, str] = {}
    for domain in domains:
        for name in dict.fromkeys((domain, also_named.get(domain, domain))):
            if found.setdefault(folded(name), domain) != domain:
                raise UserError(
                    f"{path}: '{name}' may be domain {found[folded(name)]} or {domain}, as one has the name of the"
                    " other's category; rename a domain of the scenario"
                )
    return found


def _listed(names: Sequence[str]) -> str:
    """The first names, and how many more there are."""
    return ", ".join(names[:SHOWN]) + (f" and {len(names) - SHOWN:,} more" if len(names) > SHOWN else "")

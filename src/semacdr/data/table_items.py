"""The items table of your own: titles, texts and named categories."""

from collections.abc import Sequence
from pathlib import Path

import polars as pl

from semacdr.data.lines import Tally
from semacdr.data.metadata import ATTRIBUTES, SCHEMA, clean
from semacdr.data.own_tables import Columns, OwnTable, as_names
from semacdr.data.reading import Reading
from semacdr.data.table_cells import id_cells, text_cells
from semacdr.data.table_files import EXTRA, ROW, open_table
from semacdr.data.wrong_rows import WrongRows
from semacdr.errors import UserError
from semacdr.runtime.cli import log

ENDS = tuple(".!?。！？…")  # of a text; any other gets a full stop before the next one
NAMED = SCHEMA | {"attributes": ATTRIBUTES}
Lists = dict[str, list[list[str]]]  # by column the texts of each row


def read_items(table: OwnTable, wanted: pl.Series) -> Reading:
    """The texts of the wanted items, one row each, with their named categories in column `attributes`.

    If an item has several rows, the first with a title is used, or the first if none has one. A UserError names a file
    that cannot be read.
    """
    files = [Path(file) for file in table.files("items")]
    if not files:
        if as_names(table.items):
            raise UserError(f"{', '.join(as_names(table.items))}: no file matches")
        return Reading(pl.DataFrame(schema=NAMED), [])
    parts = [_read_file(file, table, wanted) for file in files]
    frames, ids, tallies = zip(*parts, strict=True)
    known, found = pl.concat(ids), pl.concat(frames)
    again = len(known) - known.n_unique()
    if again:
        twice = known.filter(known.is_duplicated())[0]
        log.warning(
            "%s: %s rows are of an item that has an earlier row, such as '%s'; the first with a title is used",
            files[0], f"{again:,}", twice,
        )  # fmt: skip
    first = found.sort(pl.col("title") == "", maintain_order=True).unique("item_id", keep="first", maintain_order=True)
    return Reading(first, tallies, [("items rows of an item that has an earlier row", again)], known[:1].to_list())


def _read_file(path: Path, table: OwnTable, wanted: pl.Series) -> tuple[pl.DataFrame, pl.Series, Tally]:
    """The rows of wanted items in a file, the ids of all its usable rows, and the tally of its rows."""
    item = table.columns.item_in("items")
    needed = list(dict.fromkeys([item, *table.columns.of_items()]))
    file = open_table(path, needed, table.delimiter)
    file.need(needed, "items")
    rows = file.collect(file.scan().select(ROW, item, *([EXTRA] if file.delimiter else [])))
    tally = Tally(path, rows.height, unit="rows")
    ids = id_cells(file, rows, item)
    wrong = WrongRows(file, rows, tally)
    wrong.without_id(ids, item, "item")
    usable = rows.select(ROW, item_id=ids.text).filter(~wrong.any)
    chosen = usable.filter(pl.col("item_id").is_in(wanted.implode()))
    texts = file.collect(file.scan().filter(pl.col(ROW).is_in(chosen[ROW].implode())).select(ROW, *needed).sort(ROW))
    lists = {name: text_cells(file, texts, name) for name in table.columns.of_items()}
    found = [_item(one, row, lists, table.columns, table.separator) for row, one in enumerate(chosen["item_id"])]
    return pl.DataFrame(found, schema=NAMED, orient="row"), usable["item_id"], tally


def _item(item_id: str, row: int, lists: Lists, columns: Columns, separator: str | None) -> tuple:
    """A row of NAMED."""
    title, brand = (clean(lists[name][row]) if name else "" for name in (columns.title, columns.brand))
    texts = [clean(lists[name][row]) for name in as_names(columns.text)]
    attributes = [
        {"name": name, "value": value}
        for name in as_names(columns.categories)
        for value in _values(lists[name][row], separator)
    ]
    categories = list(dict.fromkeys(one["value"] for one in attributes))
    return item_id, title, brand, categories, _joined([text for text in texts if text]), attributes


def _values(cell: Sequence[str], separator: str | None) -> list[str]:
    """The distinct values of a cell, cleaned."""
    parts = [part for text in cell for part in (text.split(separator) if separator else [text])]
    return list(dict.fromkeys(filter(None, map(clean, parts))))


def _joined(texts: Sequence[str]) -> str:
    """Texts as one, each but the last closed by a full stop."""
    closed = [text if text.endswith(ENDS) else f"{text}." for text in texts[:-1]]
    return " ".join([*closed, *texts[-1:]])

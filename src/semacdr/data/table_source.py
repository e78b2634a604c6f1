"""Tables of your own as a source of events and items: CSV, TSV or Parquet files with a map of their columns."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import polars as pl

from semacdr.data.lines import Tally
from semacdr.data.own_tables import OwnTable, as_names
from semacdr.data.reading import Reading
from semacdr.data.reviews import SCHEMA
from semacdr.data.row_filter import RowFilter, row_filter
from semacdr.data.table_cells import id_cells, positions
from semacdr.data.table_files import EXTRA, ROW, TableFile, open_table
from semacdr.data.table_items import read_items
from semacdr.data.times import Times, read_times
from semacdr.data.wrong_rows import WrongRows
from semacdr.errors import UserError
from semacdr.runtime.cli import log

KEEP = "\x00keep"  # column: whether the filter keeps a row
POSITIONED = SCHEMA | {"position": pl.Int64}


class TableSource:
    """An interactions table and an items table for each domain."""

    names: tuple[str, str] = ("interactions", "items")

    def __init__(self, tables: Mapping[str, OwnTable]) -> None:
        self.domains: Sequence[str] = list(tables)
        self.tables = tables

    def events(self, domain: str) -> Reading:
        """All usable events of a domain; a UserError names the file that cannot be read."""
        table = self.tables[domain]
        counts: dict[str, int] = {}
        parts = [read_events(Path(file), table, counts) for file in table.files("interactions")]
        if not parts:
            raise UserError(f"{', '.join(as_names(table.interactions))}: no file matches")
        by_position = table.columns.time is None
        frame = pl.concat([frame for frame, _ in parts])
        return Reading(frame, [tally for _, tally in parts], list(counts.items()), by_position=by_position)

    def items(self, domain: str, wanted: pl.Series) -> Reading:
        """The texts of the wanted items; a UserError names the file that cannot be read."""
        return read_items(self.tables[domain], wanted)

    def files(self, domain: str) -> list[Path]:
        """The files of the items."""
        return [Path(file) for file in self.tables[domain].files("items")]


def read_events(path: Path, table: OwnTable, counts: dict[str, int]) -> tuple[pl.DataFrame, Tally]:
    """The usable events of a file, and the tally of its rows; what was found is added to `counts` and logged.

    Columns: user_id, item_id, timestamp (seconds; the position where there is no time column) and, if the table has a
    position beside its times, position.
    """
    columns = table.columns
    user, item = columns.user, columns.item_in("interactions")
    ordered = [name for name in (columns.time, columns.position) if name]
    chosen = row_filter(table.filter) if table.filter is not None else None
    needed = list(dict.fromkeys([user, item, *ordered, *(chosen.columns if chosen else ())]))
    file = open_table(path, needed, table.delimiter)
    file.need(needed, "interactions")
    rows, tally = _rows(file, needed, chosen, counts)
    users, items = id_cells(file, rows, user), id_cells(file, rows, item)
    wrong = WrongRows(file, rows, tally)
    wrong.without_id(users, user, "user")
    wrong.without_id(items, item, "item")
    parts = {"user_id": users.text, "item_id": items.text}
    size = f"{tally.lines:,} rows" + (f", {rows.height:,} of them pass the filter" if chosen else "")
    if columns.time:
        times = _read_times(file, rows[columns.time], table.time_format)
        parts["timestamp"] = times.seconds
        wrong.without_time(times, columns.time, table.time_format)
        found = ", ".join(f"{count:,} {kind}" for kind, count in times.kinds.items()) or "none that can be read"
        log.info("%s: %s; %s; '%s' holds %s", path, file.described(), size, columns.time, found)
        for kind, count in times.kinds.items():
            counts[f"interactions rows with {kind}"] = counts.get(f"interactions rows with {kind}", 0) + count
    if columns.position:
        parts["position"] = positions(file, rows, columns.position)
        wrong.add("no position", parts["position"].is_null(), columns.position, "is no whole number of at least 0")
    if not columns.time:
        parts["timestamp"] = parts.pop("position")
        log.info("%s: %s; %s; '%s' orders the events", path, file.described(), size, columns.position)
    frame = pl.DataFrame(parts).filter(~wrong.any)
    return frame.cast({"timestamp": pl.Int64}).select([name for name in POSITIONED if name in parts]), tally


def _rows(
    file: TableFile, needed: Sequence[str], chosen: RowFilter | None, counts: dict[str, int]
) -> tuple[pl.DataFrame, Tally]:
    """The rows that count, and the tally of all rows, in which those that the filter cannot judge are malformed."""
    tally = Tally(file.path, unit="rows")
    frame = file.scan().select(ROW, *needed, *([EXTRA] if file.delimiter else []))
    if chosen is None:
        rows = file.collect(frame)
        tally.lines = rows.height
        return rows, tally
    judged = file.collect(frame.with_columns(chosen.keep.alias(KEEP)))
    tally.lines = judged.height
    unknown = judged.filter(pl.col(KEEP).is_null())
    if unknown.height:
        cells = ", ".join(f"'{name}' is '{unknown[name][0]}'" for name in chosen.columns)
        tally.add_many(
            "no number for the filter", unknown.height,
            f"{file.place(unknown[ROW][0])}: {cells}; the filter needs a number",
        )  # fmt: skip
    rows = judged.filter(KEEP).drop(KEEP)
    out = f"interactions rows left out by the filter ({chosen.text})"
    counts[out] = counts.get(out, 0) + judged.height - rows.height - unknown.height
    if judged.height and not rows.height and not unknown.height:
        shown = ", ".join(f"'{name}' is '{judged[name][0]}'" for name in chosen.columns)
        raise UserError(
            f"{file.path}: the filter ({chosen.text}) leaves none of {judged.height:,} rows; in the first, {shown}"
        )
    return rows, tally


def _read_times(file: TableFile, cells: pl.Series, time_format: str | None) -> Times:
    try:
        return read_times(cells, time_format)
    except UserError as error:
        raise UserError(f"{file.path}: column '{cells.name}': {error}") from error

"""The wrong rows of a table of your own: counted by kind, with the place and the cell of the first one."""

from collections.abc import Callable

import polars as pl

from semacdr.data.lines import Tally
from semacdr.data.table_cells import Cells
from semacdr.data.table_files import EXTRA, ROW, TableFile
from semacdr.data.times import Times


class WrongRows:
    """The wrong rows of a file; each counts once, under the first defect found."""

    def __init__(self, file: TableFile, rows: pl.DataFrame, tally: Tally) -> None:
        self.file, self.rows, self.tally = file, rows, tally
        self.any = pl.repeat(False, rows.height, dtype=pl.Boolean, eager=True)
        if EXTRA in rows.columns:
            more = f"more than {len(file.columns)} cells; put a cell with the separator into quotes"
            self._add("too many cells", rows[EXTRA].is_not_null(), lambda row: more)

    def add(self, kind: str, where: pl.Series, column: str, what: str) -> None:
        """Count the rows `where` a column's cell is wrong."""
        self._add(kind, where, lambda row: f"'{column}' is '{_short(self.rows[column][row])}', which {what}")

    def without_id(self, cells: Cells, column: str, what: str) -> None:
        """Count the rows without an id, or with one that has a line break."""
        self._add(f"no {what}", cells.missing, lambda row: f"'{column}' is {_empty(self.rows[column][row])}")
        broken = cells.text.str.contains(r"[\r\n]").fill_null(False)
        self.add(f"{what} with a line break", broken, column, "has a line break; is a quote not closed?")

    def without_time(self, times: Times, column: str, time_format: str | None) -> None:
        """Count the rows without a time, with one that cannot be read, or with one that is impossible."""
        self._add("no time", times.missing, lambda row: f"'{column}' is {_empty(self.rows[column][row])}")
        if time_format:
            what = f"does not fit time_format '{time_format}'"
        elif times.kinds:
            what = f"does not fit {' or '.join(times.kinds)}, from 1995 to 2100"
        else:
            what = "is no ISO text and no epoch from 1995 to 2100; see time_format, and columns.position"
        self.add("unreadable time", times.seconds.is_null(), column, what)

    def _add(self, kind: str, where: pl.Series, reason: Callable[[int], str]) -> None:
        new = where & ~self.any
        first = new.arg_max() if new.any() else None
        if first is not None:
            place = self.file.place(self.rows[ROW][first])
            self.tally.add_many(kind, int(new.sum()), f"{place}: {kind}: {reason(first)}")
        self.any = self.any | new


def _empty(cell: object) -> str:
    return "empty" if cell is None or not str(cell).strip() else f"'{cell}'"


def _short(cell: object) -> str:
    text = str(cell)
    return text if len(text) <= 60 else f"{text[:60]}…"

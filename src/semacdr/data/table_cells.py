"""Cells of a table of your own: ids as text, positions as whole numbers, texts on one line."""

from dataclasses import dataclass

import polars as pl

from semacdr.data.table_files import TableFile
from semacdr.data.times import MISSING
from semacdr.errors import UserError
from semacdr.runtime.cli import log


@dataclass(frozen=True)
class Cells:
    """The ids of a column."""

    text: pl.Series  # (rows,) without blanks at the ends
    missing: pl.Series  # (rows,) bool


def id_cells(file: TableFile, rows: pl.DataFrame, column: str) -> Cells:
    """The ids of a column as text; a UserError if its type holds no ids.

    Whole numbers that pandas made floats (1.0) become whole numbers again if all ids of the column are such.
    """
    cells = rows[column]
    kind = cells.dtype
    if not (kind.is_integer() or kind.is_float() or kind in (pl.String, pl.Categorical, pl.Enum, pl.Null)):
        raise UserError(f"{file.path}: column '{column}' holds {_name(kind)}; ids must be texts or whole numbers")
    text = cells.cast(pl.String).str.strip_chars()
    missing = text.is_null() | text.is_in(MISSING)
    known = text.filter(~missing)
    if len(known) and known.str.contains(r"^\d+\.0$").all():
        log.warning("%s: the ids in '%s' are written as %s; read as whole numbers", file.path, column, known[0])
        text = text.str.replace(r"\.0$", "")
    elif kind.is_float() and len(known):
        wrong = known.filter(~known.str.contains(r"^\d+\.0$"))[0]
        raise UserError(f"{file.path}: column '{column}' holds {wrong}; ids must be texts or whole numbers")
    return Cells(text.rename(column), missing)


def positions(file: TableFile, rows: pl.DataFrame, column: str) -> pl.Series:
    """(rows,) i64 the whole numbers of a column, null where a cell is none or below 0; a UserError for other types."""
    cells = rows[column]
    if not (cells.dtype.is_numeric() or cells.dtype in (pl.String, pl.Null)):
        raise UserError(f"{file.path}: column '{column}' holds {_name(cells.dtype)}; a position is a whole number")
    number = cells.cast(pl.String).str.strip_chars().str.replace(r"\.0$", "").cast(pl.Int64, strict=False)
    return number.set(number < 0, None)


def text_cells(file: TableFile, rows: pl.DataFrame, column: str) -> list[list[str]]:
    """(rows,) the texts of each cell: none if it is empty, several if it is a list; a UserError for other types."""
    cells = rows[column]
    if isinstance(cells.dtype, (pl.List, pl.Array)) and not cells.dtype.inner.is_nested():
        lists = cells.cast(pl.List(pl.String)).to_list()
        return [[text for text in one or [] if text] for one in lists]
    if cells.dtype.is_nested() or cells.dtype == pl.Binary:
        raise UserError(
            f"{file.path}: column '{column}' holds {_name(cells.dtype)}; texts or lists of texts are needed"
        )
    return [[] if text in (None, *MISSING) else [text] for text in cells.cast(pl.String).to_list()]


def _name(kind: pl.DataType) -> str:
    return str(kind).split("(")[0].lower() if kind.is_nested() else str(kind)

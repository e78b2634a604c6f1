"""Tab-separated tables for readers: rows are dataclasses, and their fields are the columns."""

import csv
from collections.abc import Collection, Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any

from semacdr.errors import UserError
from semacdr.storage import files


def text(rows: Sequence[Any], number: str = ".6g", optional: Collection[str] = ()) -> str:
    """The table as text: a header, then the rows, with floats in the format `number` and None as an empty cell.

    A column in `optional` is left out if it is None in all rows.
    """
    columns = [field.name for field in fields(rows[0])]
    columns = [c for c in columns if c not in optional or any(getattr(row, c) is not None for row in rows)]
    lines = [columns, *([_cell(getattr(row, column), number) for column in columns] for row in rows)]
    return "".join("\t".join(line) + "\n" for line in lines)


def _cell(value: Any, number: str) -> str:
    if value is None:
        return ""
    return format(value, number) if isinstance(value, float) else str(value)


def read(path: Path, needs: Collection[str] = ()) -> list[dict[str, str]]:
    """The rows of a table, each by column; a UserError if it cannot be read or lacks a column of `needs`."""
    try:
        with path.open(encoding="utf-8", newline="") as file:
            reader = csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE, strict=True)
            missing = [name for name in needs if name not in (reader.fieldnames or ())]
            rows = list(reader)
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise UserError(f"{path}: cannot be read as a table: {error}") from error
    if missing:
        raise UserError(f"{path}: lacks the columns {', '.join(missing)}; delete it and run its stage again")
    return rows


def write(path: Path, content: str) -> None:
    """Write a text atomically (semacdr.storage.files), with the same bytes on every system."""
    files.write_text(path, content)

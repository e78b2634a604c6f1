"""Tab-separated tables for people: rows are dataclasses, their fields the columns."""

import csv
from collections.abc import Collection, Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any

from semacdr.errors import UserError


def text(rows: Sequence[Any], number: str = ".6g", optional: Collection[str] = ()) -> str:
    """The rows under a header, numbers in the format `number`; what does not exist (None) is an empty cell.

    A column in `optional` is left out where no row has anything in it.
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
    """The lines of a table, cells by column; a UserError where it cannot be read or lacks a column of `needs`."""
    try:
        with path.open(encoding="utf-8", newline="") as file:
            reader = csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE, strict=True)
            missing = [name for name in needs if name not in (reader.fieldnames or ())]
            rows = list(reader)
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise UserError(f"{path}: cannot be read as a table: {error}") from error
    if missing:
        raise UserError(f"{path}: lacks the columns {', '.join(missing)}; make it anew")
    return rows


def write(path: Path, content: str) -> None:
    """Write a text as it is, on every system the same bytes, and make its folder."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content, encoding="utf-8", newline="\n")

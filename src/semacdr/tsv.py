"""Tab-separated tables for people: rows are dataclasses, their fields the columns."""

from collections.abc import Sequence
from dataclasses import astuple, fields
from pathlib import Path
from typing import Any


def text(rows: Sequence[Any], number: str = ".6g") -> str:
    """The rows under a header, numbers in the format `number`; what does not exist (None) is an empty cell."""
    lines = [[field.name for field in fields(rows[0])], *([_cell(v, number) for v in astuple(row)] for row in rows)]
    return "".join("\t".join(line) + "\n" for line in lines)


def _cell(value: Any, number: str) -> str:
    if value is None:
        return ""
    return format(value, number) if isinstance(value, float) else str(value)


def write(path: Path, content: str) -> None:
    """Write a text as it is, on every system the same bytes, and make its folder."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content, encoding="utf-8", newline="\n")

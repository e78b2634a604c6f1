"""Read metadata files of Amazon's releases as a table of item_id, title, brand, categories, description.

The releases of 2018 and 2023 hold JSON lines; that of 2014 holds Python literals, which are parsed as literals and
never evaluated. Parsing a literal takes about 50 microseconds, and files have millions of lines. So lines of other
items are skipped without parsing if a regular expression finds their id.
"""

import ast
import html
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
import polars as pl

from semacdr.data.lines import Malformed, Tally, read_lines

SCHEMA: dict[str, pl.DataType | type[pl.DataType]] = {
    "item_id": pl.String,
    "title": pl.String,
    "brand": pl.String,
    "categories": pl.List(pl.String),
    "description": pl.String,
}
ATTRIBUTES = pl.List(pl.Struct({"name": pl.String, "value": pl.String}))  # named categories, of tables only


class MetadataRow(NamedTuple):
    """The metadata that is kept for an item; the fields are those of SCHEMA."""

    item_id: str
    title: str
    brand: str
    categories: list[str]
    description: str


# An id without a backslash, up to the quote that opened it. Lines with any other id are parsed.
_PLAIN_ID = re.compile(rb"""["'](?:parent_)?asin["']: ?(?:"([^"\\]+)"|'([^'\\]+)')""")
_TAG, _SPACE = re.compile(r"</?[A-Za-z!][^<>]{0,200}>"), re.compile(r"[\s\x00-\x1f\x7f-\x9f]+")


def read_metadata(path: Path, wanted: Iterable[str]) -> tuple[pl.DataFrame, Tally]:
    """The metadata of the wanted items, one row each, and the tally of the file's lines.

    If an item has several lines, the first with a title is used, or the first if none has one. Items without a line
    have no row. Raises a UserError where `read_lines` does.
    """
    tally, wanted = Tally(path), set(wanted)
    rows: dict[str, MetadataRow] = {}
    for number, line in read_lines(path):
        tally.lines = number
        plain = _PLAIN_ID.search(line)
        if plain and line.count(b"asin") == 1 and (plain[1] or plain[2]).decode(errors="replace") not in wanted:
            continue
        try:
            row = _row(_parse(line))
        except Malformed as error:
            tally.add(number, error)
            continue
        except RecursionError as error:
            tally.add(number, Malformed("nested too deeply", str(error)))
            continue
        earlier = rows.get(row.item_id)
        if row.item_id in wanted and (earlier is None or (row.title and not earlier.title)):
            rows[row.item_id] = row
    return pl.DataFrame(list(rows.values()), schema=SCHEMA, orient="row"), tally


def _parse(line: bytes) -> dict[str, Any]:
    """The object of a line, which is JSON or a Python literal; Malformed if it is neither."""
    try:
        text = line.decode().strip()
    except UnicodeDecodeError as error:
        raise Malformed("not UTF-8", str(error)) from error
    try:
        found = msgspec.json.decode(text)
    except msgspec.DecodeError as error:
        try:
            found = ast.literal_eval(text)
        except (ValueError, TypeError, SyntaxError, RecursionError, MemoryError):
            raise Malformed("neither JSON nor a Python literal" if text else "blank", str(error)) from error
    if not isinstance(found, dict):
        raise Malformed("not an object", f"a {type(found).__name__}")
    return found


def _row(line: dict[str, Any]) -> MetadataRow:
    item = line.get("parent_asin") or line.get("asin")
    if not item or not isinstance(item, str):
        raise Malformed("no item", "neither asin nor parent_asin")
    title = clean(line.get("title"))
    if "getTime" in title:  # in the 2018 release, some titles are scripts, as its page says
        title = ""
    categories = [clean(name) for name in _flat(line.get("categories") or line.get("category"))]
    brand = clean(line.get("brand") or line.get("store"))
    description = clean(line.get("description"))
    return MetadataRow(item, title, brand, list(dict.fromkeys(filter(None, categories))), description)


def _flat(value: object) -> list[object]:
    return [leaf for part in value for leaf in _flat(part)] if isinstance(value, list) else [value]


def clean(value: object) -> str:
    """A text, or a list of texts, as one line without HTML tags and entities, control characters and double spaces."""
    text = " ".join(part for part in _flat(value) if isinstance(part, str))
    text = text.encode("utf-16", "surrogatepass").decode(
        "utf-16", "replace"
    )  # Python literals can hold half a surrogate pair
    return _SPACE.sub(" ", _TAG.sub(" ", html.unescape(text))).strip()

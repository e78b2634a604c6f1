"""Metadata files of Amazon's releases as a table of item_id, title, brand, categories, description.

2018 and 2023 hold JSON lines; 2014 holds Python literals, which are read as literals, never evaluated. Only the lines
of items that are wanted are parsed: parsing a literal costs some 50 microseconds, and files hold millions.
"""

import ast
import html
import re
from collections.abc import Iterable
from pathlib import Path

import msgspec
import polars as pl

from semacdr.data.lines import Malformed, Tally, read_lines

TEXTS = ("title", "brand", "description")
SCHEMA = {"item_id": pl.String, "title": pl.String, "brand": pl.String, "categories": pl.List(pl.String)}
SCHEMA |= {"description": pl.String}
_KEY = re.compile(rb"""["'](?:parent_)?asin["']: ?["']([^"']+)["']""")
_TAG, _SPACE = re.compile(r"</?[A-Za-z!][^<>]{0,200}>"), re.compile(r"[\s\x00-\x1f\x7f-\x9f]+")


def read_metadata(path: Path, wanted: Iterable[str]) -> tuple[pl.DataFrame, Tally]:
    """The metadata of the wanted items, the first line of each, and the tally; an item without a line has no row."""
    tally, wanted, rows = Tally(path), set(wanted), {}
    for number, line in read_lines(path):
        tally.lines = number
        key = _KEY.search(line)
        if key and line.count(b"asin") == 1 and key[1].decode(errors="replace") not in wanted:
            continue
        try:
            row = _row(_parse(line))
        except Malformed as error:
            tally.add(number, error)
            continue
        except RecursionError as error:
            tally.add(number, Malformed("nested too deeply", str(error)))
            continue
        if row[0] in wanted:
            rows.setdefault(row[0], row)
    return pl.DataFrame(list(rows.values()), schema=SCHEMA, orient="row"), tally


def _parse(line: bytes) -> dict:
    """The object of one line, JSON or Python literal."""
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


def _row(line: dict) -> tuple[str, str, str, list[str], str]:
    item = line.get("parent_asin") or line.get("asin")
    if not item or not isinstance(item, str):
        raise Malformed("no item", "neither asin nor parent_asin")
    title = clean(line.get("title"))
    if "getTime" in title:  # the 2018 release has pages' scripts in place of some titles (its own page says so)
        title = ""
    categories = [clean(name) for name in _flat(line.get("categories") or line.get("category"))]
    brand = clean(line.get("brand") or line.get("store"))
    return item, title, brand, list(dict.fromkeys(filter(None, categories))), clean(line.get("description"))


def _flat(value: object) -> list:
    return [leaf for part in value for leaf in _flat(part)] if isinstance(value, list) else [value]


def clean(value: object) -> str:
    """A text, or a list of texts, as one line: entities resolved, tags, control characters and double spaces gone."""
    text = " ".join(part for part in _flat(value) if isinstance(part, str))
    text = text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")  # Python literals can hold half a pair
    return _SPACE.sub(" ", _TAG.sub(" ", html.unescape(text))).strip()

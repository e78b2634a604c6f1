"""Wrong and awkward tables of your own, and what stage preprocess answers to each.

    python tests/helpers/wrong_inputs.py

runs every case and writes docs/wrong-inputs.md from the answers. A test checks that the page is what the code answers.
"""

import copy
import gzip
import io
import json
import logging
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import polars as pl

from semacdr.errors import UserError
from semacdr.stages import preprocess

PAGE = Path(__file__).parents[2] / "docs/wrong-inputs.md"
ITEMS = {"song": ["s1", "s2", "s3", "s4"], "pod": ["p1", "p2", "p3", "p4"]}
USERS = ["ann", "bob", "cem", "dan"]
HEAD = """# Wrong inputs, and the answers

What stage preprocess says to tables that are wrong or unusual ([your-own-data.md](your-own-data.md)). The base of every
case is a sound pair of tables, plays.csv and songs.csv, with columns user, item, time and item, title; heard.csv and
pods.csv are those of the other domain. Each row changes one thing. *Refused* means that the stage stops with this line;
otherwise it goes on, with the warning or with what the log says. This page is written by
`python tests/helpers/wrong_inputs.py`, and a test runs every case.
"""


class Given(NamedTuple):
    """The files and the settings of the tables, which a case changes."""

    files: dict[str, bytes]
    tables: dict[str, dict[str, Any]]
    options: list[str]


def csv_of(rows: list[list[str]], header: str) -> bytes:
    return "".join(",".join(row) + "\n" for row in [header.split(","), *rows]).encode()


def base() -> Given:
    """Sound tables: every user has every item, one a day."""
    files: dict[str, bytes] = {}
    for domain, (events, catalogue) in {"song": ("plays", "songs"), "pod": ("heard", "pods")}.items():
        rows = [[user, item, f"2024-05-0{n}"] for user in USERS for n, item in enumerate(ITEMS[domain], 1)]
        files[f"{events}.csv"] = csv_of(rows, "user,item,time")
        files[f"{catalogue}.csv"] = csv_of([[item, f"Title of {item}"] for item in ITEMS[domain]], "item,title")
    columns = {"user": "user", "item": "item", "time": "time", "title": "title"}
    names = {"song": ("plays.csv", "songs.csv"), "pod": ("heard.csv", "pods.csv")}
    tables = {
        domain: {"interactions": first, "items": second, "columns": copy.deepcopy(columns)}
        for domain, (first, second) in names.items()
    }
    return Given(files, tables, ["--min-item-interactions", "2"])


Change = Callable[[Given], None]


def bytes_of(file: str, change: Callable[[bytes], bytes]) -> Change:
    """A case that changes the bytes of a file."""

    def apply(given: Given) -> None:
        given.files[file] = change(given.files[file])

    return apply


def text_of(old: str, new: str, count: int = 1, file: str = "plays.csv") -> Change:
    """A case that replaces a text in a file, by default once."""
    return bytes_of(file, lambda content: _replaced(content, old, new, count))


def _replaced(content: bytes, old: str, new: str, count: int) -> bytes:
    assert old.encode() in content
    return content.replace(old.encode(), new.encode(), count)


def times(function: Callable[[int], str]) -> Change:
    """A case with other times in plays.csv, by the day 1 to 4."""

    def apply(given: Given) -> None:
        for day in range(1, 5):
            text_of(f"2024-05-0{day}", function(day), -1)(given)

    return apply


def parquet(change: Callable[[pl.DataFrame], pl.DataFrame], file: str = "plays.csv") -> Change:
    """A case in which a file is Parquet."""

    def apply(given: Given) -> None:
        buffer = io.BytesIO()
        change(pl.read_csv(given.files[file])).write_parquet(buffer)
        given.files[file] = buffer.getvalue()

    return apply


def settings(domain: str = "song", **values: Any) -> Change:
    """A case with other settings of a table."""
    return lambda given: given.tables[domain].update(values)


def both(*changes: Change) -> Change:
    """Several changes."""

    def apply(given: Given) -> None:
        for change in changes:
            change(given)

    return apply


def _columns(**values: Any) -> Change:
    return lambda given: given.tables["song"]["columns"].update(values)


def _one_user(given: Given) -> None:
    for file in ("plays.csv", "heard.csv"):
        lines = given.files[file].splitlines(keepends=True)
        given.files[file] = b"".join(line for line in lines if line.startswith((b"user", b"ann")))


def _utf16(content: bytes) -> bytes:
    return content.decode().encode("utf-16")


def _share(given: Given) -> None:
    given.options.extend(["--max-malformed-share", "0.5"])


CASES: dict[str, dict[str, Change]] = {
    "Files": {
        "UTF-8 with a byte order mark": bytes_of("plays.csv", lambda b: b"\xef\xbb\xbf" + b),
        "UTF-16": bytes_of("plays.csv", _utf16),
        "UTF-16 without a mark": bytes_of("plays.csv", lambda b: b.decode().encode("utf-16-le")),
        "Latin-1 in a cell": bytes_of("songs.csv", lambda b: b.replace(b"Title of s2", b"Caf\xe9")),
        "Latin-1 in the header": bytes_of("songs.csv", lambda b: b.replace(b"title", b"caf\xe9")),
        "an empty file": bytes_of("plays.csv", lambda b: b""),
        "only a header": bytes_of("plays.csv", lambda b: b[: b.index(b"\n") + 1]),
        "a first line that is blank": bytes_of("plays.csv", lambda b: b"\n" + b),
        "no header": bytes_of("plays.csv", lambda b: b[b.index(b"\n") + 1 :]),
        "blank lines": text_of("\nbob", "\n\n\nbob"),
        "gzip": bytes_of("plays.csv", lambda b: gzip.compress(b, mtime=0)),
        "gzip that ends too early": bytes_of("plays.csv", lambda b: gzip.compress(b * 99, mtime=0)[:-20]),
        "an Excel file": bytes_of("plays.csv", lambda b: b"PK\x03\x04" + b),
        "JSON lines": bytes_of("plays.csv", lambda b: b'{"user": "ann"}\n'),
        "an HTML page": bytes_of("plays.csv", lambda b: b"<!doctype html><p>Sign in"),
        "lines that end with CR alone": bytes_of("plays.csv", lambda b: b.replace(b"\n", b"\r")),
        "lines that end with CR LF": bytes_of("plays.csv", lambda b: b.replace(b"\n", b"\r\n")),
        "a file that is not there": settings(interactions="play.csv"),
        "a pattern that matches nothing": settings(interactions="plays-*.csv"),
        "a folder": settings(interactions="."),
        "half a Parquet file": both(parquet(lambda f: f), bytes_of("plays.csv", lambda b: b[: len(b) // 2])),
    },
    "Cells and columns": {
        "semicolons": bytes_of("plays.csv", lambda b: b.replace(b",", b";")),
        "a wrong `delimiter`": settings(delimiter=";"),
        "a quote that is never closed": text_of("bob,s1,", 'bob,"s1,'),
        "a quote sign in a cell without quotes": text_of("Title of s2", '7" single', file="songs.csv"),
        "a comma in a cell without quotes": text_of("bob,s1,", "bob,s1,x,"),
        "a row that ends early": text_of("bob,s1,2024-05-01", "bob"),
        "a missing column": text_of("user,item", "user,item_id"),
        "a column named twice": text_of("user,item", "user,user"),
        "the items file as interactions": settings(interactions="songs.csv"),
        "a title of a million letters": text_of("Title of s2", "x" * 1_000_000, file="songs.csv"),
        "Parquet whose ids are lists": parquet(lambda f: f.with_columns(pl.concat_list("user"))),
        "Parquet whose titles are structs": parquet(lambda f: f.with_columns(title=pl.struct("title")), "songs.csv"),
        "Parquet whose times are truth values": parquet(lambda f: f.with_columns(time=pl.lit(True))),
    },
    "Ids": {
        "a user that is empty": text_of("bob,s1", ",s1"),
        "the same, with `max_malformed_share: 0.5`": both(text_of("bob,s1", ",s1"), _share),
        "a user NULL": text_of("bob,s1", "NULL,s1"),
        "an item that is blank": text_of("bob,s1", "bob,  "),
        "users with blanks around them": text_of("bob,s1", "  bob ,s1"),
        "users with commas, quotes, emoji": text_of("bob,", '"bob, ""🎧""",', -1),
        "an item with a line break": text_of("bob,s1", 'bob,"s\n1"'),
        "whole numbers as ids, in Parquet": both(
            *(text_of(f"{user},", f"{n},", -1) for n, user in enumerate(USERS)),
            *(text_of(f"{user},", f"{n},", -1, "heard.csv") for n, user in enumerate(USERS)),
            parquet(lambda f: f),
        ),
        "ids as pandas writes them, 1.0": both(
            *(text_of(f"{user},", f"{n}.0,", -1) for n, user in enumerate(USERS)),
            *(text_of(f"{user},", f"{n},", -1, "heard.csv") for n, user in enumerate(USERS)),
        ),
        "fractions as ids": parquet(lambda f: f.with_columns(user=pl.int_range(16) + 0.5)),
        "items whose ids are others": text_of("\ns", "\nsong-", -1, "songs.csv"),
        "items of which half have other ids": both(*(text_of(f"\ns{n}", f"\nS{n}", 1, "songs.csv") for n in (1, 2))),
        "an item that is there twice": bytes_of("songs.csv", lambda b: b + b"s1,Another title\n"),
    },
    "Times": {
        "N/A": text_of("bob,s1,2024-05-01", "bob,s1,N/A"),
        "day/month/year": times(lambda day: f"0{day}/05/2024"),
        "the same, with `time_format`": both(times(lambda day: f"0{day}/05/2024"), settings(time_format="%d/%m/%Y")),
        "a wrong `time_format`": both(times(lambda day: f"0{day}/05/2024"), settings(time_format="%Y-%m-%d")),
        "0": times(lambda day: "0"),
        "below 0": times(lambda day: f"-{day}"),
        "1970": times(lambda day: f"1970-01-0{day}"),
        "the future": times(lambda day: f"2090-01-0{day}"),
        "a day that does not exist": text_of("bob,s1,2024-05-01", "bob,s1,2024-02-30"),
        "zones": times(lambda day: f"2024-05-0{day}T23:30:00+02:00"),
        "no zone": times(lambda day: f"2024-05-0{day} 23:30"),
        "milliseconds": times(lambda day: f"17145{day}7600000"),
        "13 digits in one row, 10 in the others": both(
            times(lambda day: f"171455760{day}"), text_of("bob,s1,1714557601", "bob,s1,1714557601000")
        ),
        "ISO in one row, seconds in the others": both(
            times(lambda day: f"171455760{day}"), text_of("bob,s1,1714557601", "bob,s1,2024-05-01")
        ),
        "places in the history, named as time": times(str),
        "the same, named as position": both(times(str), _columns(time=None, position="time")),
        "positions that are no numbers": _columns(time=None, position="item"),
        "all events at one time": times(lambda day: "2024-05-01"),
        "neither time nor position": _columns(time=None),
    },
    "Contents": {
        "one file for both domains": lambda given: given.tables["song"].update(given.tables["pod"]),
        "no user in both domains": bytes_of("plays.csv", lambda b: b.replace(b"\n", b"\nx-")[:-2]),
        "one user": _one_user,
        "too few events for the thresholds": lambda given: given.options.extend(["--min-item-interactions", "5"]),
        "a filter that leaves nothing": settings(filter="item == 's9'"),
        "a filter on a column that is not there": settings(filter="plays >= 2"),
        "a filter that compares a text with a number": settings(filter="item >= 2"),
        "a filter that is no comparison": settings(filter="__import__('os').remove('plays.csv')"),
        "no items table": lambda given: (given.tables["song"].update(items=()), _columns(title=None)(given)),
        "a title column without an items table": settings(items=()),
    },
}  # fmt: skip


class _Heard(logging.Handler):
    def __init__(self) -> None:
        super().__init__(logging.INFO)
        self.records: list[logging.LogRecord] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.records.append(record)


def answer(change: Change) -> str:
    """What the stage answers to a case: its error, else its warnings, else what it says of plays.csv."""
    given = base()
    change(given)
    logger, heard = logging.getLogger("semacdr"), _Heard()
    level = logger.level
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for file, content in given.files.items():
            (folder / file).write_bytes(content)
        tables = {domain: _in(folder, table) for domain, table in given.tables.items()}
        argv = ["--domains", *tables, "--tables", json.dumps(tables), "--release", "shop", "--scenario", "song_pod"]
        logger.addHandler(heard)
        logger.setLevel(logging.INFO)
        try:
            preprocess.main([*argv, *given.options, "--output", str(folder / "out")])
        except UserError as error:
            return "*Refused*: " + _plain(str(error), folder)
        finally:
            logger.removeHandler(heard)
            logger.setLevel(level)
    warnings = [record.getMessage() for record in heard.records if record.levelno == logging.WARNING]
    said = [record.getMessage() for record in heard.records if "plays.csv: " in record.getMessage()]
    return "; ".join(f"warning: {_plain(text, folder)}" for text in warnings) or _plain(said[0], folder)


def _in(folder: Path, table: dict[str, Any]) -> dict[str, Any]:
    names = {kind: table[kind] for kind in ("interactions", "items")}
    return table | {kind: str(folder / name) if name else name for kind, name in names.items()}


def _plain(text: str, folder: Path) -> str:
    return text.replace(f"{folder}/", "").replace(str(folder), ".")


def page() -> str:
    """The Markdown page of all cases."""
    lines = [HEAD]
    for group, cases in CASES.items():
        lines += [f"## {group}", "", "| input | answer |", "| --- | --- |"]
        lines += [f"| {what} | {_cell(answer(change))} |" for what, change in cases.items()]
        lines.append("")
    return "\n".join(lines)


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", "⏎").replace("<", "&lt;").replace("__", "\\_\\_")


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
    print(f"{PAGE}: {sum(map(len, CASES.values()))} cases")

"""Open a table of your own: a CSV or TSV file, also with gzip, or a Parquet file.

Every cell of a CSV file is read as text. Errors say what the file is and what to do about it.
"""

import csv
import gzip
import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import polars as pl

from semacdr.errors import UserError
from semacdr.runtime.setting_errors import nearest

ROW = "\x00row"  # column with the number of a row, from 1; no table has such a name
EXTRA = "\x00extra"  # a cell behind the last column
DELIMITERS = {",": "commas", "\t": "tabs", ";": "semicolons", "|": "bars"}
HEAD = 1 << 16  # bytes that are looked at to see what a file is
SIGNS = {  # how files begin that are no tables
    b"PK\x03\x04": "an Excel or zip file; save the table as CSV or Parquet",
    b"\xd0\xcf\x11\xe0": "an old Excel file; save the table as CSV or Parquet",
    b"\xff\xfe": "UTF-16; save it as UTF-8 (iconv -f utf-16 -t utf-8)",
    b"\xfe\xff": "UTF-16; save it as UTF-8 (iconv -f utf-16 -t utf-8)",
    b"\x28\xb5\x2f\xfd": "compressed with zstd; decompress it, or use gzip",
    b"BZh": "compressed with bzip2; decompress it, or use gzip",
    b"SQLite format 3": "an SQLite database; export the table as CSV or Parquet",
    b"{": "JSON; convert it to CSV or Parquet",
    b"[": "JSON; convert it to CSV or Parquet",
    b"<": "HTML or XML, perhaps the page of a failed download; save the table as CSV or Parquet",
}
UTF8 = "is not UTF-8; if it is Latin-1, convert it: iconv -f latin1 -t utf-8"
csv.field_size_limit(1 << 30)  # a huge cell is no error of the file


@dataclass(frozen=True)
class TableFile:
    """A file whose header has been read."""

    path: Path
    columns: tuple[str, ...]
    types: dict[str, pl.DataType]  # of a Parquet file; of a CSV file all are text
    delimiter: str | None = None  # None: Parquet
    header_lines: int = 0

    def described(self) -> str:
        """The format in words."""
        return "Parquet" if self.delimiter is None else f"CSV with {DELIMITERS.get(self.delimiter, self.delimiter)}"

    def scan(self) -> pl.LazyFrame:
        """All rows with their number ROW; of a CSV file without blank lines, and with EXTRA, null if all is well."""
        if self.delimiter is None:
            return pl.scan_parquet(self.path, glob=False).with_row_index(ROW, 1)
        frame = pl.scan_csv(
            self.path, has_header=False, skip_lines=self.header_lines, separator=self.delimiter, glob=False,
            schema=dict.fromkeys((*self.columns, EXTRA), pl.String()), missing_columns="insert",
            truncate_ragged_lines=True,
        ).with_row_index(ROW, 1)  # fmt: skip
        return frame.filter(~pl.all_horizontal(pl.exclude(ROW).is_null()))

    def collect(self, frame: pl.LazyFrame) -> pl.DataFrame:
        """The rows of what was made from `scan`; a UserError says where the file is not a sound table."""
        try:
            return frame.collect(engine="streaming")
        except (pl.exceptions.PolarsError, OSError) as error:
            reason = str(error).splitlines()[0]
            if self.delimiter is not None:
                reason = _defect(self.path, self.delimiter) or reason
            raise UserError(f"{self.path}: cannot be read as {self.described()}: {reason}") from error

    def place(self, row: int) -> str:
        """Where a row is in the file, in words: its line in a CSV file."""
        if self.delimiter is None:
            return f"row {row:,}"
        with _text(self.path) as file:
            reader = csv.reader(file, delimiter=self.delimiter)
            for _ in range(row + 1):  # the header, and the rows before this one
                line = reader.line_num + 1
                next(reader)
        return f"line {line:,}"

    def need(self, names: Sequence[str], what: str) -> None:
        """Raise a UserError that suggests a name where a column is missing; `what` names the table."""
        for name in names:
            if name not in self.columns:
                listed = ", ".join(column or "(no name)" for column in self.columns)
                hint = nearest(name, self.columns)
                raise UserError(f"{self.path}: the {what} have no column '{name}', only {listed}{hint}")


def open_table(path: Path, wanted: Sequence[str] = (), delimiter: str | None = None) -> TableFile:
    """A file by its contents, whatever its name; `wanted` columns help to find what separates the cells of a CSV file.

    A UserError for a file that cannot be read, is empty, or is no table.
    """
    head = _head(path)
    if head.startswith(b"PAR1"):
        return _parquet(path)
    for sign, what in SIGNS.items():
        if head.lstrip(b" \r\n\t").startswith(sign) if len(sign) == 1 else head.startswith(sign):
            raise UserError(f"{path}: is {what}")
    if b"\0" in head:
        raise UserError(f"{path}: has bytes 0, so it is no text: UTF-16 or damaged; save it as CSV in UTF-8")
    if b"\r" in head and b"\n" not in head:
        raise UserError(f"{path}: its lines end with CR alone, as on old Macs; save it with LF or CR LF")
    first = head.removeprefix(b"\xef\xbb\xbf").splitlines()[0:1] or [b""]
    try:
        first[0].decode()
    except UnicodeDecodeError as error:
        raise UserError(f"{path}: its header {UTF8}") from error
    if not first[0].strip():
        raise UserError(f"{path}: its first line is blank; it must name the columns")
    return _csv(path, wanted, delimiter)


def _head(path: Path) -> bytes:
    """The first bytes of a file, decompressed."""
    try:
        if path.is_dir():
            raise UserError(f"{path}: is a folder; name its files, such as {path}/*.csv")
        if not path.stat().st_size:
            raise UserError(f"{path}: the file is empty (0 bytes)")
        with _binary(path) as file:
            head = file.read(HEAD)
    except (OSError, EOFError) as error:
        raise UserError(f"{path}: cannot be read: {getattr(error, 'strerror', None) or error}") from error
    if not head:
        raise UserError(f"{path}: the file is empty")
    return head


def _binary(path: Path) -> IO[bytes]:
    with path.open("rb") as file:
        zipped = file.read(2) == b"\x1f\x8b"
    return gzip.open(path, "rb") if zipped else path.open("rb")  # type: ignore[return-value]


def _text(path: Path) -> IO[str]:
    return io.TextIOWrapper(_binary(path), encoding="utf-8-sig", errors="replace", newline="")


def _parquet(path: Path) -> TableFile:
    try:
        types = dict(pl.scan_parquet(path, glob=False).collect_schema())
    except (pl.exceptions.PolarsError, OSError) as error:
        raise UserError(f"{path}: cannot be read as Parquet: {str(error).splitlines()[0]}") from error
    return TableFile(path, tuple(types), types)


def _csv(path: Path, wanted: Sequence[str], delimiter: str | None) -> TableFile:
    """The header, by the delimiter under which most of the wanted columns are found, then most columns."""
    headers = {}
    for one in [delimiter] if delimiter else list(DELIMITERS):
        with _text(path) as file:
            reader = csv.reader(file, delimiter=one)
            headers[one] = [name.strip() for name in next(reader)], reader.line_num
    best = max(headers, key=lambda one: (len(set(wanted) & set(headers[one][0])), len(headers[one][0])))
    names, lines = headers[best]
    named = [name for name in names if name]
    twice = next((name for name in named if named.count(name) > 1), None)
    if twice:
        raise UserError(f"{path}: its header names column '{twice}' twice; rename one")
    columns = tuple(name or f"(column {place})" for place, name in enumerate(names, 1))
    return TableFile(path, columns, {}, best, lines)


def _records(path: Path, delimiter: str) -> Iterator[tuple[int, int, str]]:
    """First line, last line and text of each record of a CSV file."""
    taken: list[str] = []

    def lines(file: IO[str]) -> Iterator[str]:
        for line in file:
            taken.append(line)
            yield line

    with _text(path) as file:
        reader = csv.reader(lines(file), delimiter=delimiter)
        first = 1
        for _ in reader:
            yield first, reader.line_num, "".join(taken)
            first = reader.line_num + 1
            taken.clear()


def _defect(path: Path, delimiter: str) -> str:
    """What is wrong with a CSV file, with the line; empty if nothing is found."""
    number = 0
    try:
        with _binary(path) as file:
            for line in file:
                number += 1
                line.decode()
    except UnicodeDecodeError:
        return f"line {number:,} {UTF8}"
    except (OSError, EOFError) as error:
        return f"{error}; copy the file again"
    for first, last, text in _records(path, delimiter):
        if text.count('"') % 2:
            if last > first:
                return f"a quote that is opened in line {first:,} is never closed"
            return f'line {first:,} has a single quote sign; write a cell that contains one as "7"" single"'
    return ""

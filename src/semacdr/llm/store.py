"""The store of answers: each answer is paid for once, kept under a hash of everything that determines it.

SQLite in WAL mode, one transaction per answer: a killed process loses no stored answer, and several processes may share
a store on one machine's disk. On a network file system, give each process a separate store and merge them. A power cut
may lose the last second.
"""

import contextlib
import sqlite3
import time
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from pathlib import Path

import msgspec
import pyarrow as pa
import pyarrow.parquet as pq

from semacdr.errors import UserError
from semacdr.llm.requests import Answer
from semacdr.storage import tables

_SCHEMA = """
CREATE TABLE IF NOT EXISTS answers (
    key BLOB PRIMARY KEY, model TEXT NOT NULL, weights TEXT NOT NULL, created INTEGER NOT NULL, answer BLOB NOT NULL
) WITHOUT ROWID
"""
_PUT = "INSERT OR IGNORE INTO answers VALUES (?, ?, ?, ?, ?)"  # the first answer stays
_COLUMNS = ("key", "model", "weights", "created", "answer")


def batched(values: Iterable, size: int) -> Iterator[tuple]:
    """Tuples of up to `size` of the values, in order."""
    values = iter(values)
    while some := tuple(islice(values, size)):
        yield some


class AnswerStore:
    """Answers by key, in the file `path`, which is created if missing."""

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self.db = sqlite3.connect(path, timeout=120, isolation_level=None)
            self.db.execute("PRAGMA journal_mode=WAL")
            self.db.execute("PRAGMA synchronous=NORMAL")
            self.db.execute("PRAGMA wal_autocheckpoint=0")  # by time instead, see put
            self.db.execute(_SCHEMA)
            self.db.execute(f"SELECT {', '.join(_COLUMNS)} FROM answers LIMIT 0")  # fails for other databases
        except (OSError, sqlite3.Error) as error:
            raise UserError(f"{path}: cannot be opened as a store of answers: {error}") from error
        self.synced = time.monotonic()
        self.decode = msgspec.json.Decoder(Answer).decode

    @contextlib.contextmanager
    def _wrap_errors(self) -> Iterator[None]:
        """Turn a damaged file, a full disk, or a lock held for minutes into a UserError."""
        try:
            yield
        except (sqlite3.Error, msgspec.DecodeError, UnicodeDecodeError) as error:
            raise UserError(
                f"{self.path}: {error}; find damage with: python -m semacdr.stages.answers check"
            ) from error

    def get(self, keys: Sequence[bytes]) -> dict[bytes, Answer]:
        """The answers of those keys that have one."""
        found: dict[bytes, Answer] = {}
        with self._wrap_errors():
            for some in batched(keys, 500):
                marks = ",".join("?" * len(some))
                rows = self.db.execute(f"SELECT key, answer FROM answers WHERE key IN ({marks})", some)
                found |= {key: self.decode(answer) for key, answer in rows}
        return found

    def put(self, key: bytes, model: str, weights: str, answer: Answer) -> bool:
        """Store an answer, unless the key has one (returns False). It survives a kill once this returns."""
        row = (key, model, weights, int(time.time()), msgspec.json.encode(answer))
        with self._wrap_errors():
            new = self.db.execute(_PUT, row).rowcount == 1
            if time.monotonic() - self.synced > 1.0:
                self.synced = time.monotonic()
                self.db.execute("PRAGMA wal_checkpoint(PASSIVE)")
        return new

    def add(self, rows: Iterable[tuple]) -> int:
        """Add (key, model, weights, created, answer as JSON) rows in one transaction; returns how many were new."""
        before = self.db.total_changes
        with self._wrap_errors():
            self.db.execute("BEGIN IMMEDIATE")
            try:
                self.db.executemany(_PUT, rows)
            except BaseException:
                self.db.execute("ROLLBACK")
                raise
            self.db.execute("COMMIT")
        return self.db.total_changes - before

    def rows(self, model: str | None = None) -> Iterator[tuple]:
        """Yield all rows, or those of a model, sorted by key."""
        where, given = ("WHERE model = ?", (model,)) if model else ("", ())
        with self._wrap_errors():
            yield from self.db.execute(f"SELECT {', '.join(_COLUMNS)} FROM answers {where} ORDER BY key", given)

    def some(self, keys: Iterable[bytes]) -> Iterator[tuple]:
        """Yield the rows of these keys, sorted by key."""
        columns = ", ".join(_COLUMNS)
        with self._wrap_errors():
            for part in batched(sorted(set(keys)), 500):
                marks = ",".join("?" * len(part))
                yield from self.db.execute(f"SELECT {columns} FROM answers WHERE key IN ({marks}) ORDER BY key", part)

    def models(self) -> list[dict]:
        """For each model and weights: answers, tokens, first and last time."""
        total = "COALESCE(SUM(json_extract(answer, '$.{}')), 0)"
        query = (
            f"SELECT model, weights, COUNT(*), {total.format('prompt_tokens')}, {total.format('completion_tokens')},"
            " MIN(created), MAX(created) FROM (SELECT *, CAST(answer AS TEXT) AS answer FROM answers)"
            " GROUP BY model, weights ORDER BY model, weights"
        )
        names = ("model", "weights", "answers", "prompt_tokens", "completion_tokens", "first", "last")
        with self._wrap_errors():
            return [dict(zip(names, row, strict=True)) for row in self.db.execute(query)]

    def check(self) -> list[str]:
        """What is wrong with the store: damage of the file, answers that cannot be read. Empty if nothing is wrong."""
        wrong = []
        try:
            wrong += [row[0] for row in self.db.execute("PRAGMA integrity_check") if row[0] != "ok"]
            for key, *_, answer in self.rows():
                try:
                    self.decode(answer)
                except msgspec.DecodeError as error:
                    wrong.append(f"answer {key.hex()}: {error}")
        except (sqlite3.DatabaseError, UserError) as error:
            wrong.append(str(error))
        return wrong

    def close(self) -> None:
        """Write everything into the one file, as far as other processes allow, and close it."""
        with contextlib.suppress(sqlite3.Error):  # stored answers are safe without it
            self.db.execute("PRAGMA busy_timeout=1000")
            self.db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        self.db.close()

    def __enter__(self) -> "AnswerStore":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def export_answers(rows: Iterable[tuple], path: Path) -> int:
    """Write rows of a store as Parquet (table `answers`); returns their number."""
    schema = pa.schema(tables.CONTRACTS["answers"].items())
    path.parent.mkdir(parents=True, exist_ok=True)
    count = 0
    with pq.ParquetWriter(path, schema, compression="zstd", compression_level=19) as writer:
        for some in batched(rows, 20_000):
            *columns, answers = zip(*some, strict=True)
            columns.append(tuple(bytes(answer).decode("utf-8", "replace") for answer in answers))
            writer.write_table(pa.table([pa.array(c, f.type) for c, f in zip(columns, schema, strict=True)], schema))
            count += len(some)
    return count


def import_answers(store: AnswerStore, path: Path) -> int:
    """Add the answers of a Parquet file, or of another store; returns how many were new."""
    if path.suffix == ".parquet":
        table, _ = tables.read(path, "answers")
        rows = (
            (key, model, weights, created, answer.encode())
            for batch in table.to_batches(max_chunksize=20_000)
            for key, model, weights, created, answer in zip(*(c.to_pylist() for c in batch.columns), strict=True)
        )
        return store.add(_readable(rows, path))
    if not path.exists():
        raise UserError(f"{path}: no such store of answers")
    with AnswerStore(path) as other:
        return store.add(_readable(other.rows(), path))


def _readable(rows: Iterable[tuple], path: Path) -> Iterator[tuple]:
    """Yield the rows; a UserError if one holds no answer, before it gets into a store."""
    decode = msgspec.json.Decoder(Answer).decode
    for row in rows:
        try:
            decode(row[-1])
        except msgspec.DecodeError as error:
            raise UserError(f"{path}: answer {row[0].hex()} cannot be read: {error}; nothing was imported") from error
        yield row

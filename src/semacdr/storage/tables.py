"""The Parquet tables that stages exchange. Each has a contract, its columns and their types, checked on write and read.

The metadata of a file name the release of its data, with a note if the release is the simulated sample, a digest of its
rows, and the digests of the tables from which it was made. A stage passes on the metadata of the tables that it reads.
"""

import hashlib
import io
from collections.abc import Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from semacdr.errors import UserError
from semacdr.storage import files

I32, I64, F32, F64, TEXT = pa.int32(), pa.int64(), pa.float32(), pa.float64(), pa.string()
SAMPLE_NOTE = "simulated users, packaged sample: not Amazon data"

CONTRACTS: dict[str, dict[str, pa.DataType | None]] = {
    "interactions": {
        "user": I32,
        "item": I32,
        "domain": TEXT,
        "timestamp": I64,
    },  # in each user's order; seconds since 1970
    "users": {"user": I32, "user_id": TEXT},
    "items": {
        "item": I32,
        "item_id": TEXT,
        "domain": TEXT,
        "title": TEXT,
        "brand": TEXT,
        "categories": pa.list_(TEXT),
        "description": TEXT,
    },
    # Values of the category columns that a table of items has, in the order of the config; none for Amazon's releases.
    "attributes": {"item": I32, "name": TEXT, "value": TEXT},  # one row per value, sorted by item
    # Events of the target domain. Role: train, valid, test, hidden (events of cold users except the test event),
    # thinned (training events that are left out); in a split by time also later: since the date of validation, but not
    # held out; visible to predictions of later events.
    "split": {"user": I32, "item": I32, "role": TEXT},
    # One row for each event of role valid or test. No negative is an item of the user, whatever its role.
    "candidates": {"user": I32, "split": TEXT, "positive": I32, "negatives": pa.list_(I32)},
    "snippets": {"item": I32, "text": TEXT},  # from training reviews; items without snippets have no row
    "inner": {"item": I32, "text": TEXT, "provenance": TEXT},
    "agnostic": {"item": I32, "category": TEXT, "subcategory": TEXT, "provenance": TEXT},
    "answers": {
        "key": pa.binary(32),
        "model": TEXT,
        "weights": TEXT,
        "created": I64,
        "answer": TEXT,
    },  # of a language model
    "embeddings": {"item": I32, "vector": None},  # fixed_size_list[f32] of the encoder's width
    "vectors": {
        "item": I32,
        "domain": TEXT,
        "space": TEXT,
        "vector": None,
    },  # of a trained model
    "gate_weights": {"side": TEXT, "id": I32, "events": I32, "weight": F32},  # side: user, item; 1 is collaborative
    "adjacency": {"row": I32, "column": I32, "weight": F32},  # sorted by row, column
    # Sorted by domain (source first), then user; each from the user's training events of the domain alone. Weights over
    # the terms of the vocabulary; the metadata hold their names as JSON (`facets`).
    "personas": {
        "user": I32,
        "domain": TEXT,
        "events": I32,
        "confidence": F32,
        "weights": None,
        "text": TEXT,
        "provenance": TEXT,
    },
    "persona_vectors": {"user": I32, "domain": TEXT, "vector": None},  # of the texts of personas: the same rows
    # The nearest source users of a target user; place 1 is the nearest.
    "communities": {"user": I32, "place": I32, "neighbour": I32, "similarity": F32},
    "ranks": {"user": I32, "split": TEXT, "ranking": TEXT, "rank": F64},  # only users with an event of the split
    "recommendations": {"user": I32, "place": I32, "item": I32, "score": F32},  # at the test event; place 1 is the best
}
# Contracts whose readers need sorted rows, which is checked: the columns, and whether rows must be distinct in them.
SORTED = {
    "adjacency": (("row", "column"), True),
    "interactions": (("user", "timestamp"), False),
    "communities": (("user", "place"), True),
}


def write(table: pa.Table, path: Path | str, contract: str, meta: Mapping[str, str]) -> dict[str, str]:
    """Write a table under its contract, atomically; the same rows and metadata give the same bytes.

    Returns the metadata as they are in the file: `meta`, the note on simulated data, and the digest of the rows.
    A UserError names the file if it cannot be written.
    """
    columns = CONTRACTS[contract]
    schema = pa.schema([pa.field(name, kind or table.schema.field(name).type) for name, kind in columns.items()])
    table = table.select(list(columns)).cast(schema).combine_chunks().replace_schema_metadata(None)
    meta = _noted(dict(meta)) | {"digest": digest(table)}
    with files.replacing(path) as temporary:
        pq.write_table(table.replace_schema_metadata(meta), temporary, compression="zstd", write_page_checksum=True)
    return meta


def read(path: Path | str, contract: str) -> tuple[pa.Table, dict[str, str]]:
    """The table at `path`, with the columns of its contract in their order, and its metadata.

    A UserError names a file that is missing or damaged, or that breaks the contract: a column is missing or has
    another type, a text is not UTF-8, or the rows of a sorted table are out of order.
    """
    try:
        table = pq.read_table(path, page_checksum_verification=True)
        table.validate(full=True)  # else a text that is not UTF-8 raises wherever it is first decoded
        meta = {key.decode(): value.decode() for key, value in (table.schema.metadata or {}).items()}
    except FileNotFoundError as error:
        raise UserError(f"{path}: there is no such file; it should be the {contract} table") from error
    except (OSError, pa.ArrowException, ValueError) as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        message = f"{path}: cannot be read as the {contract} table ({reason}); delete it and run its stage again"
        raise UserError(message) from error
    for name, kind in CONTRACTS[contract].items():
        if name not in table.column_names:
            raise UserError(f"{path}: the {contract} table needs a column '{name}'; it has {table.column_names}")
        found = table.schema.field(name).type
        if not (_is_vector(found) if kind is None else found == kind):
            wanted = kind or "fixed_size_list<float>"
            raise UserError(f"{path}: column '{name}' of the {contract} table must be {wanted}, it is {found}")
    table = table.select(list(CONTRACTS[contract]))
    names, distinct = SORTED.get(contract, ((), False))
    if names and not _is_sorted([table[name].to_numpy() for name in names], distinct):
        message = f"{path}: the rows of the {contract} table are not sorted by {' and '.join(names)}"
        message += ", or one occurs twice" * distinct
        raise UserError(f"{message}; delete it and run its stage again")
    return table, {name: value for name, value in meta.items() if name != "ARROW:schema"}


def _is_vector(kind: pa.DataType) -> bool:
    return bool(pa.types.is_fixed_size_list(kind) and kind.value_type == F32)


def _is_sorted(columns: Sequence[np.ndarray], distinct: bool) -> bool:
    """Whether the rows increase, first by the first column, then by the second, and so on; `distinct`: strictly."""
    equal = np.ones(max(len(columns[0]) - 1, 0), bool)
    for values in columns:
        if (equal & (values[1:] < values[:-1])).any():
            return False
        equal &= values[1:] == values[:-1]
    return not (distinct and equal.any())


def digest(table: pa.Table) -> str:
    """A digest of a table's schema and rows: 16 hexadecimal digits."""
    sha256 = hashlib.sha256()
    sink = pa.PythonFile(_HashSink(sha256), mode="w")
    with pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table)
    return sha256.hexdigest()[:16]


class _HashSink(io.RawIOBase):
    """A file that hashes what is written to it and keeps nothing."""

    def __init__(self, sha256: "hashlib._Hash") -> None:
        self.sha256 = sha256

    def writable(self) -> bool:
        return True

    def write(self, data: Any) -> int:
        self.sha256.update(data)
        return len(data)


def made_from(**metas: Mapping[str, str]) -> dict[str, str]:
    """Metadata for a table that was made from other tables: made_from_<name> with the digest of each."""
    return {f"made_from_{name}": meta["digest"] for name, meta in metas.items() if "digest" in meta}


def check_made_from(path: Path | str, meta: Mapping[str, str], stage: str, **metas: Mapping[str, str]) -> None:
    """Raise a UserError if the table at `path` was made from other tables than those given; `stage` makes it.

    `meta` is the table's metadata, `metas` that of the given tables by name. A digest that is missing is not checked.
    """
    for name, wanted in made_from(**metas).items():
        if meta.get(name, wanted) != wanted:
            table = name.removeprefix("made_from_")
            raise UserError(f"{path}: was made from another {table} table than the one given; run stage {stage} again")


def vectors(rows: np.ndarray) -> pa.FixedSizeListArray:
    """The rows of a matrix as a column of vectors."""
    return pa.FixedSizeListArray.from_arrays(pa.array(rows.ravel()), rows.shape[1])


def matrix(column: pa.ChunkedArray) -> np.ndarray:
    """The matrix of a column of vectors."""
    return column.combine_chunks().flatten().to_numpy(zero_copy_only=False).reshape(len(column), -1)


class Rows(Sequence[dict[str, Any]]):
    """The rows of a table as dicts, converted one block at a time: a million rows at once would take gigabytes."""

    def __init__(self, table: pa.Table, block: int = 4096) -> None:
        self.table, self.block = table, block
        self._rows = lru_cache(4)(lambda number: table.slice(number * block, block).to_pylist())

    def __len__(self) -> int:
        return len(self.table)

    def __getitem__(self, index: int) -> dict[str, Any]:  # type: ignore[override] # no slices
        if not 0 <= index < len(self.table):
            raise IndexError(index)
        return self._rows(index // self.block)[index % self.block]


def column(rows: Sequence[dict[str, Any]], name: str) -> list[Any]:
    """All values of a column of rows."""
    return rows.table[name].to_pylist() if isinstance(rows, Rows) else [row[name] for row in rows]


def _noted(meta: dict[str, str]) -> dict[str, str]:
    return meta | ({"note": SAMPLE_NOTE} if meta.get("release") == "sample" else {})

"""Export the vectors of a run: as Parquet for other programs, and as an index of inner products."""

import json
import logging
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pyarrow.parquet as pq

from semacdr.errors import UserError
from semacdr.serving.recommender import Recommender
from semacdr.storage import files

ITEMS, USERS, INDEX, ABOUT = "items.parquet", "users.parquet", "index.faiss", "export.json"


def export(recommender: Recommender, folder: Path, index: bool = False) -> dict[str, Any]:
    """Write the vectors of target items and of known users to a folder; returns what export.json says.

    The inner product of a user's and an item's vector is the score, up to the rounding of float32. A UserError for a
    model whose scores are no inner products; for an `index` also if faiss is not installed.
    """
    if index:
        _faiss()
    items = recommender.item_vectors()
    users = recommender.user_vectors(users="all") if recommender.users() else None
    about = {
        "model": recommender.model,
        "as_of": recommender.as_of,
        "source": recommender.source,
        "target": recommender.target,
        "dimension": items["vector"].dtype.shape[0],  # type: ignore[attr-defined]
        "items": len(items),
        "users": 0 if users is None else len(users),
        "provenance": recommender.meta,
    }
    _write(items, folder / ITEMS, recommender.meta)
    if users is not None:
        _write(users, folder / USERS, recommender.meta)
    if index:
        write_index(items["vector"].to_numpy(), folder / INDEX)
    files.write_json(folder / ABOUT, about)
    return about


def write_index(vectors: np.ndarray, path: Path) -> None:
    """Write an exact index of inner products (faiss IndexFlatIP) of (items, d) float32; item n is row n."""
    faiss = _faiss()
    index = faiss.IndexFlatIP(vectors.shape[1])
    index.add(np.ascontiguousarray(vectors, np.float32))
    with files.replacing(path) as temporary:
        temporary.write_bytes(faiss.serialize_index(index).tobytes())


def _write(table: pl.DataFrame, path: Path, meta: dict[str, str]) -> None:
    content = table.to_arrow().replace_schema_metadata({"semacdr": json.dumps(meta, sort_keys=True)})
    with files.replacing(path) as temporary:
        pq.write_table(content, temporary)


def _faiss() -> Any:
    logging.getLogger("faiss").setLevel(logging.WARNING)  # it logs which build it tries
    try:
        import faiss
    except ModuleNotFoundError as error:
        raise UserError("an index needs faiss: pip install 'semacdr[index]'") from error
    return faiss

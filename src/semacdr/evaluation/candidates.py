"""The stored candidates of sampled ranking, which stage split draws once."""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from semacdr.data.history import History
from semacdr.errors import UserError
from semacdr.storage import tables

DIRECTION = ("release", "scenario", "source", "target")


def load_candidates(path: Path, history: History, split: str) -> np.ndarray:
    """(users, negatives) stored negatives of a split, numbered in the target domain; zeros for users without any.

    A UserError if they are of another direction or split, or are not target items.
    """
    table, meta = tables.read(path, "candidates")
    for name in DIRECTION:
        if name in meta and meta[name] != history.meta.get(name):
            raise UserError(f"{path}: its {name} is '{meta[name]}', but the split's is '{history.meta.get(name)}'")
    tables.check_made_from(path, meta, "split", split=history.meta)
    counts = np.unique(pc.list_value_length(table["negatives"]).to_numpy())
    if len(counts) != 1:
        raise UserError(f"{path}: users have different numbers of negatives; run stage split again")
    table = table.filter(pc.equal(table["split"], split))
    users, last = history.ranked(split)
    if not np.array_equal(table["positive"].to_numpy(), history.item[last]):
        raise UserError(f"{path}: its positives are not the {split} events of this split; run stage split again")
    negatives = _values(table["negatives"]).reshape(len(table), int(counts[0])) - history.target_items.start
    if len(negatives) and not (negatives.min() >= 0 and negatives.max() < len(history.target_items)):
        raise UserError(f"{path}: a negative is not an item of the target domain; run stage split again")
    stored = np.zeros((history.users, int(counts[0])), np.int64)
    stored[users] = negatives
    return stored


def _values(column: pa.ChunkedArray) -> np.ndarray:
    """All values of a column of lists."""
    return column.combine_chunks().flatten().to_numpy()

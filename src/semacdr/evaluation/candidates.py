"""The stored candidates that sampled ranking looks at, drawn once by stage split."""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute

from semacdr.data.history import History
from semacdr.errors import UserError
from semacdr.storage import tables


def load_candidates(path: Path, history: History, split: str) -> np.ndarray:
    """(users, negatives) stored negatives of a split, numbered within the target domain; of who has none, zeros."""
    table, meta = tables.read(path, "candidates")
    table = table.filter(pa.compute.equal(table["split"], split))
    users, last = history.ranked(split)
    if meta.get("target") != history.meta["target"] or not np.array_equal(
        table["positive"].to_numpy(), history.item[last]
    ):
        raise UserError(f"{path}: its positives are not the {split} events of this split; run the split stage again")
    negatives = table["negatives"].combine_chunks().flatten().to_numpy().reshape(len(table), -1)
    stored = np.zeros((history.users, negatives.shape[1]), np.int64)
    stored[users] = negatives - history.target_items.start
    return stored

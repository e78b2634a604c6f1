"""The protocol of sampled ranking, read from candidates.parquet: how many negatives each test item is ranked among."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import pyarrow.compute as pc

from semacdr.errors import UserError
from semacdr.evaluation.runs import Run
from semacdr.storage import tables

Direction = tuple[str, str]  # source and target


def stored_negatives(paths: Sequence[Path], runs: Sequence[Run] = ()) -> dict[Direction, int]:
    """The number of stored negatives by direction, from the candidates.parquet of each.

    A UserError where a table's rows differ in that number, or where runs were ranked on another table.
    """
    found: dict[Direction, int] = {}
    for path in paths:
        table, metadata = tables.read(path, "candidates")
        direction = metadata.get("source", ""), metadata.get("target", "")
        counts = pc.unique(pc.list_value_length(table["negatives"])).to_pylist()
        if len(counts) != 1:
            raise UserError(f"{path}: its rows hold {sorted(counts)} negatives, not one number; run stage split again")
        for run in runs:
            if run.direction == direction:
                tables.check_made_from(run.path, run.metadata, "rank", candidates=metadata)
        found[direction] = counts[0]
    return found


def negatives_phrase(negatives: Mapping[Direction, int], directions: Sequence[Direction]) -> str:
    """The number of stored negatives in these directions as text: '100 stored negatives', or without a number."""
    counts = dict.fromkeys(negatives[direction] for direction in directions if direction in negatives)
    return f"{' or '.join(map(str, counts))} stored negatives" if counts else "stored negatives"

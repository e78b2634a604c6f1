"""The main metric of an experiment, NDCG@10 of full ranking, read from the table that stage compare wrote."""

from collections.abc import Sequence
from pathlib import Path

from semacdr.errors import UserError
from semacdr.storage import tsv

CUTOFF = 10  # of the metrics in comparisons
EVENTS = {"valid": "validation", "test": "test"}  # names of a split's events in texts, by the column split
COLUMNS = ("source", "target", "ranking", "metric", "k", "variant", "mean", "low", "high", "release")


def read_main_metric(path: Path, needs: Sequence[str] = ()) -> list[dict[str, str]]:
    """The rows of the main metric, of the warm users where some are cold; each has a `split`.

    A UserError where the table has no such row, or lacks a column of COLUMNS or `needs`.
    """
    rows = [
        row | {"split": row.get("split") or "test"}
        for row in tsv.read(path, (*COLUMNS, *needs))
        if (row["ranking"], row["metric"], row["k"]) == ("full", "ndcg", str(CUTOFF)) and row.get("group") != "cold"
    ]
    if not rows:
        raise UserError(f"{path}: holds no NDCG@{CUTOFF} of full ranking; give a table of stage compare")
    return rows

"""The main number of an experiment, read from the table that stage compare wrote: NDCG@10 of full ranking."""

from pathlib import Path

from semacdr.errors import UserError
from semacdr.storage import tsv

EVENTS = {"valid": "validation", "test": "test"}  # as they are called to readers, by the table's column split
COLUMNS = ("source", "target", "ranking", "metric", "k", "variant", "mean", "low", "high", "release")


def read(path: Path) -> list[dict[str, str]]:
    """The rows of full-ranking NDCG@10, where some users are cold those of the warm ones; each has a `split`."""
    rows = [
        row | {"split": row.get("split") or "test"}
        for row in tsv.read(path, COLUMNS)
        if (row["ranking"], row["metric"], row["k"]) == ("full", "ndcg", "10") and row.get("group") != "cold"
    ]
    if not rows:
        raise UserError(f"{path}: holds no NDCG@10 of full ranking")
    return rows

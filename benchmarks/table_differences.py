"""Compare NDCG@10 of two result tables by ranking: the smallest, largest and mean difference over the rows.

python benchmarks/table_differences.py docs/results/kitchen_food.tsv docs/results/kitchen_food_again.tsv
"""

import sys
from pathlib import Path

import polars as pl

ROW = ["source", "model", "variant", "ranking", "metric", "k"]


def differences(first: Path, second: Path) -> pl.DataFrame:
    """Columns ranking, low, high, mean: the second table's means minus the first's."""
    tables = (pl.read_csv(path, separator="\t", infer_schema_length=None) for path in (first, second))
    one, other = (table.filter(metric="ndcg", k=10) for table in tables)
    change = pl.col("mean_second") - pl.col("mean")
    rows = one.join(other, on=ROW, suffix="_second").group_by("ranking")
    return rows.agg(low=change.min(), high=change.max(), mean=change.mean()).sort("ranking")


if __name__ == "__main__":
    print(differences(Path(sys.argv[1]), Path(sys.argv[2])))

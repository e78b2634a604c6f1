"""Count the items that have exactly the subcategories of another item of their domain, and the ordered pairs they form.

python benchmarks/twins.py results/kitchen_food
"""

import sys
from pathlib import Path

import polars as pl


def twins(scenario: Path) -> pl.DataFrame:
    """Columns domain, items (with a twin) and pairs."""
    rows = pl.read_parquet(scenario / "semantics/agnostic.parquet").sort("item", "category", "subcategory")
    places = rows.group_by("item").agg(pl.struct("category", "subcategory").alias("places"))
    items = pl.read_parquet(scenario / "items.parquet").join(places, on="item", how="left")
    same = items.group_by("domain", "places").len("items").filter(pl.col("items") > 1)
    pairs = (pl.col("items") * (pl.col("items") - 1)).sum()
    return same.group_by("domain").agg(pl.col("items").sum(), pairs=pairs).sort("domain")


if __name__ == "__main__":
    print(twins(Path(sys.argv[1])))

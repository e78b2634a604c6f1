"""Compute the tests that docs/results/baselines.md derives from the stored tables of experiment `baselines`.

    python benchmarks/baseline_tests.py

Prints: Holm's correction over the eight comparisons of the enhanced pair with their hosts; the comparisons whose 95 %
interval excludes zero only until the variance of seeds (std² / 5 of both systems) is added; and Friedman's p over the
mean ranks of kitchen_food and of the sample, each over its two directions.
"""

from pathlib import Path

import polars as pl
from scipy.stats import friedmanchisquare

from semacdr.evaluation.significance import holm

RESULTS = Path(__file__).parents[1] / "docs/results"
SEEDS = 5
NORMAL = 1.96  # half the width of a 95 % interval in standard deviations


def ndcg(name: str) -> pl.DataFrame:
    """The rows of NDCG@10 of a stored table."""
    rows = pl.read_csv(RESULTS / f"{name}.tsv", separator="\t", infer_schema_length=None)
    return rows.filter(metric="ndcg", k=10)


def enhanced_pair() -> pl.DataFrame:
    """p-values of the enhanced C2DSR and Tri-CDR against their hosts, corrected over all eight comparisons."""
    tables = [ndcg(f"baselines_{host}").drop_nulls("difference") for host in ("c2dsr", "tri_cdr")]
    rows = pl.concat(tables, how="vertical_relaxed")
    corrected = {name: pl.Series(holm(rows[name].to_list())) for name in ("p_bootstrap", "p_wilcoxon")}
    return rows.select("source", "ranking", "variant", **corrected)


def fragile(name: str) -> pl.DataFrame:
    """Comparisons whose interval excludes zero only without the variance of seeds, with the wider half-width."""
    rows = ndcg(name).with_columns(pl.col("std").fill_null(0.0))
    first = rows.filter(pl.col("difference").is_null()).select("source", "ranking", first="std")
    low, high = pl.col("difference_low"), pl.col("difference_high")
    seeds = (pl.col("std") ** 2 + pl.col("first") ** 2) / SEEDS
    half = NORMAL * (((high - low) / (2 * NORMAL)) ** 2 + seeds).sqrt()
    rows = rows.drop_nulls("difference").join(first, on=["source", "ranking"]).with_columns(half=half)
    certain = (low > 0) | (high < 0)
    return rows.filter(certain & (pl.col("difference").abs() <= pl.col("half"))).select(
        "source", "ranking", "variant", "difference", "half"
    )


def friedman() -> float:
    """Friedman's p-value over the two scenarios: all systems have the same mean rank by full-ranking NDCG@10."""
    place = pl.col("mean").rank(descending=True).over("source")
    ranks = [
        ndcg(name).filter(ranking="full").with_columns(place=place).group_by("variant").agg(pl.mean("place"))
        for name in ("baselines", "sample_baselines")
    ]
    return float(friedmanchisquare(*zip(*(table.sort("variant")["place"] for table in ranks), strict=True)).pvalue)


def main() -> None:
    with pl.Config(tbl_rows=-1, tbl_hide_dataframe_shape=True, tbl_hide_column_data_types=True):
        print("The enhanced pair against its hosts, Holm-corrected p:", enhanced_pair(), sep="\n")
        for name in ("baselines", "baselines_plus", "baselines_sasrec"):
            print(f"{name}: intervals that include zero once the variance of seeds is added:", fragile(name), sep="\n")
    print(f"Friedman over scenarios: p = {friedman():.3f}")


if __name__ == "__main__":
    main()

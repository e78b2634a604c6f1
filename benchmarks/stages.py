"""Seconds and peak memory of each stage of a scenario, from what Snakemake measured while it ran.

    python benchmarks/stages.py kitchen_food

Reads logs/benchmarks/<scenario>/; the newest run of each job counts.
"""

import argparse
import re
from pathlib import Path

import polars as pl


def stage_of(path: Path) -> str:
    """The stage of a job's file, and for train and rank the system: train_seed1.tsv under sasrec/ is 'train sasrec'."""
    stage = re.sub(r"_seed\d+$", "", path.stem)
    return f"{stage} {path.parent.name}" if stage in ("train", "rank") else stage


def main() -> None:
    cli = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    cli.add_argument("scenario")
    cli.add_argument("--logs", type=Path, default=Path("logs/benchmarks"))
    args = cli.parse_args()
    rows = []
    for path in sorted((args.logs / args.scenario).rglob("*.tsv")):
        job = pl.read_csv(path, separator="\t", null_values="NA").row(0, named=True)
        rows.append({"stage": stage_of(path), "seconds": job["s"], "peak_mb": job["max_rss"], "cpu": job["cpu_time"]})
    table = pl.DataFrame(rows).group_by("stage", maintain_order=True)
    table = table.agg(
        jobs=pl.len(),
        seconds_a_job=pl.col("seconds").mean().round(1),
        cpu_seconds=pl.col("cpu").sum().round(1),
        peak_mb=pl.col("peak_mb").max().round(0),
    )
    print(table.write_csv(separator="\t"), end="")


if __name__ == "__main__":
    main()

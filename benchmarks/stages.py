"""Print seconds and peak memory of each stage of a scenario, as Snakemake measured them.

    python benchmarks/stages.py kitchen_food

Reads logs/benchmarks/<scenario>/; the newest run of each job counts.
"""

import argparse
from pathlib import Path

from semacdr.reporting.page.record import jobs


def main() -> None:
    cli = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    cli.add_argument("scenario")
    cli.add_argument("--logs", type=Path, default=Path("logs/benchmarks"))
    args = cli.parse_args()
    print("stage", "jobs", "seconds_a_job", "cpu_seconds", "peak_mb", sep="\t")
    for job in jobs(args.logs / args.scenario):
        peak = "" if job.peak_mb is None else f"{job.peak_mb:.0f}"
        print(job.stage, job.jobs, f"{job.seconds / job.jobs:.1f}", f"{job.cpu_seconds:.1f}", peak, sep="\t")


if __name__ == "__main__":
    main()

"""Report: one page to read and to pass on, of what was run on what, what came out, and for whom.

Reads   of a scenario: statistics.tsv, preprocess.tsv, interactions.parquet, items.parquet, both split.parquet; what
        stage semantics made; metrics.tsv; of each run of it settings.json, cost.json and history.tsv; of the runs whose
        recommendations are shown ranks.parquet and recommendations.parquet. Optionally experiments (TSV), figures (PNG
        with the TSV beside it), Snakemake's measurements (--benchmarks) and the paper's table.
Writes  --output, report.html: a page that needs nothing else, no network either.

What is not given has no section; the page says why. The page takes the commit from git, where the code lies in a
checkout, and versions from the environment that it is made in.
"""

import argparse
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from semacdr.data.history import load_history
from semacdr.errors import UserError
from semacdr.reporting.markdown import add_tuning, told_elsewhere, told_unequal
from semacdr.reporting.page import experiments, figures, item_semantics, people, record, results, training
from semacdr.reporting.page.catalogue import Catalogue
from semacdr.reporting.page.render import render
from semacdr.runtime import checkout
from semacdr.runtime.cli import log, parser, run
from semacdr.stages.metrics import read_paper
from semacdr.storage import tables, tsv


def arguments(argv: Sequence[str] | None) -> argparse.Namespace:
    """The stage's command line."""
    cli = parser(__doc__)
    for name, words in {
        "statistics": "statistics.tsv", "steps": "preprocess.tsv", "interactions": "", "items": "", "taxonomy": "",
        "inner": "", "agnostic": "", "filed": "semantics.tsv", "asked": "cost.json of stage semantics",
        "metrics": "metrics.tsv",
    }.items():  # fmt: skip
        cli.add_argument(f"--{name}", type=Path, required=True, help=words or None)
    cli.add_argument("--splits", type=Path, nargs=2, required=True, help="split.parquet of both directions")
    cli.add_argument("--runs", type=Path, nargs="+", required=True, help="folders of the table's training runs")
    many = {"nargs": "*", "type": Path, "default": []}
    cli.add_argument("--shown", **many, help="folders of runs whose recommendations are shown")
    cli.add_argument("--experiments", **many, help="TSVs of the stages compare and cold_start")
    cli.add_argument("--figures", **many, help="PNGs, each with its TSV beside it")
    cli.add_argument("--benchmarks", type=Path, help="folder of what Snakemake measured of the scenario's jobs")
    cli.add_argument("--paper", type=Path, help="the numbers that the paper prints (TSV)")
    add_tuning(cli)
    cli.add_argument("--people", type=int, default=12, help="shown in each direction")
    cli.add_argument("--events", type=int, default=30, help="of a person's history that are shown, the latest")
    cli.add_argument("--examples", type=int, default=6, help="items of each domain that are shown with their texts")
    cli.add_argument("--seed", type=int, default=0, help="of the choice of people and examples")
    cli.add_argument("--output", type=Path, required=True, help="report.html")
    return cli.parse_args(argv)


def content(args: argparse.Namespace) -> dict:
    """By name all that the templates show."""
    catalogue = Catalogue(args.items, args.agnostic)
    meta = tables.read(args.items, "items")[1]
    paper = read_paper(args.paper) if args.paper else {}
    runs = [training.load(folder) for folder in args.runs]
    made_of = item_semantics.made(
        catalogue, args.taxonomy, args.inner, args.filed, args.asked, args.examples, args.seed
    )
    jobs = record.jobs(args.benchmarks)
    return {
        "scenario": meta["scenario"], "release": meta["release"],
        "note": tables.SAMPLE_NOTE if meta["release"] == "sample" else "",
        "statistics": tsv.read(args.statistics, ("domain", "overlapped_users", "items", "interactions", "avg_len")),
        "steps": tsv.read(args.steps, ("domain", "step", "count", "users", "items")),
        "results": results.directions(args.metrics, paper),
        "unequal": told_unequal(args), "elsewhere": told_elsewhere(args),
        "people": people_of(args, catalogue),
        "made": made_of,
        "experiments": [experiments.experiment(path) for path in args.experiments],
        "figures": [figures.figure(path) for path in args.figures],
        "training": training.trained(runs),
        "jobs": jobs,
        "code": checkout.code(), "versions": record.versions(), "machine": record.machine(),
        "money": record.money(made_of.cost, made_of.taxonomy_cost),
        "day": datetime.now(UTC).date().isoformat(),
        "seed": args.seed,
        "left_out": left_out(args, jobs),
    }  # fmt: skip


def people_of(args: argparse.Namespace, catalogue: Catalogue) -> list[people.Direction]:
    """The people of each direction of which there are recommendations; those of one direction share one seed."""
    shown, found = [people.shown(folder) for folder in args.shown], []
    for split in args.splits if shown else ():
        history = load_history(args.interactions, args.items, split)
        pair = history.meta["source"], history.meta["target"]
        systems = [system for system in shown if system.run.direction == pair]
        if len({system.run.seed for system in systems}) > 1:
            raise UserError(
                f"--shown: the runs of {' to '.join(pair)} have more than one seed; give one of each system"
            )
        if systems:
            given = (catalogue, systems, args.people, args.events, args.seed)
            found.append(people.direction(history, args.interactions, *given))
    return found


def left_out(args: argparse.Namespace, jobs: Sequence[record.Job]) -> list[tuple[str, str]]:
    """What the page has no section of, and why."""
    parts = [
        (args.shown, "People", "no recommendations were given; section report.systems of the config names systems"),
        (args.experiments, "Experiments", "none was asked for: each costs trainings; report.experiments names them"),
        (args.figures, "Figures", "none was asked for; report.figures names them"),
        (args.paper, "The paper's numbers", "its table was not given"),
        (jobs, "Time by stage", "there are no measurements of Snakemake (logs/benchmarks)"),
    ]
    return [(title, why) for there, title, why in parts if not there]


def main(argv: Sequence[str] | None = None) -> None:
    """Run the stage."""
    args = arguments(argv)
    page = render(content(args))
    tsv.write(args.output, page)
    log.info("%s: %.1f MB", args.output, len(page.encode()) / 1e6)


if __name__ == "__main__":
    run(main)

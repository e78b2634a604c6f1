"""Report: one HTML page of a scenario: its data, results, experiments, training, and example users.

Reads   from a scenario: statistics.tsv, preprocess.tsv, interactions.parquet, items.parquet, both split.parquet; the
        outputs of stage semantics; metrics.tsv, summary.tsv; settings.json, cost.json and history.tsv from the folders
        of its runs (--runs); ranks.parquet and recommendations.parquet from the folders of the runs whose
        recommendations are shown (--shown). Optionally both candidates.parquet, experiments (TSV), figures (PNG, and
        the TSV of the same name), Snakemake's measurements (--benchmarks) and the paper's table. If a shown system
        reads personas: personas.parquet and communities.parquet from the folders of --personas, and
        gate_weights.parquet of its runs (--gates).
Writes  --output, report.html: a page that needs no other file and no network.

Parts without input are left out, and the page says why. The commit is that of the git checkout that holds the code, if
any; versions are those of the environment that makes the page.
"""

import argparse
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from semacdr.data.history import History, load_history
from semacdr.errors import UserError
from semacdr.evaluation.costs import RunRecord
from semacdr.evaluation.lead import RunKey, read_lead
from semacdr.evaluation.protocol import negatives_phrase, stored_negatives
from semacdr.evaluation.validation import Plateau
from semacdr.reporting.advice import Records, next_steps, training_sentences
from semacdr.reporting.findings import findings
from semacdr.reporting.page import figures, item_semantics, record
from semacdr.reporting.page.catalogue import Catalogue
from semacdr.reporting.page.experiments import read_experiment
from semacdr.reporting.page.persona_tables import direction_of
from semacdr.reporting.page.personas import DirectionPersonas, direction_personas, reads_personas
from semacdr.reporting.page.recommenders import Recommender, load_recommender
from semacdr.reporting.page.render import render
from semacdr.reporting.page.results import names_by_run, result_tables
from semacdr.reporting.page.training import TrainingRun, load_training_run, trained_systems
from semacdr.reporting.page.users import DirectionUsers, direction_users
from semacdr.reporting.paper import PAPER_NEGATIVES, read_paper
from semacdr.reporting.plateau_notes import plateau_notes
from semacdr.reporting.tuning_notes import tuning_notes
from semacdr.runtime import checkout
from semacdr.runtime.cli import log, parser, run
from semacdr.runtime.settings import Count, Natural, add_flags, from_flags, setting
from semacdr.storage import tables, tsv


@dataclass(frozen=True)
class Settings:
    """How many examples the page shows, and how they are drawn."""

    users: Natural = setting(12, "users shown in each direction")
    events: Count = setting(30, "latest events shown of a user's history")
    persona_users: Natural = setting(
        5, "users of each direction shown with persona and community, if a system reads them"
    )
    examples: Natural = setting(6, "items of each domain shown with their descriptions")
    seed: Natural = setting(0, "seed of the choice of users and items")


FILES = {  # required files: help text by option
    "statistics": "statistics.tsv", "steps": "preprocess.tsv", "interactions": "interactions.parquet",
    "items": "items.parquet", "taxonomy": "taxonomy.json", "inner": "inner.parquet", "agnostic": "agnostic.parquet",
    "filed": "semantics.tsv", "asked": "cost.json of stage semantics", "metrics": "metrics.tsv",
    "summary": "summary.tsv of stage metrics",
}  # fmt: skip


def arguments(argv: Sequence[str] | None) -> argparse.Namespace:
    """The stage's command line."""
    cli = parser(__doc__)
    for name, help in FILES.items():
        cli.add_argument(f"--{name}", type=Path, required=True, help=help)
    cli.add_argument("--splits", type=Path, nargs=2, required=True, help="split.parquet of both directions")
    cli.add_argument("--runs", type=Path, nargs="+", required=True, help="folders of the result table's runs")
    for name, help in {
        "shown": "folders of runs whose recommendations are shown",
        "candidates": "candidates.parquet of both directions",
        "experiments": "TSVs of the stages compare and cold_start",
        "figures": "PNGs, each with a TSV of the same name",
        "personas": "folders of the directions' personas, for shown systems that read them",
        "gates": "gate_weights.parquet of shown runs",
    }.items():
        cli.add_argument(f"--{name}", nargs="*", type=Path, default=[], help=help)
    cli.add_argument("--benchmarks", type=Path, help="folder with Snakemake's measurements of the scenario's jobs")
    cli.add_argument("--paper", type=Path, help="the numbers that the paper prints (TSV)")
    cli.add_argument("--output", type=Path, required=True, help="report.html")
    add_flags(cli, Settings)
    return cli.parse_args(argv)


def content(args: argparse.Namespace, settings: Settings) -> dict[str, Any]:
    """All values that the templates use, by name."""
    catalogue = Catalogue(args.items, args.agnostic)
    meta = tables.read(args.items, "items")[1]
    sample = meta["release"] == "sample"
    paper = read_paper(args.paper) if args.paper else {}
    names = names_by_run(args.metrics)
    runs = [load_training_run(folder) for folder in args.runs]
    semantics = item_semantics.read_item_semantics(
        catalogue, args.taxonomy, args.inner, args.filed, args.asked, settings.examples, settings.seed
    )
    jobs = record.jobs(args.benchmarks)
    results = result_tables(args.metrics, paper)
    negatives = stored_negatives(args.candidates)
    first, records, plateaus = read_lead(args.summary), _records(runs), _plateaus_by_name(runs, names)
    directions = shown_directions(args, names)
    statistics = tsv.read(args.statistics, ("domain", "overlapped_users", "items", "interactions", "avg_len"))
    return {
        "scenario": meta["scenario"],
        "release": meta["release"],
        "note": tables.SAMPLE_NOTE if sample else "",
        "statistics": statistics,
        "steps": tsv.read(args.steps, ("domain", "step", "count", "users", "items")),
        "results": results,
        "negatives": negatives_phrase(negatives, [(table.source, table.target) for table in results]),
        "other_negatives": bool({*negatives.values()} - {PAPER_NEGATIVES}),
        "findings": findings(first),
        "trained": training_sentences(first, records),
        "next_steps": next_steps(first, records, plateaus, meta["scenario"]),
        "notes": plateau_notes(plateaus) + tuning_notes(_settings_by_name(runs, names)),
        "users": shown_users(args, settings, catalogue, directions),
        "personas": shown_personas(args, settings, catalogue, directions, runs),
        "semantics": semantics,
        "experiments": [read_experiment(path, names) for path in args.experiments],
        "figures": [figures.read_figure(path) for path in args.figures],
        "training": trained_systems(runs, names),
        "jobs": jobs,
        "code": checkout.code(),
        "versions": record.versions(),
        "machine": record.machine(),
        "llm_cost": record.llm_cost(semantics.cost, semantics.taxonomy_cost),
        "day": datetime.now(UTC).date().isoformat(),
        "seed": settings.seed,
        "left_out": left_out(args, jobs, sample),
    }


def _settings_by_name(runs: Sequence[TrainingRun], names: Mapping[RunKey, str]) -> dict[str, list[dict[str, Any]]]:
    found: dict[str, list[dict[str, Any]]] = {}
    for one in runs:
        found.setdefault(names.get(one.key, one.name), []).append(one.settings)
    return found


def _records(runs: Sequence[TrainingRun]) -> Records:
    found: dict[RunKey, list[RunRecord]] = {}
    for one in runs:
        found.setdefault(one.key, []).append(RunRecord(one.settings, one.cost))
    return found


def _plateaus_by_name(runs: Sequence[TrainingRun], names: Mapping[RunKey, str]) -> dict[str, list[Plateau]]:
    found: dict[str, list[Plateau]] = {}
    for one in runs:
        found.setdefault(names.get(one.key, one.name), []).extend([one.plateau] if one.plateau else [])
    return found


@dataclass(frozen=True)
class ShownDirection:
    """A direction and its shown systems, trained with one seed."""

    history: History
    systems: list[Recommender]


def shown_directions(args: argparse.Namespace, names: Mapping[RunKey, str]) -> list[ShownDirection]:
    """The directions that have recommendations; a UserError where the runs of one have several seeds."""
    recommenders, found = [load_recommender(folder, names) for folder in args.shown], []
    for split in args.splits if recommenders else ():
        history = load_history(args.interactions, args.items, split)
        direction = history.meta["source"], history.meta["target"]
        systems = [one for one in recommenders if one.run.direction == direction]
        if len({system.run.seed for system in systems}) > 1:
            raise UserError(
                f"--shown: the runs of {' to '.join(direction)} have more than one seed; give one run of each system"
            )
        if systems:
            found.append(ShownDirection(history, systems))
    return found


def shown_users(
    args: argparse.Namespace, settings: Settings, catalogue: Catalogue, directions: Sequence[ShownDirection]
) -> list[DirectionUsers]:
    """The example users of each direction."""
    counts = settings.users, settings.events, settings.seed
    return [direction_users(one.history, args.interactions, catalogue, one.systems, *counts) for one in directions]


def shown_personas(
    args: argparse.Namespace,
    settings: Settings,
    catalogue: Catalogue,
    directions: Sequence[ShownDirection],
    runs: Sequence[TrainingRun],
) -> list[DirectionPersonas]:
    """Personas, communities and gates of each direction in which a shown system reads personas."""
    folders = {direction_of(folder): folder for folder in args.personas}
    gates, found = {path.parent: path for path in args.gates}, []
    for one in directions if settings.persona_users else ():
        key = one.history.meta["source"], one.history.meta["target"]
        if any(map(reads_personas, one.systems)):
            if key not in folders:
                raise UserError(f"--personas: lacks the folder of {' to '.join(key)}; give results/…/personas of it")
            own = {run.name: run.settings["settings"] for run in runs if run.key[:2] == key}
            count = settings.persona_users
            found.append(
                direction_personas(
                    one.history, args.interactions, catalogue, one.systems, own, folders[key], gates, count
                )
            )
    return found


def left_out(args: argparse.Namespace, jobs: Sequence[record.Job], sample: bool) -> list[tuple[str, str]]:
    """Titles of the parts that the page lacks, each with the reason."""
    parts = [
        (args.shown, "Users", "no recommendations were given; list systems in report.systems of the config"),
        (args.personas, "Personas and communities", "no system of report.systems reads personas"),
        (
            args.experiments,
            "Experiments",
            "none was requested; list them in report.experiments of the config. They need training runs",
        ),
        (args.figures, "Figures", "none was requested; list them in report.figures of the config"),
        (args.paper, "The paper's numbers", "their table was not given"),
        (not (args.paper and sample), "The paper's numbers", "they are shown for real data only"),
        (jobs, "Time by stage", "there are no measurements by Snakemake (logs/benchmarks)"),
    ]
    return [(title, why) for given, title, why in parts if not given]


def main(argv: Sequence[str] | None = None) -> None:
    """Run the stage."""
    args = arguments(argv)
    page = render(content(args, from_flags(args, Settings, "report")))
    tsv.write(args.output, page)
    log.info("%s: %.1f MB", args.output, len(page.encode()) / 1e6)


if __name__ == "__main__":
    run(main)

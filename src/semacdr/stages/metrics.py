"""Metrics: HR, NDCG and MRR of all systems of a scenario, mean and standard deviation over seeds.

Reads   the folders of the runs, --runs MODEL/VARIANT FOLDER..., once per row of the table: the test ranks in
        ranks.parquet, settings.json and cost.json of each. Optionally the candidates.parquet of both directions and the
        paper's table.
Writes  --output, metrics.tsv: a row per direction, system, ranking, metric and cut-off. If there are cold users,
        cold and warm users have separate rows, with a column group. Column tied_share: the share of tied events among
        the direction's test events (semacdr.data.ties). Column at_popularity, if there are such runs: the seeds
        at the level of popularity on validation events (cost.json, history.tsv). Column run names the runs of a row.
        Columns low, high: a 95 % bootstrap interval of the mean over users.
        --summary, summary.tsv: by direction and group the systems by NDCG@10 of full ranking, the best first, each with
        the best one's lead over the same users: its interval, and p of a paired bootstrap test, also Holm-corrected.
        --table, metrics.md: both as a Markdown page, with what to do next, costs and, for real data, the paper's
        numbers.

All runs of a direction must rank the same users on the same data, and no run may be given twice for a system.
"""

import argparse
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated

from semacdr.errors import UserError
from semacdr.evaluation.costs import RunRecord, read_record, summarise_costs
from semacdr.evaluation.lead import RunKey, lead
from semacdr.evaluation.protocol import stored_negatives
from semacdr.evaluation.runs import Run, load_run
from semacdr.evaluation.summary import System, check_systems, summarise
from semacdr.evaluation.validation import read_plateaus, seeds_at_popularity
from semacdr.reporting.advice import Records
from semacdr.reporting.metrics_page import Costs, metrics_page
from semacdr.reporting.names import system_name
from semacdr.reporting.paper import read_paper
from semacdr.reporting.split_lines import split_lines
from semacdr.reporting.summary_lines import summary_lines
from semacdr.reporting.tuning_notes import tuning_lines
from semacdr.runtime.cli import log, parser, run
from semacdr.runtime.settings import Bounds, Count, add_flags, from_flags, setting
from semacdr.storage import tsv


@dataclass(frozen=True)
class Settings:
    """Which metrics are computed."""

    ks: Annotated[tuple[Count, ...], Bounds(1)] = setting((5, 10, 20), "cut-offs of HR and NDCG")


def arguments(argv: Sequence[str] | None) -> argparse.Namespace:
    """The stage's command line."""
    cli = parser(__doc__)
    help = "a row of the table, and the folders of its runs: all directions and seeds"
    cli.add_argument(
        "--runs", nargs="+", action="append", required=True, metavar=("MODEL/VARIANT", "FOLDER"), help=help
    )
    cli.add_argument("--candidates", type=Path, nargs="*", default=[], help="candidates.parquet of each direction")
    cli.add_argument("--paper", type=Path, help="the numbers that the paper prints (TSV)")
    cli.add_argument("--output", type=Path, required=True, help="metrics.tsv")
    cli.add_argument("--summary", type=Path, required=True, help="summary.tsv")
    cli.add_argument("--table", type=Path, required=True, help="metrics.md")
    add_flags(cli, Settings)
    return cli.parse_args(argv)


def main(argv: Sequence[str] | None = None) -> None:
    """Run the stage."""
    args = arguments(argv)
    settings = from_flags(args, Settings, "metrics")
    folders = folders_by_system(args.runs)
    systems = {system: [load_run(folder) for folder in own] for system, own in folders.items()}
    check_systems(systems)
    runs = [run for own in systems.values() for run in own]
    records = {system: [read_record(folder) for folder in own] for system, own in folders.items()}
    negatives = stored_negatives(args.candidates, runs)
    paper = read_paper(args.paper) if args.paper else {}
    plateaus = {system: read_plateaus(own) for system, own in folders.items()}
    rows = [
        replace(row, at_popularity=seeds_at_popularity(plateaus[row.model, row.variant], row.source, row.target))
        for row in summarise(systems, sorted(settings.ks))
    ]
    first = lead(systems, {system: _learns(own) for system, own in records.items()})
    named = {system_name(*system): own for system, own in plateaus.items()}
    summary = summary_lines(first, records_by_run(systems, records), named, runs[0].scenario)
    page = metrics_page(rows, runs[0].scenario, len(runs), paper, costs_by_system(records), negatives,
                        summary, split_lines(systems))  # fmt: skip
    tuned = {system_name(*system): [record.settings for record in own] for system, own in records.items()}
    tsv.write(args.output, tsv.text(rows, ".6f", optional=("group", "tied_share", "at_popularity")))
    tsv.write(args.summary, tsv.text(first, ".6f", optional=("group",)))
    tsv.write(args.table, page + tuning_lines(tuned))
    log.info("%d runs, %d rows: %s and %s", len(runs), len(rows), args.output, args.table)


def folders_by_system(given: Sequence[Sequence[str]]) -> dict[System, list[Path]]:
    """The folders of the runs by model and variant, from the values of --runs; a UserError where they are malformed."""
    found: dict[System, list[Path]] = {}
    for name, *folders in given:
        model, slash, variant = name.partition("/")
        if not (model and slash and variant and folders):
            raise UserError(f"--runs {name}: give MODEL/VARIANT and the folders of its runs")
        if (model, variant) in found:
            raise UserError(f"--runs {name}: given twice; give all runs of a system together")
        found[model, variant] = [Path(folder) for folder in folders]
    return found


def _learns(records: Sequence[RunRecord]) -> bool:
    return bool(records[0].settings.get("training", {}).get("loss"))


def records_by_run(systems: Mapping[System, Sequence[Run]], records: Mapping[System, Sequence[RunRecord]]) -> Records:
    """The records of each run by direction and name."""
    found: dict[RunKey, list[RunRecord]] = {}
    for system, own in systems.items():
        for one, record in zip(own, records[system], strict=True):
            found.setdefault((*one.direction, one.name), []).append(record)
    return found


def costs_by_system(records: Mapping[System, Sequence[RunRecord]]) -> Costs:
    """The costs of each system in each direction."""
    found: dict[tuple[str, str, str, str], list[dict]] = {}
    for system, runs in records.items():
        for settings, cost in runs:
            found.setdefault((settings["source"], settings["target"], *system), []).append(cost)
    return {key: summarise_costs(costs) for key, costs in found.items()}


if __name__ == "__main__":
    run(main)

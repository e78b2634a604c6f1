"""Efficiency: what each variant of an experiment costs to train, and how well it ranks.

Reads   the folders of the runs, --runs NAME FOLDER..., once per variant (seeds, directions): settings.json
        and cost.json of each. The experiment's TSV from stage compare (--experiment).
Writes  --output, a TSV: a row per direction and variant: parameters, seconds per epoch, epochs, seconds to the best
        epoch, peak memory, device and threads; full-ranking NDCG@10 with its 95 % interval over users. Means over
        seeds; peak memory is the maximum. --table, the same as a Markdown page. --picture, a PNG: NDCG@10 against the
        seconds to the best epoch; a line joins the systems that no other beats in both.

Seconds are wall time of training and validation, including pre-training. On a busy machine they are unreliable.
"""

import argparse
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path

from semacdr.errors import UserError
from semacdr.evaluation.costs import RunRecord, distinct, read_record, summarise_costs
from semacdr.evaluation.main_metric import read_main_metric
from semacdr.evaluation.runs import run_name
from semacdr.reporting import style
from semacdr.reporting.efficiency_figure import EfficiencyRow, efficiency_figure, efficiency_page
from semacdr.reporting.names import system_name
from semacdr.reporting.tuning_notes import tuning_lines
from semacdr.runtime.cli import log, parser, run
from semacdr.stages._comparison import add_comparison
from semacdr.storage import tsv

Folders = Mapping[str, Sequence[Path]]  # of runs, by variant


def efficiency_rows(folders: Folders, experiment: Path) -> list[EfficiencyRow]:
    """The rows: costs of runs by variant, and their quality from the experiment's table."""
    quality = {(row["source"], row["target"], row["variant"]): row for row in read_main_metric(experiment)}
    runs = {variant: [(folder, read_record(folder)) for folder in own] for variant, own in folders.items()}
    directions = dict.fromkeys(_direction(record) for own in runs.values() for _, record in own)
    rows = []
    for direction in directions:
        for variant, own in runs.items():
            part = [(folder, record) for folder, record in own if _direction(record) == direction]
            if not part or (*direction, variant) not in quality:
                lacks = f"{experiment}: has" if part else "--runs: there is"
                raise UserError(f"{lacks} no '{variant}' from {' to '.join(direction)}")
            rows.append(_row(experiment, variant, part, quality[*direction, variant]))
    return rows


def _direction(record: RunRecord) -> tuple[str, str]:
    return record.settings["source"], record.settings["target"]


def _row(
    experiment: Path, variant: str, runs: Sequence[tuple[Path, RunRecord]], quality: Mapping[str, str]
) -> EfficiencyRow:
    settings = runs[0][1].settings
    name = distinct(run_name(folder) for folder, _ in runs)
    if quality.get("run", name) != name or quality["release"] != settings["release"]:
        raise UserError(
            f"{experiment}: its '{variant}' is run {quality.get('run', '')} of release {quality['release']}, --runs "
            f"has {name} of release {settings['release']}; give the runs of the experiment"
        )
    return EfficiencyRow(
        source=settings["source"],
        target=settings["target"],
        split=None if quality["split"] == "test" else quality["split"],
        variant=variant,
        model=settings["model"],
        loss=settings["training"]["loss"],
        **asdict(summarise_costs([record.cost for _, record in runs])),
        ndcg_10=float(quality["mean"]),
        low=float(quality["low"]),
        high=float(quality["high"]),
        release=settings["release"],
        run=name,
    )


def arguments(argv: Sequence[str] | None) -> argparse.Namespace:
    """The stage's command line."""
    cli = parser(__doc__)
    add_comparison(cli, "Efficiency")
    cli.add_argument("--experiment", type=Path, required=True, help="the TSV of stage compare")
    cli.add_argument("--picture", type=Path, required=True, help="the PNG")
    return cli.parse_args(argv)


def main(argv: Sequence[str] | None = None) -> None:
    """Run the stage."""
    args = arguments(argv)
    folders = {name: [Path(folder) for folder in own] for name, *own in args.runs}
    rows = efficiency_rows(folders, args.experiment)
    models = {row.variant: row.model for row in rows}
    tuned = {
        system_name(models[name], name): [read_record(folder).settings for folder in own]
        for name, own in folders.items()
    }
    tsv.write(args.output, tsv.text(rows, optional=("split",)))
    tsv.write(args.table, efficiency_page(rows, args.title) + tuning_lines(tuned))
    style.save(efficiency_figure(rows, args.title), args.picture)
    log.info("%d rows: %s", len(rows), args.output)


if __name__ == "__main__":
    run(main)

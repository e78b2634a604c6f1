"""The list that `snakemake runs` prints: all runs with their settings, what they cost, and which tables need them."""

import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from semacdr.errors import UserError
from semacdr.evaluation.costs import read_record
from semacdr.storage import tsv


@dataclass(frozen=True)
class RunRow:
    """A run: its fields are the columns."""

    scenario: str
    direction: str
    run: str
    seed: int
    best_epoch: int
    training_seconds: float
    megabytes: float
    needed_by: str  # tables, or `nothing`
    settings: str  # what was trained, as JSON


def list_runs(results: Path, needed: Mapping[str, Sequence[str]], copy: Path | None = None) -> None:
    """Print a line for each run below a folder of results, tab-separated, and a summary on stderr; `copy` is a file.

    `needed`: by run folder, without the seed, the tables that need it. A run that cannot be read is named on stderr.
    """
    found, damaged = [], 0
    for path in sorted(folder for folder in results.glob("*/*_to_*/**/seed*") if folder.is_dir()):
        try:
            found.append(_row(path, results, needed))
        except UserError as error:
            damaged += 1
            print(error, file=sys.stderr)
    if found:
        sys.stdout.write(tsv.text(found))
        if copy:
            tsv.write(copy, tsv.text(found))
    idle = [row for row in found if row.needed_by == "nothing"]
    size = sum(row.megabytes for row in idle)
    summary = f"{len(found)} runs in {results}; {len(idle)} of them, {size:.1f} MB, are needed by no table"
    print(summary + (f"; {damaged} cannot be read" if damaged else ""), file=sys.stderr)


def _row(folder: Path, results: Path, needed: Mapping[str, Sequence[str]]) -> RunRow:
    settings, cost = read_record(folder)
    scenario, direction, *name = folder.parent.relative_to(results).parts
    tables = needed.get(f"results/{scenario}/{direction}/{'/'.join(name)}", [])
    try:
        return RunRow(
            scenario=scenario,
            direction=direction,
            run="/".join(name),
            seed=int(folder.name.removeprefix("seed")),
            best_epoch=cost["best_epoch"],
            training_seconds=float(cost["training_seconds"]),
            megabytes=round(sum(file.stat().st_size for file in folder.iterdir()) / 1e6, 1),
            needed_by=", ".join(tables) or "nothing",
            settings=json.dumps({key: settings[key] for key in ("model", "training", "settings")}, sort_keys=True),
        )
    except (KeyError, TypeError, ValueError) as error:
        raise UserError(f"{folder}: is no training run: {error!r}; delete it") from error

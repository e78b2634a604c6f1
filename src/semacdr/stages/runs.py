"""List all runs: their settings, what they cost, and which tables of the config still need them.

Reads   settings.json and cost.json of every run below --results; --needed, the runs that the config needs.
Writes  one tab-separated line per run to stdout; runs that no table needs can be deleted by hand.
"""

import argparse
import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from semacdr.errors import UserError
from semacdr.runtime.cli import log, parser, run
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
    settings: str  # the settings of the training, as JSON


def rows(results: Path, needed: Mapping[str, Sequence[str]]) -> list[RunRow]:
    """The runs below a folder of results, sorted; a UserError names a file of a run that cannot be read."""
    found = sorted(results.glob("*/*_to_*/*/seed*/settings.json"))
    return [_row(path.parent, results, needed) for path in found]


def _row(folder: Path, results: Path, needed: Mapping[str, Sequence[str]]) -> RunRow:
    settings, cost = (_read(folder / name) for name in ("settings.json", "cost.json"))
    scenario, direction, name, seed = folder.relative_to(results).parts
    tables = needed.get(f"results/{scenario}/{direction}/{name}", [])
    try:
        what = {key: settings[key] for key in ("model", "training", "settings")}
        return RunRow(
            scenario=scenario,
            direction=direction,
            run=name,
            seed=int(seed.removeprefix("seed")),
            best_epoch=cost["best_epoch"],
            training_seconds=float(cost["training_seconds"]),
            megabytes=round(sum(file.stat().st_size for file in folder.iterdir()) / 1e6, 1),
            needed_by=", ".join(tables) or "nothing",
            settings=json.dumps(what, sort_keys=True),
        )
    except (KeyError, TypeError, ValueError) as error:
        raise UserError(f"{folder}: is not a training run: {error!r}; delete it") from error


def _read(path: Path) -> dict[str, Any]:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise UserError(f"{path}: cannot be read: {error}") from error
    if not isinstance(content, dict):
        raise UserError(f"{path}: holds no JSON object")
    return content


def arguments(argv: Sequence[str] | None) -> argparse.Namespace:
    """The stage's command line."""
    cli = parser(__doc__)
    cli.add_argument("--results", type=Path, default=Path("results"), help="the folder of results")
    cli.add_argument(
        "--needed", type=json.loads, default={}, metavar="JSON", help="by run folder the tables that need it"
    )
    return cli.parse_args(argv)


def main(argv: Sequence[str] | None = None) -> None:
    """Run the stage."""
    args = arguments(argv)
    found = rows(args.results, args.needed)
    if found:
        sys.stdout.write(tsv.text(found))
    idle = [row for row in found if row.needed_by == "nothing"]
    size = sum(row.megabytes for row in idle)
    log.info("%d runs in %s; %d of them, %.1f MB, are needed by no table", len(found), args.results, len(idle), size)


if __name__ == "__main__":
    run(main)

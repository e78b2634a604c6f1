"""Choose between tuned and default settings for all models of a scenario.

Trials are short, and the best settings for short trainings need not be the best for full ones. So the proposed settings
and the untuned ones are both trained fully, and validation chooses.

Reads   --found: the JSON file that stage tune_search wrote for each system and direction, <key>.json.
        --retrained: the folders of the full trainings, with history.tsv, settings.json and cost.json: for the
        proposed settings <key>/proposed/seed<N> next to that file, for the untuned settings any folder.
Writes  --output, tuned.json: the chosen settings by direction and kind of system, and how they were found. Later runs
        use it only after you copy it to resources/tuned/<scenario>.json. It also holds --preprocess, how the data were
        filtered.
        --tsv, a row for each direction and system; --table, the same as Markdown.

All systems must have had the same budget.
"""

import argparse
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from semacdr.errors import UserError
from semacdr.reporting.markdown import header, line
from semacdr.runtime.cli import log, parser, run
from semacdr.storage import tsv
from semacdr.storage.tables import SAMPLE_NOTE

NOTE = (
    "Settings were chosen by {trials} trials for each system and direction, each of at most {trial_seconds:g} s (seeds"
    " {seeds}, pre-training included; the current epoch is completed), by the best epoch's validation NDCG@10 in"
    " full ranking. The first trial has the settings without tuning. Seconds are wall-clock time: on another machine"
    " ({device}, {threads} threads here), or a busy one, trials reach another number of epochs and may choose"
    " other settings; CPU seconds far below seconds show a busy one. `by time` counts the trials that the time limit"
    " ended; for a pruned or cut trial the best epoch so far counts. The best trial's settings are proposed. They and"
    " the settings without tuning were then trained fully with the same seeds; the better one by the same measure is"
    " chosen."
)
TITLES = [
    "System", "Proposed", "trial untuned", "best trial", "full untuned", "full proposed", "chosen", "epochs",
    "finished", "pruned", "failed", "by time", "s", "CPU s",
]  # fmt: skip
COUNTS = ("finished", "pruned", "failed", "ended_by_time", "seconds", "cpu_seconds", "epochs", "best_epoch")


@dataclass(frozen=True)
class FullTraining:
    """The result of full trainings under the same settings."""

    value: float  # validation NDCG@10 of the best epoch, the mean over seeds
    seconds: float  # of training and validation, over all seeds
    epochs: int  # at most
    patience: int


@dataclass(frozen=True)
class TuningRow:
    """A row of the table: one system in one direction."""

    source: str
    target: str
    system: str
    trials: int
    finished: int
    pruned: int
    failed: int
    ended_by_time: int
    seconds: float  # of all trials
    cpu_seconds: float  # CPU time of the process; lower than `seconds` if it had to wait
    epochs: int  # reached by the chosen trial
    best_epoch: int
    untuned: float | None  # validation NDCG@10 of the first trial; None if it did not finish
    ndcg_10: float  # validation NDCG@10 of the best trial
    proposed: str  # its settings
    untuned_end: float  # validation NDCG@10 of the untuned settings, trained fully
    proposed_end: float
    end_seconds: float  # of both
    chosen: str  # which of the two
    release: str


@dataclass(frozen=True)
class Retrained:
    """The folder of a full training and its settings.json."""

    folder: Path
    content: dict[str, Any]


def read_retrained(folders: Sequence[Path]) -> list[Retrained]:
    """The full trainings; a UserError names a settings.json that cannot be read."""
    found = []
    for folder in folders:
        path = folder / "settings.json"
        try:
            found.append(Retrained(folder, dict(json.loads(path.read_text(encoding="utf-8")))))
        except (OSError, ValueError, TypeError) as error:
            raise UserError(f"{path}: cannot be read as the settings of a training run: {error}") from error
    return found


def read_system(path: Path, retrained: Sequence[Retrained]) -> dict[str, Any]:
    """The output of stage tune_search with the results of its full trainings; a UserError names an invalid file.

    The entries "ends" and "row" are added, and "chosen": untuned or proposed.
    """
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
        seeds = found["found"]["budget"]["seeds"]
        folders = {
            "untuned": [run for run in retrained if is_untuned(run, found)],
            "proposed": [run for run in retrained if run.folder.parent == path.with_suffix("") / "proposed"],
        }
        ends = {name: _full_training(f"{path}: {name}", seeds, runs) for name, runs in folders.items()}
        found["chosen"] = "proposed" if ends["proposed"].value > ends["untuned"].value else "untuned"
        return found | {"ends": ends, "row": _row(found, ends)}
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise UserError(
            f"{path}: this file or its full trainings were not written by stages tune_search and train: {error!r}"
        ) from error


def is_untuned(run: Retrained, found: dict[str, Any]) -> bool:
    """Whether a training has the untuned settings of a system; its number of epochs may differ."""
    same = all(run.content[name] == found[name] for name in ("source", "target", "model"))
    return (
        same
        and run.content["settings"] == found["untuned"]["settings"]
        and _without_budget(run.content["training"]) == _without_budget(found["untuned"]["training"])
        and run.folder.parent.name != "proposed"
    )


def _without_budget(training: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in training.items() if name not in ("epochs", "patience")}


def _full_training(name: str, seeds: Sequence[int], retrained: Sequence[Retrained]) -> FullTraining:
    values, seconds, runs = [], 0.0, {run.content["seed"]: run for run in retrained}
    for seed in seeds:
        if seed not in runs:
            raise UserError(f"{name}: --retrained has no training with seed {seed}")
        history = tsv.read(runs[seed].folder / "history.tsv", ("valid_ndcg_10",))
        cost = json.loads((runs[seed].folder / "cost.json").read_text(encoding="utf-8"))
        values.append(max(float(row["valid_ndcg_10"]) for row in history))
        seconds += cost["training_seconds"] + cost["validation_seconds"]
    training = runs[seeds[0]].content["training"]
    return FullTraining(sum(values) / len(values), round(seconds, 1), training["epochs"], training["patience"])


def _row(system: dict[str, Any], ends: dict[str, FullTraining]) -> TuningRow:
    found = system["found"]
    counts = {name: found[name] for name in COUNTS}
    proposed = system["training"] | system["settings"]
    return TuningRow(
        system["source"], system["target"], system["name"], found["budget"]["trials"], **counts,
        untuned=found["first"], ndcg_10=found["value"], chosen=system["chosen"], release=system["release"],
        proposed=", ".join(f"{name} {value:.4g}" if isinstance(value, float) else f"{name} {value}"
                           for name, value in proposed.items()),
        untuned_end=ends["untuned"].value, proposed_end=ends["proposed"].value,
        end_seconds=ends["untuned"].seconds + ends["proposed"].seconds,
    )  # fmt: skip


def check(systems: Sequence[dict[str, Any]]) -> None:
    """Raise a UserError if budgets differ, or if two systems would be stored under one key."""
    first = systems[0]
    stored: dict[tuple[str, str, str], str] = {}
    for system in systems:
        budget, other = (json.dumps(one["found"]["budget"], sort_keys=True) for one in (system, first))
        if budget != other:
            raise UserError(f"{system['name']} was tuned with {budget}, {first['name']} with {other}; tune it again")
        place = system["source"], system["target"], system["key"]
        if place in stored:
            raise UserError(
                f"{system['name']} and {stored[place]} are both {system['key']}, which has one entry; tune one of them"
            )
        stored[place] = system["name"]


def collected(systems: Sequence[dict[str, Any]], preprocess: dict[str, Any]) -> dict[str, Any]:
    """The content of tuned.json; `preprocess` says how the data were filtered."""
    directions: dict[str, dict[str, Any]] = {}
    for system in systems:
        proposed = {name: system[name] for name in ("training", "settings")}
        chosen = proposed if system["chosen"] == "proposed" else {"training": {}, "settings": {}}
        ends = {name: asdict(end) for name, end in system["ends"].items()}
        found = system["found"] | {"proposed": proposed, "ends": ends, "chosen": system["chosen"]}
        loss = chosen["training"].get("loss", system["loss"])
        entry = {"model": system["model"], "loss": loss} | chosen | {"found": found}
        directions.setdefault(f"{system['source']}_to_{system['target']}", {})[system["key"]] = entry
    scenario = {"scenario": systems[0]["scenario"], "release": systems[0]["release"], "preprocess": preprocess}
    return scenario | {"directions": directions}


def page_of(systems: Sequence[dict[str, Any]]) -> str:
    """A Markdown page with a table for each direction."""
    rows, budget = [system["row"] for system in systems], systems[0]["found"]["budget"]
    lines = [f"# Tuning, {systems[0]['scenario']}", ""]
    lines += [f"**{SAMPLE_NOTE}**", ""] if rows[0].release == "sample" else []
    lines += [NOTE.format(**budget | {"seeds": " ".join(map(str, budget["seeds"]))}), ""]
    for direction in dict.fromkeys((row.source, row.target) for row in rows):
        lines += [f"## {' → '.join(direction)}", ""]
        lines += header(TITLES, 2)
        lines += [_line(row) for row in rows if (row.source, row.target) == direction]
        lines.append("")
    return "\n".join(lines)


def _line(row: TuningRow) -> str:
    values = (row.untuned, row.ndcg_10, row.untuned_end, row.proposed_end)
    qualities = ("" if value is None else f"{value:.4f}" for value in values)
    counts = map(str, (row.epochs, row.finished, row.pruned, row.failed, row.ended_by_time))
    return line(
        [row.system, row.proposed, *qualities, row.chosen, *counts, f"{row.seconds:.0f}", f"{row.cpu_seconds:.0f}"]
    )


def arguments(argv: Sequence[str] | None) -> argparse.Namespace:
    """Parse the stage's command line."""
    cli = parser(__doc__)
    cli.add_argument("--found", type=Path, nargs="+", required=True, help="the JSON file of each system and direction")
    cli.add_argument("--retrained", type=Path, nargs="+", required=True, help="folders of the full trainings")
    cli.add_argument("--preprocess", type=json.loads, required=True, help="how the data were filtered, as JSON")
    cli.add_argument("--output", type=Path, required=True, help="tuned.json")
    cli.add_argument("--tsv", type=Path, required=True, help="the TSV")
    cli.add_argument("--table", type=Path, required=True, help="the Markdown page")
    return cli.parse_args(argv)


def main(argv: Sequence[str] | None = None) -> None:
    """Run the stage."""
    args = arguments(argv)
    retrained = read_retrained(args.retrained)
    systems = [read_system(path, retrained) for path in args.found]
    check(systems)
    tsv.write(args.output, json.dumps(collected(systems, args.preprocess), indent=2) + "\n")
    tsv.write(args.tsv, tsv.text([system["row"] for system in systems]))
    tsv.write(args.table, page_of(systems))
    log.info("%d systems: %s", len(systems), args.output)


if __name__ == "__main__":
    run(main)

"""Tuned: what tuning chose for all systems of a scenario, together.

Trials are short, and what is best in one need not be what is best in the end. So the settings that a system's trials
propose are held against those without tuning, each trained to its end; validation chooses.

Reads   the JSON file that stage tune wrote of each system and direction (--found), <system>.json, and beside it
        <system>/untuned and <system>/proposed/seed<N>/history.tsv, settings.json and cost.json, trainings to their end.
Writes  --output, tuned.json: by direction and kind of system the chosen settings and how they were found. As
        resources/tuned/<scenario>.json these are what systems are trained with by default; to put it there is left to
        a person, so that no run changes what it starts from. It holds --preprocess, too: tables of data that are
        filtered otherwise say so.
        --table, a TSV: a row per direction and system; --page, the same to read.

All must have had the same budget.
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
    "Settings were chosen by {trials} trials a system and direction, each of at most {seconds:g} s (seeds"
    " {seeds}, pre-training included; the epoch at their end is finished), by the best epoch's validation NDCG@10"
    " in full ranking. The first trial has the settings without tuning. Seconds are wall time: on another machine"
    " ({device}, {threads} threads here), or one with other work, trials reach more or fewer epochs, and others"
    " may be chosen; where CPU seconds are far fewer, there was other work. `by time` counts the trials that"
    " training would have gone on with; of one that was pruned or cut, the best epoch so far counts. The best trial's"
    " settings are what is proposed. They and those without tuning were then trained to their end with the same seeds;"
    " what is better there (the same measure) is chosen."
)


ENDS = ("untuned", "proposed")
COUNTS = ("finished", "pruned", "failed", "ended_by_time", "seconds", "cpu_seconds", "epochs", "best_epoch")


@dataclass(frozen=True)
class End:
    """What trainings to their end came to under the same settings."""

    value: float  # the best epoch's validation NDCG@10, the mean over seeds
    seconds: float  # of training and validation, of all seeds
    epochs: int  # at most
    patience: int


@dataclass(frozen=True)
class Row:
    """One system in one direction."""

    source: str
    target: str
    system: str
    trials: int
    finished: int
    pruned: int
    failed: int
    ended_by_time: int
    seconds: float  # of all trials
    cpu_seconds: float  # of them those that the process ran; below the others where it waited
    epochs: int  # that the chosen trial reached
    best_epoch: int
    untuned: float | None  # validation NDCG@10 of the first trial; None where that did not finish
    ndcg_10: float  # of the best one
    proposed: str  # its settings
    untuned_end: float  # validation NDCG@10 without tuning, trained to the end
    proposed_end: float
    end_seconds: float  # of both
    chosen: str  # which of the two
    release: str


def load(path: Path) -> dict[str, Any]:
    """What stage tune wrote, and what the trainings beside it came to; a UserError where a file is none of theirs."""
    try:
        found = json.loads(path.read_text())
        ends = {name: _end(path.with_suffix("") / name, found["found"]["budget"]["seeds"]) for name in ENDS}
        found["chosen"] = "proposed" if ends["proposed"].value > ends["untuned"].value else "untuned"
        return found | {"ends": ends, "row": _row(found, ends)}
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise UserError(f"{path}: cannot be read as what stages tune and confirm write: {error!r}") from error


def _end(folder: Path, seeds: Sequence[int]) -> End:
    values, seconds = [], 0.0
    for seed in seeds:
        history = tsv.read(folder / f"seed{seed}" / "history.tsv", ("valid_ndcg_10",))
        cost = json.loads((folder / f"seed{seed}" / "cost.json").read_text())
        values.append(max(float(row["valid_ndcg_10"]) for row in history))
        seconds += cost["training_seconds"] + cost["validation_seconds"]
    training = json.loads((folder / f"seed{seeds[0]}" / "settings.json").read_text())["training"]
    return End(sum(values) / len(values), round(seconds, 1), training["epochs"], training["patience"])


def _row(system: dict[str, Any], ends: dict[str, End]) -> Row:
    found = system["found"]
    counts = {name: found[name] for name in COUNTS}
    proposed = system["training"] | system["settings"]
    return Row(
        system["source"], system["target"], system["name"], found["budget"]["trials"], **counts,
        untuned=found["first"], ndcg_10=found["value"], chosen=system["chosen"], release=system["release"],
        proposed=", ".join(f"{name} {value:.4g}" if isinstance(value, float) else f"{name} {value}"
                           for name, value in proposed.items()),
        untuned_end=ends["untuned"].value, proposed_end=ends["proposed"].value,
        end_seconds=ends["untuned"].seconds + ends["proposed"].seconds,
    )  # fmt: skip


def check(systems: Sequence[dict[str, Any]]) -> None:
    """Raise a UserError where budgets differ, or two systems would be filed under one key."""
    first, filed = systems[0], {}
    for system in systems:
        own, other = (json.dumps(one["found"]["budget"], sort_keys=True) for one in (system, first))
        if own != other:
            raise UserError(f"{system['name']} was tuned with {own}, {first['name']} with {other}; tune it again")
        place = system["source"], system["target"], system["key"]
        if place in filed:
            raise UserError(
                f"{system['name']} and {filed[place]} are both {system['key']}, for which training has one place;"
                " tune one of them"
            )
        filed[place] = system["name"]


def collected(systems: Sequence[dict[str, Any]], preprocess: dict[str, Any]) -> dict[str, Any]:
    """The content of tuned.json; `preprocess` is how the data were filtered."""
    directions: dict[str, dict] = {}
    for system in systems:
        proposed = {name: system[name] for name in ("training", "settings")}
        chosen = proposed if system["chosen"] == "proposed" else {"training": {}, "settings": {}}
        ends = {name: asdict(end) for name, end in system["ends"].items()}
        found = system["found"] | {"proposed": proposed, "ends": ends, "chosen": system["chosen"]}
        loss = chosen["training"].get("loss", system["loss"])
        kept = {"model": system["model"], "loss": loss} | chosen | {"found": found}
        directions.setdefault(f"{system['source']}_to_{system['target']}", {})[system["key"]] = kept
    of = {"scenario": systems[0]["scenario"], "release": systems[0]["release"], "preprocess": preprocess}
    return of | {"directions": directions}


def page(systems: Sequence[dict[str, Any]]) -> str:
    """A Markdown page: a table per direction."""
    rows, budget = [system["row"] for system in systems], systems[0]["found"]["budget"]
    lines = [f"# Tuning, {systems[0]['scenario']}", ""]
    lines += [f"**{SAMPLE_NOTE}**", ""] if rows[0].release == "sample" else []
    lines += [NOTE.format(**budget | {"seeds": " ".join(map(str, budget["seeds"]))}), ""]
    for direction in dict.fromkeys((row.source, row.target) for row in rows):
        lines += [f"## {' → '.join(direction)}", ""]
        titles = [
            "System",
            "Proposed",
            "trial without",
            "best trial",
            "end without",
            "end proposed",
            "chosen",
            "epochs",
            "finished",
            "pruned",
            "failed",
            "by time",
            "s",
            "CPU s",
        ]
        lines += header(titles, 2)
        lines += [_line(row) for row in rows if (row.source, row.target) == direction]
        lines.append("")
    return "\n".join(lines)


def _line(row: Row) -> str:
    values = (row.untuned, row.ndcg_10, row.untuned_end, row.proposed_end)
    told = ("" if value is None else f"{value:.4f}" for value in values)
    counts = map(str, (row.epochs, row.finished, row.pruned, row.failed, row.ended_by_time))
    return line([row.system, row.proposed, *told, row.chosen, *counts, f"{row.seconds:.0f}", f"{row.cpu_seconds:.0f}"])


def arguments(argv: Sequence[str] | None) -> argparse.Namespace:
    """The stage's command line."""
    cli = parser(__doc__)
    cli.add_argument("--found", type=Path, nargs="+", required=True, help="the JSON file of each system and direction")
    cli.add_argument("--preprocess", type=json.loads, required=True, help="how the data were filtered, as JSON")
    cli.add_argument("--output", type=Path, required=True, help="tuned.json")
    cli.add_argument("--table", type=Path, required=True, help="the TSV")
    cli.add_argument("--page", type=Path, required=True, help="the Markdown page")
    return cli.parse_args(argv)


def main(argv: Sequence[str] | None = None) -> None:
    """Run the stage."""
    args = arguments(argv)
    systems = [load(path) for path in args.found]
    check(systems)
    tsv.write(args.output, json.dumps(collected(systems, args.preprocess), indent=2) + "\n")
    tsv.write(args.table, tsv.text([system["row"] for system in systems]))
    tsv.write(args.page, page(systems))
    log.info("%d systems: %s", len(systems), args.output)


if __name__ == "__main__":
    run(main)

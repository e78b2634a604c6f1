"""Measure memory and time of each job at movie_book's size, and their growth from a quarter of the users to all.

    python benchmarks/scale_data.py --output results/scale
    python benchmarks/scale.py results/scale --table docs/results/scale.tsv --picture docs/results/scale.png

Each job is a separate process with one thread, as the workflow starts it; its peak memory is the system's measurement.
Stages run completely. A training loads its inputs and trains on batches of an epoch, drawn as the epoch draws them, for
`--seconds`. Then it scores a batch of validation, which counts for its memory alone. Seconds per epoch are those of a
batch times the batches of an epoch, in CPU seconds, which depend less on other jobs on the machine. Rounds go over all
sizes, so that a slow moment affects each of them. Measurements are kept in measured.jsonl next to the data; table and
picture contain all of them (--rounds 0: no new ones).
"""

import argparse
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median

import numpy as np
import pyarrow.parquet as pq
import torch
from direction import inputs_of, trainer_of
from matplotlib.figure import Figure
from matplotlib.ticker import NullLocator
from memory import ALLOCATOR
from scale_data import SHARES

from semacdr.data.history import History
from semacdr.evaluation.ranks import Ranker
from semacdr.models import load
from semacdr.models.base import Model
from semacdr.reporting import style
from semacdr.runtime.machine import peak_mb
from semacdr.storage import tsv
from semacdr.training.settings import Training

SYSTEMS = {  # by the name of the job: model, loss, settings
    "SASRec, sampled softmax": ("sasrec", "sampled_softmax", {}),
    "SASRec, ce": ("sasrec", "ce", {}),
    "SemaCDR, bpr": ("semacdr", "bpr", {}),
    "SemaCDR, ce": ("semacdr", "ce", {}),
    "SemaCDR without graph, bpr": ("semacdr", "bpr", {"graph": "none"}),
}
STAGES = ("split", "graph")
LIMIT = 4096  # MB that a job may use


def child(command: Sequence[object]) -> dict:
    """The JSON that a separate process prints."""
    environment = os.environ | ALLOCATOR | {"OMP_NUM_THREADS": "1"}
    command = [sys.executable, *map(str, command)]
    return json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True, env=environment).stdout)


def stage(name: str, folder: Path) -> dict:
    """The seconds and peak_mb of a stage, movie to book."""
    given = ["--interactions", folder / "interactions.parquet", "--items", folder / "items.parquet"]
    direction = folder / "movie_to_book"
    given += {
        "split": ["--source", "movie", "--target", "book", "--output", direction],
        "graph": ["--split", direction / "split.parquet", "--output", direction / "graphs"],
    }[name]
    return child([Path(__file__).with_name("memory.py"), f"semacdr.stages.{name}", *given])


def measure(job: str, folder: Path, seconds: float) -> None:
    """Run in the child process: print the CPU seconds of an epoch."""
    torch.set_num_threads(1)
    name, loss, own = SYSTEMS[job]
    settings = load(name).Settings(**own)
    inputs = inputs_of(folder / "movie_to_book", name, settings)
    trainer = trainer_of(inputs, name, Training(loss=loss), torch.device("cpu"), settings=settings)
    trainer.model.train()
    spent, start = [], time.process_time()
    for batch in trainer.shuffled():
        trainer.step(trainer.loss(batch))
        spent.append(time.process_time() - start)
        if sum(spent) >= seconds:
            break
        start = time.process_time()
    score(trainer.model, inputs.history)
    spent = spent[1:] or spent  # the first one also allocates memory
    print(
        json.dumps(
            {
                "seconds": sum(spent) / len(spent) * len(trainer.batches),
                "batches": len(spent),
                "peak_mb": round(peak_mb()),
            }
        )
    )


def score(model: Model, history: History) -> None:
    """Score a batch of validation events against the catalogue, as validation does."""
    settings, cpu = Training(), torch.device("cpu")
    ranker = Ranker(history, "valid", settings.max_length, settings.evaluation_batch, cpu)
    model.eval()
    with torch.no_grad():
        model.scores(model.prepare(), next(ranker.batches.ordered()))


def sizes(folder: Path) -> dict[str, int]:
    """Users and events of a share."""
    table = pq.read_table(folder / "interactions.parquet", columns=["user"])
    return {"users": table["user"].to_numpy().max().item() + 1, "events": len(table)}


def run(args: argparse.Namespace) -> Iterator[dict]:
    """Run rounds over all jobs and shares and yield each measurement. Stages run in the first round only."""
    for number in range(args.rounds):
        for job in (job for job in args.jobs if not (number and job in STAGES)):
            for share in args.shares:
                folder = args.folder / share
                limit = ["--measure", "--jobs", job, "--seconds", args.seconds]
                measured = stage(job, folder) if job in STAGES else child([__file__, folder, *limit])
                yield {"job": job, "share": share, **sizes(folder), **measured}


@dataclass(frozen=True)
class Row:
    """A job at a share of the size: the fields are the columns."""

    job: str
    share: str
    users: int
    events: int
    seconds: float  # the median of the rounds
    peak_mb: int  # the maximum
    rounds: int


def table(lines: Sequence[dict]) -> list[Row]:
    """The rows, one per job and share."""
    found: dict[tuple, list[dict]] = {}
    for line in lines:
        found.setdefault(tuple(line[name] for name in ("job", "share", "users", "events")), []).append(line)
    rows = [
        Row(*key, round(median(line["seconds"] for line in own), 2), max(line["peak_mb"] for line in own), len(own))
        for key, own in found.items()
    ]
    order = [*STAGES, *SYSTEMS]
    return sorted(rows, key=lambda row: (order.index(row.job), row.events))


def growth(rows: Sequence[Row]) -> float:
    """The exponent with which seconds grow with events: the slope between the logarithms, 1 for linear growth."""
    return float(np.polyfit(*(np.log([getattr(row, name) for row in rows]) for name in ("events", "seconds")), 1)[0])


@style.styled
def picture(rows: Sequence[Row]) -> Figure:
    """Seconds per epoch and peak memory of each training by the number of events, on logarithmic axes."""
    drawn = style.figure(8.4, 4.4)
    time_axis, peak_axis = drawn.subplots(1, 2)
    trained = [job for job in dict.fromkeys(row.job for row in rows) if job not in STAGES]
    for place, job in enumerate(trained):
        own = sorted((row for row in rows if row.job == job), key=lambda row: row.events)
        events = [row.events for row in own]
        look = {"color": style.COLOURS[place], "marker": style.MARKERS[place], "linewidth": 1.2, "markersize": 5}
        time_axis.plot(events, [row.seconds for row in own], label=f"{job} (power {growth(own):.2f})", **look)
        peak_axis.plot(events, [row.peak_mb for row in own], **look)
    time_axis.set(xscale="log", yscale="log", ylabel="seconds of CPU an epoch")
    time_axis.yaxis.set_major_formatter("{x:g}")
    peak_axis.axhline(LIMIT, color="#888888", linestyle=":", linewidth=1)
    peak_axis.set(xscale="log", ylim=(0, LIMIT * 1.05), ylabel="peak memory, MB (dotted: 4 GiB)")
    for axis in (time_axis, peak_axis):
        axis.set_xticks(events, [f"{count / 1e6:.2f}" for count in events], minor=False)
        axis.xaxis.set_minor_locator(NullLocator())
        axis.set_xlabel("events, millions")
        axis.grid(color="#dddddd", linewidth=0.6)
    drawn.legend(loc="outside lower center", ncols=2, frameon=False)
    users = ", ".join(f"{count:,}" for count in sorted({row.users for row in rows}))
    style.title(drawn, f"Training on one thread, by number of users: {users}", "sample")
    return drawn


def main() -> None:
    cli = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    cli.add_argument("folder", type=Path, help="the output of scale_data.py")
    cli.add_argument("--shares", nargs="+", choices=SHARES, default=list(SHARES))
    cli.add_argument("--jobs", nargs="+", choices=[*STAGES, *SYSTEMS], default=[*STAGES, *SYSTEMS])
    cli.add_argument("--rounds", type=int, default=3)
    cli.add_argument("--seconds", type=float, default=20, help="CPU seconds after which a training is cut off")
    cli.add_argument("--table", type=Path, help="the TSV")
    cli.add_argument("--picture", type=Path, help="the PNG")
    cli.add_argument(
        "--measure", action="store_true", help=argparse.SUPPRESS
    )  # for the child process of one job and share
    args = cli.parse_args()
    if args.measure:
        measure(args.jobs[0], args.folder, args.seconds)
        return
    measured = args.folder / "measured.jsonl"
    for line in run(args):
        with measured.open("a") as file:
            file.write(json.dumps(line) + "\n")
        print(line, file=sys.stderr, flush=True)
    rows = table([json.loads(line) for line in measured.read_text().splitlines()])
    if args.table:
        tsv.write(args.table, tsv.text(rows))
    else:
        print(tsv.text(rows), end="")
    if args.picture:
        style.save(picture(rows), args.picture)


if __name__ == "__main__":
    main()

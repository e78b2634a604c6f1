"""Compare SASRec of RecBole and RecTools, RecTools' eSASRec and UniSRec, and our systems on one split: quality, time.

    for name in recbole rectools; do
      python3.11 -m venv venvs/$name && venvs/$name/bin/pip install -r benchmarks/libraries/requirements-$name.txt
    done
    python benchmarks/libraries/run.py results/kitchen_food/kitchen_to_food --recbole venvs/recbole/bin/python \
      --rectools venvs/rectools/bin/python --runs runs/libraries --output docs/results/libraries.tsv

Trains one system after the other, each in a separate process. Writes each result as JSON into --runs and the table to
--output, and prints the table as Markdown. --only retrains some of the systems; the table contains all in --runs.
"""

import argparse
import json
import os
import sys
from dataclasses import dataclass
from pathlib import Path

import launch

from semacdr.reporting import markdown
from semacdr.storage import tsv

HERE = Path(__file__).resolve().parent
REFERENCE = "sasrec-ce"  # this project's SASRec, with which each row is compared
FASTER = "sasrec-ce-lr3"  # the same with another learning rate, a second reference
SASREC, SEMACDR = {"model": "sasrec"}, {"model": "semacdr"}
PADDED = {"n_factors": 64, "session_max_len": 50}  # no user has more events; the default, 100, would take longer
ESASREC = {"transformer_layers_type": "ligr", "loss": "sampled_softmax", "n_negatives": 256}
ESASREC |= {
    "n_heads": 1,
    "use_key_padding_mask": True,
}  # its authors' settings for Amazon data; blocks as in all systems here
SHORT = 25  # few users of kitchen_food have more events: half the padding, so that training ends within an hour
SYSTEMS = {  # by name: script, settings
    "recbole-sasrec": ("recbole_sasrec", {}),
    "rectools-sasrec": ("rectools_sasrec", PADDED),
    "rectools-esasrec": ("rectools_sasrec", PADDED | ESASREC),
    "recbole-sasrec-short": ("recbole_sasrec", {"MAX_ITEM_LIST_LENGTH": SHORT}),
    "rectools-sasrec-short": ("rectools_sasrec", PADDED | {"session_max_len": SHORT}),
    "rectools-esasrec-short": ("rectools_sasrec", PADDED | ESASREC | {"session_max_len": SHORT}),
    "rectools-unisrec-short": ("rectools_unisrec", PADDED | {"session_max_len": SHORT}),
    "rectools-unisrec-fast-short": ("rectools_unisrec", PADDED | {"session_max_len": SHORT, "lr": 0.001}),
    "sasrec-bce": ("own", SASREC | {"loss": "bce"}),
    "sasrec-ce": ("own", SASREC | {"loss": "ce"}),
    "sasrec-ce-lr3": ("own", SASREC | {"loss": "ce", "learning_rate": 0.003}),
    "sasrec-text": ("own", SASREC | {"loss": "ce", "own": {"text": "project"}}),
    "sasrec-moe": ("own", SASREC | {"loss": "ce", "own": {"text": "moe"}}),
    "semacdr-ce": ("own", SEMACDR | {"loss": "ce"}),
    "semacdr-sampled": ("own", SEMACDR | {"loss": "sampled_softmax"}),
}


@dataclass(frozen=True)
class Row:
    """A row of the table; seconds are those of training only; validation chose the best epoch."""

    system: str
    settings: str
    threads: int
    epochs: int
    stopped: str
    seconds_an_epoch: float
    seconds: float
    cpu_seconds: float  # of all threads; if it is far below seconds x threads, the machine was busy
    best_epoch: int
    seconds_to_best: float
    valid_ndcg_10: float
    test_ndcg_10: float
    test_hr_10: float
    reference_seconds: float | None  # until our SASRec reaches the same validation NDCG@10; None: never
    ratio: float | None  # seconds_to_best divided by those
    cpu_ratio: float | None  # the same with CPU seconds, for a busy machine
    faster_seconds: float | None  # as reference_seconds, for our SASRec with the other learning rate
    faster_ratio: float | None  # seconds_to_best to those


def first_at(run: dict, value: float) -> dict | None:
    """The first epoch of a run whose validation NDCG@10 is at least a value; None if there is none."""
    return next((epoch for epoch in run["epochs"] if epoch["valid_ndcg_10"] >= value), None)


def row(run: dict, reference: dict, faster: dict) -> Row:
    """The row of a run."""
    epochs, best = run["epochs"], run["epochs"][run["best"] - 1]
    level, sooner = (first_at(own, best["valid_ndcg_10"]) for own in (reference, faster))
    return Row(
        system=run["name"],
        settings=", ".join(f"{name} {value}" for name, value in run["settings"].items()),
        threads=run["threads"],
        epochs=len(epochs),
        stopped=run["stopped"],
        seconds_an_epoch=epochs[-1]["seconds"] / len(epochs),
        seconds=epochs[-1]["seconds"],
        cpu_seconds=epochs[-1]["cpu_seconds"],
        best_epoch=run["best"],
        seconds_to_best=best["seconds"],
        valid_ndcg_10=best["valid_ndcg_10"],
        test_ndcg_10=run["test"]["ndcg_10"],
        test_hr_10=run["test"]["hr_10"],
        reference_seconds=level and level["seconds"],
        ratio=level and best["seconds"] / level["seconds"],
        cpu_ratio=level and best["cpu_seconds"] / level["cpu_seconds"],
        faster_seconds=sooner and sooner["seconds"],
        faster_ratio=sooner and best["seconds"] / sooner["seconds"],
    )


def readable(rows: list[Row]) -> str:
    """The table in Markdown."""
    titles = ["system", "ended by", "epochs", "s/epoch", "best epoch", "s to it"]
    titles += ["validation NDCG@10", "test NDCG@10", "test HR@10"]
    titles += [f"s of {REFERENCE} to the same", "times", "times, CPU", f"s of {FASTER}", "times"]
    lines = markdown.header(titles, words=2)
    for r in rows:
        until = ["never", "", ""]
        if r.ratio is not None:
            until = [f"{r.reference_seconds:.1f}", f"{r.ratio:.1f}", f"{r.cpu_ratio:.1f}"]
        until += ["never", ""] if r.faster_ratio is None else [f"{r.faster_seconds:.1f}", f"{r.faster_ratio:.1f}"]
        measures = [f"{value:.4f}" for value in (r.valid_ndcg_10, r.test_ndcg_10, r.test_hr_10)]
        seconds = [f"{r.seconds_an_epoch:.2f}", str(r.best_epoch), f"{r.seconds_to_best:.1f}"]
        lines.append(markdown.line([r.system, r.stopped, str(r.epochs), *seconds, *measures, *until]))
    return "\n".join(lines) + "\n"


def train(name: str, args: argparse.Namespace) -> None:
    """Train a system in its own environment, with its own number of threads."""
    script, settings = SYSTEMS[name]
    library, own = script.partition("_")[0], script == "own"
    python = {"recbole": args.recbole, "rectools": args.rectools, "own": sys.executable}[library]
    options = {"settings": settings, "seed": args.seed, "epochs": args.epochs, "patience": args.patience}
    options |= {} if own else {"seconds": args.library_seconds}
    threads = args.own_threads if own else args.library_threads
    launch.train(python, HERE / f"{script}.py", args.folder, name, args.runs / f"{name}.json", threads, options)


def main() -> None:
    cli = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    cli.add_argument("folder", type=Path, help="results/<scenario>/<source>_to_<target>")
    cli.add_argument("--recbole", type=os.path.abspath, help="Python of its environment")
    cli.add_argument("--rectools", type=os.path.abspath, help="Python of its environment")
    cli.add_argument("--only", nargs="*", choices=SYSTEMS, default=list(SYSTEMS))
    cli.add_argument("--runs", type=Path, required=True)
    cli.add_argument("--output", type=Path, required=True)
    cli.add_argument("--epochs", type=int, default=200)
    cli.add_argument("--patience", type=int, default=10)
    cli.add_argument(
        "--library-seconds", type=float, default=480, help="seconds of training after which no epoch starts"
    )
    cli.add_argument("--library-threads", type=int, default=2)
    cli.add_argument("--own-threads", type=int, default=1)
    cli.add_argument("--seed", type=int, default=1)
    args = cli.parse_args()
    args.runs.mkdir(parents=True, exist_ok=True)
    there = {path.stem for path in args.runs.glob("*.json")}
    if missing := {REFERENCE, FASTER} - there - set(args.only):
        cli.error(f"the table compares with {', '.join(sorted(missing))}, which {args.runs} lacks: name them in --only")
    for name in args.only:
        train(name, args)
    found = {path.stem: json.loads(path.read_text()) for path in args.runs.glob("*.json")}
    rows = [row(found[name], found[REFERENCE], found[FASTER]) for name in SYSTEMS if name in found]
    optional = {"reference_seconds", "ratio", "cpu_ratio", "faster_seconds", "faster_ratio"}
    tsv.write(args.output, tsv.text(rows, optional=optional))
    print(readable(rows), end="")
    print("load when each started:", ", ".join(f"{name} {found[name]['load']:.1f}" for name in found))


if __name__ == "__main__":
    main()

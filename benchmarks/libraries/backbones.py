"""Compare our LightGCN and NeuMF with RecBole's on one split: quality, and CPU seconds to the same quality.

    python3.11 -m venv venvs/recbole && venvs/recbole/bin/pip install -r benchmarks/libraries/requirements-recbole.txt
    taskset -c 0 python benchmarks/libraries/backbones.py results/goodreads_steam/steam_to_goodreads \
      --recbole venvs/recbole/bin/python --runs runs/backbones --output docs/results/backbones.tsv

Both sides get the same events, candidates, stopping rule and thread, and in each pair the same width, layers, loss,
negatives, learning rate and steps an epoch. Trains one system after the other with seed 1, then with seed 2 and so on,
each in a separate process. Runs that are in --runs are not trained again. The table contains all runs there and is also
printed as Markdown.
"""

import argparse
import json
import os
import statistics
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import launch
from run import first_at

from semacdr.reporting import markdown
from semacdr.storage import tsv

HERE = Path(__file__).resolve().parent
LIGHTGCN = {"model": "LightGCN", "learning_rate": 0.01, "n_layers": 3, "reg_weight": 0.0001, "require_pow": True}
NEGATIVES = {"distribution": "uniform", "sample_num": 4, "alpha": 1.0, "dynamic": False, "candidate_num": 0}
NEUMF = {"model": "NeuMF", "learning_rate": 0.003, "mlp_hidden_size": [64, 32, 16], "dropout_prob": 0.0}
NEUMF |= {"train_neg_sample_args": NEGATIVES}
# RecBole's mean is over all pairs of a batch: each negative weighs as much as its positive. So it is with our gbce
# without calibration; in our bce the negatives of a step together weigh as much as its positive.
OWN_NEUMF = {"model": "neumf", "learning_rate": 0.003, "loss": "gbce", "calibration": 0.0, "train_negatives": 4}


@dataclass(frozen=True)
class System:
    """A row of the table: its script, its settings, and for ours the row of RecBole that it is compared with."""

    script: str
    settings: dict
    against: str | None = None


# RecBole's default batch is 2,048 pairs: on Goodreads 21 steps of LightGCN an epoch; ours are 20, with 256 users.
# With 4 negatives it is 104 steps of NeuMF; ours are 105, with 48 users. The rows `-256` have 20 steps each.
SYSTEMS = {
    "recbole-lightgcn": System("recbole_backbones", LIGHTGCN),
    "lightgcn": System("own", {"model": "lightgcn", "learning_rate": 0.01}, "recbole-lightgcn"),
    "recbole-neumf": System("recbole_backbones", NEUMF),
    "neumf": System("own", OWN_NEUMF | {"batch_size": 48}, "recbole-neumf"),
    "lightgcn-ce": System("own", {"model": "lightgcn", "learning_rate": 0.01, "loss": "ce"}, "recbole-lightgcn"),
    "recbole-neumf-256": System("recbole_backbones", NEUMF | {"train_batch_size": 10565}),
    "neumf-256": System("own", OWN_NEUMF, "recbole-neumf-256"),
}

OPTIONAL = {"test_deviation", "against", "same_ndcg_10", "cpu_seconds_to_same", "against_cpu_seconds_to_same", "ratio"}


@dataclass(frozen=True)
class Row:
    """Means over seeds, by the epoch that validation chose; CPU seconds are those of training only."""

    system: str
    settings: str
    seeds: int
    epochs: float
    best_epoch: float
    ended_by: str
    cpu_seconds_an_epoch: float
    valid_ndcg_10: float
    test_ndcg_10: float
    test_deviation: float | None  # over seeds; None for one seed
    test_hr_10: float
    against: str | None  # the row of RecBole with which ours is compared, by the same seeds; None for RecBole's rows
    same_ndcg_10: float | None  # on validation: the lower of both sides' best values
    cpu_seconds_to_same: float | None  # until the first epoch with at least that value
    against_cpu_seconds_to_same: float | None
    ratio: float | None  # the mean of RecBole's seconds divided by the mean of ours


def compared(runs: Sequence[dict], others: Sequence[dict]) -> tuple[float, float, float]:
    """The quality that both sides reach, and the CPU seconds of each side until then: means over seeds."""
    found = []
    for run, other in zip(runs, others, strict=True):
        level = min(side["epochs"][side["best"] - 1]["valid_ndcg_10"] for side in (run, other))
        found.append((level, *(first_at(side, level)["cpu_seconds"] for side in (run, other))))
    level, own, against = (statistics.fmean(values) for values in zip(*found, strict=True))
    return level, own, against


def row(name: str, runs: dict[int, dict], others: dict[int, dict]) -> Row:
    """The row of a system from its runs by seed; `others` are those of the row that it is compared with."""
    ordered = [runs[seed] for seed in sorted(runs)]
    best = [run["epochs"][run["best"] - 1] for run in ordered]
    test = [run["test"]["ndcg_10"] for run in ordered]
    both = sorted(runs.keys() & others.keys())
    level = own = against = None
    if both:
        level, own, against = compared([runs[seed] for seed in both], [others[seed] for seed in both])
    return Row(
        system=name,
        settings=", ".join(f"{key} {value}" for key, value in ordered[0]["settings"].items()),
        seeds=len(ordered),
        epochs=statistics.fmean(len(run["epochs"]) for run in ordered),
        best_epoch=statistics.fmean(run["best"] for run in ordered),
        ended_by=", ".join(sorted({run["stopped"] for run in ordered})),
        cpu_seconds_an_epoch=statistics.fmean(run["epochs"][-1]["cpu_seconds"] / len(run["epochs"]) for run in ordered),
        valid_ndcg_10=statistics.fmean(epoch["valid_ndcg_10"] for epoch in best),
        test_ndcg_10=statistics.fmean(test),
        test_deviation=statistics.stdev(test) if len(test) > 1 else None,
        test_hr_10=statistics.fmean(run["test"]["hr_10"] for run in ordered),
        against=SYSTEMS[name].against if both else None,
        same_ndcg_10=level,
        cpu_seconds_to_same=own,
        against_cpu_seconds_to_same=against,
        ratio=own and against / own,
    )


def table(found: dict[str, dict[int, dict]]) -> list[Row]:
    """The rows of all systems with a run, from the runs by system and seed."""
    return [row(name, found[name], found.get(SYSTEMS[name].against, {})) for name in SYSTEMS if found.get(name)]


def readable(rows: Sequence[Row]) -> str:
    """The table in Markdown."""
    titles = ["system", "ended by", "seeds", "epochs", "best epoch", "CPU s/epoch", "validation NDCG@10"]
    titles += ["test NDCG@10", "test HR@10", "same validation NDCG@10", "CPU s to it", "RecBole's", "times"]
    lines = markdown.header(titles, words=2)
    for r in rows:
        cells = [r.system, r.ended_by, str(r.seeds), f"{r.epochs:.0f}", f"{r.best_epoch:.0f}"]
        cells += [f"{r.cpu_seconds_an_epoch:.2f}", f"{r.valid_ndcg_10:.4f}"]
        spread = "" if r.test_deviation is None else f" ± {r.test_deviation:.4f}"
        cells += [f"{r.test_ndcg_10:.4f}{spread}", f"{r.test_hr_10:.4f}"]
        if r.ratio is None:
            cells += [""] * 4
        else:
            seconds = (r.cpu_seconds_to_same, r.against_cpu_seconds_to_same, r.ratio)
            cells += [f"{r.same_ndcg_10:.4f}", *(f"{value:.1f}" for value in seconds)]
        lines.append(markdown.line(cells))
    return "\n".join(lines) + "\n"


def main() -> None:
    cli = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    cli.add_argument("folder", type=Path, help="results/<scenario>/<source>_to_<target>")
    cli.add_argument("--recbole", type=os.path.abspath, required=True, help="Python of its environment")
    cli.add_argument("--only", nargs="*", choices=SYSTEMS, default=list(SYSTEMS))
    cli.add_argument("--seeds", nargs="+", type=int, default=[1, 2, 3])
    cli.add_argument("--runs", type=Path, required=True)
    cli.add_argument("--output", type=Path, required=True)
    cli.add_argument("--epochs", type=int, default=200)
    cli.add_argument("--patience", type=int, default=10)
    args = cli.parse_args()
    args.runs.mkdir(parents=True, exist_ok=True)
    for seed in args.seeds:
        for name in args.only:
            output, system = args.runs / f"{name}.{seed}.json", SYSTEMS[name]
            if not output.exists():
                python = sys.executable if system.script == "own" else args.recbole
                options = {"settings": system.settings, "seed": seed, "epochs": args.epochs, "patience": args.patience}
                launch.train(python, HERE / f"{system.script}.py", args.folder, name, output, 1, options)
    found: dict[str, dict[int, dict]] = {}
    for path in args.runs.glob("*.json"):
        name, _, seed = path.stem.rpartition(".")
        found.setdefault(name, {})[int(seed)] = json.loads(path.read_text())
    rows = table(found)
    tsv.write(args.output, tsv.text(rows, optional=OPTIONAL))
    print(readable(rows), end="")


if __name__ == "__main__":
    main()

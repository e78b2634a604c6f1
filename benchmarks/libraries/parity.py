"""Compare our systems with their papers' official code: final quality, and seconds per epoch.

    git clone https://github.com/pmixer/SASRec.pytorch checkouts/SASRec.pytorch    # and the other repositories of PAIRS
    python3.11 -m venv venvs/pinet
    venvs/pinet/bin/pip install -r benchmarks/libraries/official/requirements-pinet.txt
    python benchmarks/libraries/parity.py results/kitchen_food/kitchen_to_food --code checkouts --runs runs/parity \
      --python pinet venvs/pinet/bin/python --seeds 1 2 3 --output docs/results/parity.tsv

Both sides get the same events, candidates, epochs and patience, use the system's published loss, and are ranked by the
same ranker; each script says which changes the official code needed. Our side has the settings of the official code
(PAIRS), not our defaults. Systems are trained one after the other, each in a separate process. Runs that are in --runs
are not trained again. The table contains all runs there and is also printed as Markdown.
"""

import argparse
import json
import statistics
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import launch

from semacdr.reporting import markdown
from semacdr.storage import tsv

HERE = Path(__file__).resolve().parent


@dataclass(frozen=True)
class Pair:
    """An official repository, and the settings of each side that make both equal."""

    repository: str
    official: dict
    ours: dict


OURS = {
    "train_negatives": 1,
    "learning_rate": 0.001,
    "batch_size": 256,
    "max_length": 50,
}  # no user has more target events
ENCODER = {"dim": 64, "blocks": 2, "dropout": 0.5}
PAIRS = {
    "sasrec": Pair(
        repository="pmixer/SASRec.pytorch",
        official={},
        ours=OURS | {"model": "sasrec", "loss": "bce", "own": ENCODER | {"norm": "post"}},
    ),
    "cl4srec": Pair(
        repository="JamZheng/CL4SRec-pytorch",
        official={"betas": [0.9, 0.98]},
        ours=OURS | {"model": "cl4srec", "loss": "bce", "own": ENCODER},
    ),
    "pinet": Pair(  # the official code drops outputs twice, 0.2 each: 0.36 in all
        repository="mamuyang/PINet",
        official={},
        ours=OURS
        | {"model": "pinet", "loss": "ce", "max_length": 100}
        | {"own": {"dim": 64, "members": 4, "dropout": 0.36, "state_dropout": 0.2, "shared_member_map": True}},
    ),
    "c2dsr": Pair(  # 15, as in the official loader: padding gets attention there, so a longer window would not help it
        repository="cjx96/C2DSR",
        official={"max_length": 15},
        ours=OURS  # the official mean is over 10 places, 4.0 of them target events, ours over target steps
        | {"model": "c2dsr", "loss": "ce", "max_length": 15}
        | {"own": ENCODER | {"transitions": "counted", "mixed_state": "published", "weight": 0.483}},
    ),
    "tri_cdr": Pair(  # 25: the official attention needs batch x length x length; with 50 an epoch takes minutes
        repository="hulkima/Tri-CDR",
        official={"maxlen": 25, "lr_decay_rate": 1.0, "whole_mixed": True},
        ours=OURS | {"model": "tri_cdr", "loss": "bce", "max_length": 25, "own": ENCODER},
    ),
}
SIDES = ("official", "ours")


@dataclass(frozen=True)
class Row:
    """One side of a pair: means over seeds of the test events' NDCG@10 by the epoch that validation chose."""

    system: str
    side: str
    code: str  # repository and commit, or this project's version
    seeds: int
    epochs: float
    best_epoch: float
    ended_by: str
    seconds_an_epoch: float
    cpu_seconds_an_epoch: float
    valid_ndcg_10: float
    equal_epochs: float  # the smaller number of both sides
    equal_ndcg_10: float  # on validation, at the best of these epochs
    equal_deviation: float | None  # over seeds; None for one seed
    full_ndcg_10: float
    full_deviation: float | None
    sampled_ndcg_10: float
    sampled_deviation: float | None


def row(system: str, side: str, runs: Sequence[dict], equal: Sequence[int]) -> Row:
    """The row of a side from its runs, one per seed, and the number of epochs that both sides have with each seed."""
    best = [run["epochs"][run["best"] - 1] for run in runs]
    level = [
        max(epoch["valid_ndcg_10"] for epoch in run["epochs"][:count]) for run, count in zip(runs, equal, strict=True)
    ]
    full, sampled = ([run[kind]["ndcg_10"] for run in runs] for kind in ("test", "test_sampled"))
    own = {name: version for name, version in runs[0]["versions"].items() if name != "torch"}
    return Row(
        system=system,
        side=side,
        code=", ".join(f"{name} {version}" for name, version in own.items()),
        seeds=len(runs),
        epochs=statistics.fmean(len(run["epochs"]) for run in runs),
        best_epoch=statistics.fmean(run["best"] for run in runs),
        ended_by=", ".join(sorted({run["stopped"] for run in runs})),
        seconds_an_epoch=statistics.fmean(_an_epoch(run, "seconds") for run in runs),
        cpu_seconds_an_epoch=statistics.fmean(_an_epoch(run, "cpu_seconds") for run in runs),
        valid_ndcg_10=statistics.fmean(epoch["valid_ndcg_10"] for epoch in best),
        equal_epochs=statistics.fmean(equal),
        equal_ndcg_10=statistics.fmean(level),
        equal_deviation=_deviation(level),
        full_ndcg_10=statistics.fmean(full),
        full_deviation=_deviation(full),
        sampled_ndcg_10=statistics.fmean(sampled),
        sampled_deviation=_deviation(sampled),
    )


def pair(name: str, sides: dict[str, list[dict]]) -> list[Row]:
    """The rows of both sides of a system from their runs, of the same seeds; none without a run."""
    equal = [min(len(run["epochs"]) for run in runs) for runs in zip(*sides.values(), strict=True)]
    return [row(name, side, runs, equal) for side, runs in sides.items() if runs]


def _an_epoch(run: dict, clock: str) -> float:
    """Seconds per epoch by a clock; without the first if there are more, because it includes pre-training."""
    first, last, after = run["epochs"][0][clock], run["epochs"][-1][clock], len(run["epochs"]) - 1
    return (last - first) / after if after else first


def _deviation(values: Sequence[float]) -> float | None:
    return statistics.stdev(values) if len(values) > 1 else None


def readable(rows: Sequence[Row]) -> str:
    """Two tables in Markdown, quality and cost: a line for each model with the official code's numbers and ours."""
    titles = ["model", "seeds", "full: official", "ours", "difference", "sampled: official", "ours", "difference"]
    quality = markdown.header([*titles, "validation, equal epochs: official", "ours", "difference"])
    cost = markdown.header(["model", "epochs: official", "ours", "s/epoch: official", "ours", "ratio"])
    for official, ours in zip(rows[::2], rows[1::2], strict=True):
        cells = [official.system, str(ours.seeds)]
        for kind in ("full", "sampled", "equal"):
            means = [getattr(side, f"{kind}_ndcg_10") for side in (official, ours)]
            spreads = [getattr(side, f"{kind}_deviation") for side in (official, ours)]
            cells += [
                f"{mean:.4f}" + ("" if spread is None else f" ± {spread:.4f}")
                for mean, spread in zip(means, spreads, strict=True)
            ] + [f"{means[1] - means[0]:+.4f}"]
        quality.append(markdown.line(cells))
        seconds = [side.seconds_an_epoch for side in (official, ours)]
        cells = [official.system, *(f"{side.epochs:.0f}" for side in (official, ours))]
        cells += [f"{value:.2f}" for value in seconds] + [f"{seconds[0] / seconds[1]:.1f}"]
        cost.append(markdown.line(cells))
    return "\n".join([*quality, "", *cost]) + "\n"


def train(name: str, side: str, seed: int, output: Path, args: argparse.Namespace) -> None:
    """Train one side of a pair with a seed."""
    pair, python = PAIRS[name], sys.executable
    options = {"seed": seed, "epochs": args.epochs, "patience": args.patience, "seconds": args.seconds}
    script, options["settings"] = HERE / "own.py", pair.ours
    if side == "official":
        script, options["settings"] = HERE / f"official/{name}.py", pair.official
        options["code"] = (args.code / pair.repository.split("/")[1]).resolve()
        python = Path(dict(args.python).get(name, python)).absolute()  # not resolved: an environment's python is a link
    launch.train(python, script, args.folder, f"{name}-{side}", output, args.threads, options)


def finished(folder: Path, name: str) -> dict[str, list[dict]]:
    """The runs of a pair by side, for the seeds that both sides have."""
    paths = {side: {path.stem: path for path in folder.glob(f"{name}-{side}-*.json")} for side in SIDES}
    seeds = {side: {stem.rpartition("-")[2] for stem in found} for side, found in paths.items()}
    both = sorted(set.intersection(*seeds.values()), key=int)
    return {side: [json.loads(paths[side][f"{name}-{side}-{seed}"].read_text()) for seed in both] for side in SIDES}


def main() -> None:
    cli = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    cli.add_argument("folder", type=Path, help="results/<scenario>/<source>_to_<target>")
    cli.add_argument("--code", type=Path, required=True, help="folder of the checkouts, each by its repository's name")
    cli.add_argument("--python", nargs=2, action="append", default=[], metavar=("SYSTEM", "PATH"), help="its own")
    cli.add_argument("--only", nargs="+", choices=PAIRS, default=list(PAIRS))
    cli.add_argument("--seeds", nargs="+", type=int, default=[1, 2, 3])
    cli.add_argument("--runs", type=Path, required=True)
    cli.add_argument("--output", type=Path, required=True)
    cli.add_argument("--epochs", type=int, default=200)
    cli.add_argument("--patience", type=int, default=10)
    cli.add_argument(
        "--seconds", type=float, default=float("inf"), help="seconds of training after which no epoch starts"
    )
    cli.add_argument("--threads", type=int, default=1)
    args = cli.parse_args()
    args.runs.mkdir(parents=True, exist_ok=True)
    wanted = [(seed, name, side) for seed in args.seeds for name in args.only for side in SIDES]
    for seed, name, side in wanted:
        output = args.runs / f"{name}-{side}-{seed}.json"
        if not output.exists():
            train(name, side, seed, output, args)
    rows = [line for name in PAIRS for line in pair(name, finished(args.runs, name))]
    tsv.write(args.output, tsv.text(rows, optional={"full_deviation", "sampled_deviation", "equal_deviation"}))
    print(readable(rows), end="")


if __name__ == "__main__":
    main()

"""Fixtures that write run folders and run the stages that read them."""

import csv
import json

import pyarrow as pa
import pytest

from semacdr.evaluation.runs import RANKINGS
from semacdr.stages import metrics
from semacdr.storage import tables

META = {
    "release": "amazon2014",
    "scenario": "movie_book",
    "source": "movie",
    "target": "book",
    "model": "sasrec",
    "seed": "1",
}
COST = {"parameters": 12_345, "epochs": 10, "best_epoch": 6, "training_seconds": 50.0, "pretraining_seconds": 0.0}
COST |= {"validation_seconds": 5.0, "best_seconds": 36.4, "peak_mb": 1512.4, "device": "cpu", "threads": 2}


@pytest.fixture
def write_run(tmp_path):
    """Write a run's folder: test ranks by user (and validation ranks that must not count), or whole rows; its settings
    and costs. Cold users have no validation rank. The run's name is `run`, else of the model and a number. `epochs`:
    the validation NDCG@10 of each epoch, for history.tsv.
    """

    def writer(
        full=None, sampled=None, *, rows=None, valid=1.0, cold=(), without=(), tuned=None, cost=(), epochs=(),
        loss="ce", **meta,
    ):  # fmt: skip
        meta |= {"cold_users": "0.5"} if cold else {}
        meta = META | meta
        number = len(list(tmp_path.glob("runs/*")))
        folder = tmp_path / "runs" / f"run{number}" / f"seed{meta['seed']}"
        settings = meta | {
            "tuned": tuned,
            "settings": {},
            "training": {"loss": loss, "learning_rate": 0.001, "patience": 2},
        }
        stored = {key: value for key, value in meta.items() if key not in without}
        ranks = table(rows or rank_rows(full, sampled or full, valid, cold))
        tables.write(ranks, folder / "ranks.parquet", "ranks", stored)
        (folder / "settings.json").write_text(json.dumps(settings))
        (folder / "cost.json").write_text(json.dumps(COST | dict(cost)))
        if epochs:
            lines = [f"{number}\t{value}\n" for number, value in enumerate(epochs, 1)]
            (folder / "history.tsv").write_text("epoch\tvalid_ndcg_10\n" + "".join(lines))
        return folder

    return writer


@pytest.fixture
def comparing(tmp_path):
    """Run a stage that compares variants (name: runs); return the rows of its TSV and the text of its page."""

    def runner(stage, *options, **variants):
        argv = ["--output", str(tmp_path / "c.tsv"), "--table", str(tmp_path / "c.md"), *map(str, options)]
        for name, folders in variants.items():
            argv += ["--runs", name, *map(str, folders)]
        stage.main(argv)
        with (tmp_path / "c.tsv").open(newline="") as file:
            return list(csv.DictReader(file, delimiter="\t")), (tmp_path / "c.md").read_text()

    return runner


def rank_rows(full, sampled, valid, cold):
    rows = [(user, "valid", ranking, valid) for user in full if user not in cold for ranking in RANKINGS]
    for ranking, ranks in (("full", full), ("sampled", sampled)):
        rows += [(user, "test", ranking, float(rank)) for user, rank in ranks.items()]
    return rows


def table(rows):
    names = ("user", "split", "ranking", "rank")
    return pa.table({name: [row[index] for row in rows] for index, name in enumerate(names)})


def model_of(folder):
    """The model of a run's folder."""
    return tables.read(folder / "ranks.parquet", "ranks")[1].get("model", "sasrec")


@pytest.fixture
def metrics_stage(tmp_path):
    """Run the stage on runs by MODEL/VARIANT, or on folders whose systems are MODEL/full; return rows and page."""

    def runner(*folders, systems=None, paper=None, ks=(), candidates=()):
        output, readable = tmp_path / "out/metrics.tsv", tmp_path / "out/metrics.md"
        systems = dict(systems or {})
        for folder in folders:
            systems.setdefault(f"{model_of(folder)}/full", []).append(folder)
        options = [part for name, own in systems.items() for part in ("--runs", name, *own)]
        options += ["--output", output, "--summary", output.with_name("summary.tsv"), "--table", readable]
        options += ["--paper", paper] if paper else []
        options += ["--candidates", *candidates] if candidates else []
        metrics.main([str(option) for option in [*options, *(["--ks", *ks] if ks else [])]])
        with output.open(encoding="utf-8", newline="") as file:
            return list(csv.DictReader(file, delimiter="\t")), readable.read_text(encoding="utf-8")

    return runner

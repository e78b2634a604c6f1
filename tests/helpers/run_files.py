"""Fixtures that write files of ranks and run the stages that read them."""

import csv

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
    "variant": "full",
    "seed": "1",
}


@pytest.fixture
def write_ranks(tmp_path):
    """Write a run, of test ranks by user (and validation ranks that must not count) or of whole rows.

    Those who are cold have no validation rank.
    """

    def writer(full=None, sampled=None, *, rows=None, valid=1.0, cold=(), without=(), **meta):
        meta |= {"cold_users": "0.5"} if cold else {}
        meta = {key: value for key, value in (META | meta).items() if key not in without}
        path = tmp_path / f"run{len(list(tmp_path.glob('run*')))}" / "ranks.parquet"
        tables.write(table(rows or rank_rows(full, sampled or full, valid, cold)), path, "ranks", meta)
        return path

    return writer


@pytest.fixture
def comparing(tmp_path):
    """Run a stage that compares variants, by name their runs; return the rows of its TSV and the text of its page."""

    def runner(stage, *options, **variants):
        argv = ["--output", str(tmp_path / "c.tsv"), "--table", str(tmp_path / "c.md"), *map(str, options)]
        for name, paths in variants.items():
            argv += ["--runs", name, *map(str, paths)]
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


@pytest.fixture
def metrics_stage(tmp_path):
    """Run the stage; return the rows of the TSV and the text of the readable table."""

    def runner(*paths, paper=None, ks=(), costs=()):
        output, readable = tmp_path / "out/metrics.tsv", tmp_path / "out/metrics.md"
        options = ["--ranks", *paths, "--output", output, "--table", readable]
        options += ["--costs", *costs] if costs else []
        options += ["--paper", paper] if paper else []
        metrics.main([str(option) for option in [*options, *(["--ks", *ks] if ks else [])]])
        with output.open(encoding="utf-8", newline="") as file:
            return list(csv.DictReader(file, delimiter="\t")), readable.read_text(encoding="utf-8")

    return runner

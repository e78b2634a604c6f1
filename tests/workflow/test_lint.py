"""The workflow as shipped: its lint, its layout, and a DAG for every scenario of config.yaml."""

import csv
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from semacdr import models

pytestmark = pytest.mark.slow


def test_lint(checkout):
    status, text = checkout.call("--lint")
    assert status == 0, text


def test_format(checkout):
    command = [sys.executable, "-m", "snakefmt", "--check", "Snakefile", "workflow"]
    done = subprocess.run(command, cwd=checkout.folder, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("scenario", ["movie_book", "kitchen_food", "cd_movie"])
def test_dag(checkout, scenario):
    config = yaml.safe_load((checkout / "config.yaml").read_text())
    listed = config["scenarios"][scenario].get("metrics", config["metrics"])["systems"]
    systems = config["train"]["systems"] if listed == "all" else listed
    source = config["raw"][config["scenarios"][scenario]["release"]]["source"]
    jobs = checkout.plan(f"results/{scenario}/metrics.tsv")
    assert jobs.get("sample", 0) == (source == "sample")
    assert jobs.get("raw", 0) == (0 if source == "sample" else 4)
    for rule, expected in {"preprocess": 1, "taxonomy": 1, "semantics": 1, "encode": 1, "split": 2, "graph": 2}.items():
        assert jobs[rule] == expected
    assert jobs["train"] == jobs["rank"] >= 2 * len(systems)
    assert jobs["metrics"] == 1


def test_a_setting_that_asks_for_more_inputs_gets_them_made(checkout, tmp_path):
    project = checkout.copy(tmp_path / "project")
    systems = {"plain": {"model": "tri_cdr"}, "enhanced": {"model": "tri_cdr", "settings": {"semantics": True}}}
    project.configure(lambda config: config["train"].update(systems=systems))
    plain, enhanced = (project.plan(f"results/movie_book/movie_to_book/{name}/seed1/ranks.parquet") for name in systems)
    assert plain == {"sample": 1, "preprocess": 1, "split": 1, "train": 1, "rank": 1}
    assert enhanced == plain | {"taxonomy": 1, "semantics": 1, "encode": 1}


@pytest.mark.parametrize("scenario", ["kitchen_food", "movie_book"])
def test_the_result_table_has_a_row_for_each_of_the_paper_s(checkout, scenario):
    printed = csv.DictReader((checkout / "resources/paper/results.tsv").read_text().splitlines(), delimiter="\t")
    status, text = checkout.call("-n", "-p", f"results/{scenario}/metrics.tsv")
    assert status == 0, text
    trained = set(re.findall(r"python -m semacdr.stages.train .*?--model (\w+) --variant (\w+) ", text))
    assert {(row["model"], row["variant"]) for row in printed} <= trained
    (ranked,) = re.findall(r"semacdr.stages.metrics (--runs .*?) --candidates", text)
    rows = [*dict.fromkeys(Path(path).parts[3] for path in ranked.split() if path.startswith("results/"))]
    shipped = yaml.safe_load((checkout / "config.yaml").read_text())["train"]["systems"]
    assert rows == [*shipped]


def test_a_table_of_a_system_that_is_not_there_is_refused(checkout, tmp_path):
    (tmp_path / "laid.yaml").write_text("scenarios: {movie_book: {metrics: {systems: [sasrec, sasrecs]}}}")
    status, text = checkout.call("-n", "--configfile", f"{tmp_path}/laid.yaml", "--", "results/movie_book/metrics.tsv")
    assert status != 0 and "metrics.systems names 'sasrecs'; train.systems are popularity, item_knn" in text, text


def test_in_the_field_one_loss_is_for_all_and_what_learns_nothing_stands_for_every_seed(checkout, tmp_path):
    (tmp_path / "laid.yaml").write_text("scenarios: {movie_book: {train: {seeds: [1, 2]}}}")
    status, text = checkout.call(
        "-n", "-p", "--configfile", f"{tmp_path}/laid.yaml", "--", "results/movie_book/field.tsv"
    )
    assert status == 0, text
    losses = dict(
        re.findall(r"semacdr.stages.train .*?--model (\w+) --variant \w+ --settings '.*?' +(?:--loss (\w+) )?", text)
    )
    assert len(losses) > 10
    assert set(losses.values()) == {"", "ce"}
    trained = {name: loss or models.load(name).LOSS for name, loss in losses.items()}
    assert {name for name, loss in trained.items() if loss != "ce"} == {"popularity", "item_knn", "markov"}
    (compared,) = re.findall(r"semacdr.stages.compare (--runs .*) --title", text)
    runs = {name: paths for name, *paths in map(str.split, compared.split("--runs ")[1:])}
    assert len(set(runs["semacdr"])) == len(runs["semacdr"]) == len(runs["markov"]) == 4  # two seeds, two directions
    first, _, other, _ = runs["markov"]
    assert runs["markov"] == [first, first, other, other] and "/seed1/" in first


def test_all_scenarios_are_tried(checkout):
    config = yaml.safe_load((checkout / "config.yaml").read_text())
    assert {*config["scenarios"]} == {"movie_book", "kitchen_food", "cd_movie"}


def test_promised_cores_run_no_more_threads_than_there_are_cpus(checkout):
    """With four times the cores that the machine has, a job of one thread asks for four of them."""
    there = len(os.sched_getaffinity(0))
    status, text = checkout.call("results/kitchen_food/metrics.tsv", "-n", "--cores", str(4 * there))
    assert status == 0, text
    asked = dict(re.findall(r"^rule (\w+):\n(?:    .*\n)*?    threads: (\d+)$", text, re.MULTILINE))
    assert asked["train"] == asked["rank"] == "4"
    assert asked["encode"] == str(4 * min(2, there))

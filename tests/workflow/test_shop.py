"""docs/your-own-data.md: its commands run as written, and a changed table makes everything after it stale."""

import csv
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from project import ROOT

from semacdr.storage import tsv

pytestmark = pytest.mark.slow

PAGE = (ROOT / "docs/your-own-data.md").read_text()
COMMANDS, RECOMMEND = (
    re.search(rf"<!-- {name} -->\n```bash\n(.*?)```", PAGE, re.DOTALL)[1] for name in ("shop", "recommend")
)


def run_page(project, commands):
    """Run a block of commands of the page in the project's folder and return what it prints."""
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    environment = os.environ | {"PATH": path, "CUDA_VISIBLE_DEVICES": ""}
    command = ["bash", "-euo", "pipefail", "-c", commands]
    done = subprocess.run(command, cwd=project.folder, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def shop(checkout, tmp_path_factory):
    """The project after the commands of the page."""
    project = checkout.copy(tmp_path_factory.mktemp("shop") / "project")
    assert "\nready: snakemake" in run_page(project, COMMANDS)
    return project


def test_the_page_names_how_many_rows_the_script_makes(shop):
    rows = 0
    for path in (shop / "shop").glob("*.csv"):
        with path.open(encoding="utf-8", newline="") as file:
            rows += sum(1 for _ in csv.reader(file)) - 1
    assert f"{rows:,} rows" in PAGE


def test_systems_learn_something(shop):
    found = {}
    for row in tsv.read(shop / "results/song_podcast/metrics.tsv"):
        if (row["ranking"], row["metric"], row["k"]) == ("full", "ndcg", "10"):
            found[row["target"], row["model"]] = float(row["mean"])
    for target in ("song", "podcast"):
        for model in ("seq_rules", "sasrec"):
            assert found[target, model] > 1.5 * found[target, "popularity"]


def test_a_changed_table_reruns_preprocess_and_what_follows(shop, tmp_path):
    project = shop.copy(tmp_path / "project")
    target = ("--cores", "2", "results/song_podcast/metrics.tsv", "--configfile", "examples/shop/shop.yaml")
    assert project.plan(*target) == {}
    with (project / "shop/plays.csv").open("a") as file:
        file.write('u0000,"sea,3",2024-09-09T12:00:00Z,5\n')
    jobs = project.plan(*target)
    assert {"preprocess", "split", "train", "metrics"} <= set(jobs)


def test_recommendations_for_somebody_new_and_for_a_listener(shop):
    lines = [line.split("\t") for line in run_page(shop, RECOMMEND).splitlines()]
    new, known = lines[1:6], lines[7:12]
    assert [row[1] for row in new] == [row[1] for row in known] == list("12345")
    assert all(row[2].startswith("歌-") for row in new + known)
    assert {row[0] for row in known} == {"u0000"}
    assert {row[-1] for row in new} == {"history"} and {row[-1] for row in known} == {"now"}
    assert any("theme: sea (2 of 3 events)" in row for row in new)

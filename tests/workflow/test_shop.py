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
COMMANDS = re.search(r"<!-- shop -->\n```bash\n(.*?)```", PAGE, re.DOTALL)[1]


@pytest.fixture(scope="module")
def shop(checkout, tmp_path_factory):
    """The project after the commands of the page."""
    project = checkout.copy(tmp_path_factory.mktemp("shop") / "project")
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    command = ["bash", "-euo", "pipefail", "-c", COMMANDS]
    environment = os.environ | {"PATH": path, "CUDA_VISIBLE_DEVICES": ""}
    done = subprocess.run(command, cwd=project.folder, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
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
        for model in ("seq_rules", "sasrec", "semacdr"):
            assert found[target, model] > 1.5 * found[target, "popularity"]


def test_a_changed_table_reruns_preprocess_and_what_follows(shop, tmp_path):
    project = shop.copy(tmp_path / "project")
    target = ("--cores", "2", "results/song_podcast/metrics.tsv", "--configfile", "examples/shop/shop.yaml")
    assert project.plan(*target) == {}
    with (project / "shop/plays.csv").open("a") as file:
        file.write('u0000,"sea,3",2024-09-09T12:00:00Z,5\n')
    jobs = project.plan(*target)
    assert {"preprocess", "split", "train", "metrics"} <= set(jobs)

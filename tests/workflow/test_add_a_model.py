"""docs/add-a-model.md, followed word by word as a new user would."""

import os
import re
import subprocess
import sys

import pytest
import yaml
from project import ROOT

pytestmark = pytest.mark.slow

FEW = ("popularity", "sasrec", "semacdr")  # of the tiny project
PAGE = (ROOT / "docs/add-a-model.md").read_text()


def block(name):
    """The page's block of code under the comment of that name."""
    return re.search(rf"<!-- {name} -->\n```\w+\n(.*?)```", PAGE, re.DOTALL)[1]


@pytest.fixture
def followed(project):
    """The finished tiny project, without its GRU4Rec, with the page's additions."""
    variant = f"    {block('variants').strip()},\n"
    systems, model = project / "tests/models/test_systems.py", project / "src/semacdr/models/gru4rec.py"
    assert model.read_text() == block("the file") and systems.read_text().count(variant) == 1
    systems.write_text(systems.read_text().replace(variant, "").replace("\n]\n", f"\n{variant}]\n", 1))
    own = {"metrics": {"systems": [*FEW]}}  # otherwise the new systems would become rows at once
    project.configure(lambda config: config["scenarios"]["movie_book"].update(own))
    project.configure(lambda config: config["train"]["systems"].update(yaml.safe_load(block("config"))))
    assert project.plan() == {}
    project.configure(lambda config: config["scenarios"]["movie_book"].update(yaml.safe_load(block("table"))))
    return project


def shell(project, command):
    """The output of a command of the page, run in the project."""
    path = f"{os.path.dirname(sys.executable)}{os.pathsep}{os.environ['PATH']}"  # noqa: PTH120
    environment = os.environ | {"PATH": path, "PYTHONPATH": str(project / "src"), "CUDA_VISIBLE_DEVICES": ""}
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", command], cwd=project.folder, env=environment, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_the_page_adds_a_model_that_passes_the_common_tests(followed):
    printed = shell(followed, block("tests").replace("pytest ", "pytest -v -p no:cacheprovider ", 1))
    passed = re.findall(r"::(\w+)\[gru4rec.* PASSED", printed)
    assert {
        "test_an_event_after_the_test_event_changes_no_byte",
        "test_an_event_between_validation_and_test_changes_that_users_test_rank_alone",
        "test_the_state_of_a_step_depends_on_nothing_at_or_after_its_positive",
        "test_scores_do_not_depend_on_the_other_users_of_the_batch",
        "test_gradients_reach_every_parameter",
        "test_overfits_a_handful_of_users",
        "test_same_seed_same_bytes_other_seed_others",
        "test_a_future_source_event_in_the_raw_data_changes_no_rank",
        "test_a_step_makes_the_same_number_of_calls_for_longer_histories",
    } <= {*passed}
    assert printed.count("[gru4rec-{'history': 'mixed'}] PASSED") == 3  # the variant in the tests for variants
    assert re.search(r"test_training_and_ranking_need_little\[semacdr.models.gru4rec\] PASSED", printed)


def test_the_page_trains_its_model(followed):
    printed = shell(followed, block("training"))
    assert printed.split()[:2] == ["epoch", "loss"] and len(printed.splitlines()) == 3  # the tiny project's two epochs
    assert followed.plan() == {}


def test_the_page_is_short_and_its_file_is_as_code_is_written_here(followed):
    assert len(PAGE.splitlines()) <= 150
    command = [sys.executable, "-m", "ruff", "check", "src/semacdr/models/gru4rec.py"]
    done = subprocess.run(command, cwd=followed.folder, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout

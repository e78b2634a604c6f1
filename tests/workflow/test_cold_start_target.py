"""The target cold_start: its trainings, what makes it stale, and the effect of cold users on all stages after split."""

import csv

import pytest

pytestmark = pytest.mark.slow

TARGET = "results/movie_book/cold_start.tsv"


def tiny(config):
    """Three variants, of which two are systems of the table."""
    config["cold_start"] |= {
        "system": {"model": "semacdr", "settings": {"dim": 16}},
        "variants": {"sasrec": {"model": "sasrec"}, "semacdr": {}, "without_graph": {"settings": {"graph": "none"}}},
    }


def rows_of(project, path):
    with (project / path).open(newline="") as file:
        return list(csv.DictReader(file, delimiter="\t"))


def test_it_trains_new_runs_and_reruns_only_for_its_settings_and_code(project):
    project.configure(tiny)
    assert project.run() == {}
    assert project.run(TARGET) == {"train": 2, "rank": 2, "cold_start": 1}
    assert project.run(TARGET) == {}
    project.configure(lambda config: config.update(metrics={"ks": [3]}))
    project.append("src/semacdr/stages/compare.py", "# a comment\n")
    assert project.plan(TARGET) == {}
    project.configure(lambda config: config["cold_start"].update(user_groups=[4]))
    assert project.run(TARGET) == {"cold_start": 1}
    assert {row["group"] for row in rows_of(project, TARGET) if row["grouping"] == "user"} <= {"1-4", ">4"}
    project.configure(lambda config: config["scenarios"]["movie_book"].update(cold_start={"user_groups": [4]}))
    assert project.plan(TARGET) == {}
    project.append("src/semacdr/stages/cold_start.py", "# a comment\n")
    assert project.plan(TARGET) == {"cold_start": 1}


def test_cold_users_make_all_stages_after_split_stale_and_have_a_separate_group(project):
    project.configure(lambda config: config["split"].update(cold_users=0.3))
    project.configure(tiny)
    metrics = "results/movie_book/metrics.tsv"
    jobs = {"split": 2, "graph": 2, "train": 8, "rank": 8, "metrics": 1, "cold_start": 1}
    assert project.run(metrics, TARGET) == jobs
    cold = {row["users"] for row in rows_of(project, TARGET) if row["group"] == "0"}
    assert cold == {row["users"] for row in rows_of(project, metrics) if row["group"] == "cold"}
    assert {row["group"] for row in rows_of(project, metrics)} == {"warm", "cold"}
    assert {row["grouping"] for row in rows_of(project, TARGET)} == {"user", "item"}
    assert project.run(metrics, TARGET) == {}

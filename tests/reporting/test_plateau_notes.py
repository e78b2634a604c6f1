"""Tables and pages name the runs at the level of popularity."""

import pytest

from semacdr.reporting.page.experiments import read_experiment
from semacdr.stages import cold_start, compare

POPULARITY = {"best_epoch": 1, "popularity_valid_ndcg_10": 0.4}
SENTENCE = (
    "\n**At the level of popularity**: on validation events, the best epoch of these runs has at most 1.2 times the"
    " NDCG@10 of the most popular items (full ranking), so their numbers do not show what the system can do: {}.\n\n## "
)


@pytest.fixture
def runs(write_run):
    """Two systems; seeds 1 and 3 of the first are at the level of popularity, 0.4."""

    def seeds(values, model):
        return [
            write_run({1: 1, 2: 3}, cost=POPULARITY, epochs=[value], model=model, seed=str(seed))
            for seed, value in enumerate(values, 1)
        ]

    return {"sasrec": seeds([0.4, 0.5, 0.31], "sasrec"), "semacdr": seeds([0.5, 0.6, 0.7], "semacdr")}


def flags(rows, name):
    return {row["at_popularity"] for row in rows if row[name] == "sasrec"}, {
        row["at_popularity"] for row in rows if row[name] == "semacdr"
    }


def test_metrics(runs, metrics_stage, write_run):
    rows, page = metrics_stage(systems={f"{name}/full": own for name, own in runs.items()})
    assert flags(rows, "model") == ({"1, 3"}, {""})
    assert (
        SENTENCE.format("SASRec, movie → book, seeds 1 (0.4000) and 3 (0.3100) against 0.4000").removesuffix("## ")
        in page
    )
    assert "* SASRec (movie → book) did not leave the level of popularity" in page.split("## How to read")[0]
    rows, page = metrics_stage(systems={"semacdr/full": runs["semacdr"]})
    assert "at_popularity" not in rows[0] and "evel of popularity" not in page


def test_compare_and_the_report_s_experiments(runs, comparing, tmp_path):
    rows, page = comparing(compare, **runs)
    assert flags(rows, "variant") == ({"1, 3"}, {""})
    assert SENTENCE.format("SASRec, movie → book, seeds 1 (0.4000) and 3 (0.3100) against 0.4000") in page
    assert read_experiment(tmp_path / "c.tsv", {}).at_popularity == "SASRec, movie → book, seeds 1, 3"


def test_a_comparison_without_such_runs_has_no_column(runs, comparing, tmp_path):
    rows, page = comparing(compare, semacdr=runs["semacdr"], again=runs["semacdr"])
    assert "at_popularity" not in rows[0] and "level of popularity" not in page
    assert read_experiment(tmp_path / "c.tsv", {}).at_popularity == ""


def test_cold_start_uses_the_same_pages():
    assert cold_start.write_comparison is compare.write_comparison

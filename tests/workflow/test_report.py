"""The target report: what it makes, what makes it stale."""

import re

import pytest

pytestmark = pytest.mark.slow

TARGET = "results/movie_book/report.html"


@pytest.fixture
def reporting(project):
    """The finished project with a report on its two trained systems."""
    section = {"systems": ["semacdr", "sasrec"], "experiments": [], "figures": ["taste_similarity"]}

    def change(config):
        config["scenarios"]["movie_book"]["report"] = section
        config["taste_similarity"] = {"permutations": 20, "min_events": [1, 3]}

    project.configure(change)
    return project


def test_it_makes_new_results_and_reruns_only_for_its_settings_code_and_templates(reporting):
    assert reporting.run(TARGET) == {"recommend": 4, "taste_similarity": 1, "report": 1}
    page = (reporting / TARGET).read_text()
    assert len(re.findall("data-user=", page)) == 24 and "<b>Experiments</b>: none was requested" in page
    assert reporting.run(TARGET) == {}
    reporting.configure(lambda config: config["report"].update(users=2))
    assert reporting.run(TARGET) == {"report": 1}
    assert len(re.findall("data-user=", (reporting / TARGET).read_text())) == 4
    reporting.append("src/semacdr/reporting/page/templates/page.css", "/* a comment */\n")
    assert reporting.plan(TARGET) == {"report": 1}
    reporting.configure(lambda config: config.update(recommend={"top": 5}))
    assert reporting.plan(TARGET) == {"recommend": 4, "report": 1}


def test_the_sample_s_report_takes_one_seed_of_an_ablation_and_shares_its_runs(checkout):
    jobs = checkout.plan("results/movie_book/metrics.tsv")
    more = checkout.plan(TARGET)
    assert more["train"] - jobs["train"] == 16  # of the ablation; cold start and domain_mixing share them
    assert more["recommend"] == 4 and more["report"] == 1


def test_an_experiment_of_more_seeds_shares_the_runs_that_are_there(checkout):
    metrics, plus = "results/movie_book/metrics.tsv", "results/movie_book/plus.tsv"
    jobs, more = checkout.plan(metrics), checkout.plan(metrics, plus)
    # In each direction: of five seeds the table has one of SemaCDR and of SASRec, and none of plus with user vectors.
    assert more["train"] - jobs["train"] == 2 * (4 + 4 + 5)
    assert checkout.plan(plus)["train"] == 2 * 3 * 5

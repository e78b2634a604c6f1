"""The target report: its outputs, what makes it stale, and unknown names in its section."""

import re

import pytest

pytestmark = pytest.mark.slow

TARGET = "results/movie_book/report.html"


@pytest.fixture
def reporting(project):
    """The finished project with a report on its two trained systems."""
    section = {"systems": ["semacdr", "sasrec"], "experiments": [], "figures": ["profiles"]}

    def change(config):
        config["scenarios"]["movie_book"]["report"] = section
        config["profiles"] |= {"permutations": 20, "min_events": [1, 3]}

    project.configure(change)
    return project


def test_it_makes_new_results_and_reruns_only_for_its_settings_code_and_templates(reporting):
    assert reporting.run(TARGET) == {"recommend": 4, "profiles": 1, "report": 1}
    page = (reporting / TARGET).read_text()
    assert len(re.findall("data-user=", page)) == 24 and "<b>Experiments</b>: none was requested" in page
    assert reporting.run(TARGET) == {}
    reporting.configure(lambda config: config["report"].update(people=2))
    assert reporting.run(TARGET) == {"report": 1}
    assert len(re.findall("data-user=", (reporting / TARGET).read_text())) == 4
    reporting.append("src/semacdr/reporting/page/templates/page.css", "/* a comment */\n")
    assert reporting.plan(TARGET) == {"report": 1}
    reporting.configure(lambda config: config["recommend"].update(top=5))
    assert reporting.plan(TARGET) == {"recommend": 4, "report": 1}


@pytest.mark.parametrize(
    ("key", "name", "known"),
    [("systems", "semacdrs", "popularity, sasrec, semacdr"), ("experiments", "ablations", "ablation"),
     ("figures", "figure", "overlap, profiles")],
)  # fmt: skip
def test_what_is_not_there_is_refused_by_name(reporting, key, name, known):
    reporting.configure(lambda config: config["scenarios"]["movie_book"]["report"].update({key: [name]}))
    status, text = reporting.call("-n", TARGET)
    assert status != 0 and f"report.{key} names '{name}'; there are {known}" in text


def test_the_sample_s_report_takes_one_seed_of_an_ablation_and_shares_its_runs(checkout):
    jobs = checkout.plan("results/movie_book/metrics.tsv")
    more = checkout.plan(TARGET)
    assert more["train"] - jobs["train"] == 16  # of the ablation; cold start and overlap take these
    assert more["recommend"] == 4 and more["report"] == 1


def test_an_experiment_of_more_seeds_shares_the_runs_that_are_there(checkout):
    metrics, plus = "results/movie_book/metrics.tsv", "results/movie_book/plus.tsv"
    jobs, more = checkout.plan(metrics), checkout.plan(metrics, plus)
    assert more["train"] - jobs["train"] == 2 * (4 + 5 + 4)  # in each direction: of five seeds the table has one
    assert checkout.plan(plus)["train"] == 2 * 3 * 5


def test_a_file_laid_over_the_config_that_names_later_experiments_first_renames_no_run(checkout):
    status, text = checkout.call("-n", "--configfile", "examples/quick.yaml", "--", "results/movie_book/plus.tsv")
    assert status == 0 and "/plus-plus/seed1/" in text and "/field-plus/" not in text


def test_a_file_laid_over_the_config_that_names_one_variant_does_not_make_it_the_reference(checkout, tmp_path):
    laid = tmp_path / "laid.yaml"
    laid.write_text("compare: {loss: {variants: {gbce: {patience: 40}, mine: {loss: ce}}}}")
    status, text = checkout.call("-n", "-p", "--configfile", laid, "--", "results/movie_book/loss.tsv")
    command = next(line for line in text.splitlines() if "semacdr.stages.compare" in line)
    assert status == 0 and "--patience 40" in text
    names = re.findall(r"--runs (\w+) ", command)
    assert names == ["bpr", "bce", "gbce", "sampled_softmax", "ce", "mine"]


def test_an_experiment_takes_its_own_seeds_and_not_those_that_the_table_asks_of_a_system(checkout, tmp_path):
    project = checkout.copy(tmp_path / "project")
    project.configure(lambda config: config["train"]["systems"]["semacdr-ce"].update(seeds=[1, 2, 3, 4]))
    status, text = project.call("-n", "results/movie_book/visibility.tsv")
    assert status == 0 and "semacdr-ce/seed1/" in text and "semacdr-ce/seed2/" not in text
    status, text = project.call("-n", "results/movie_book/metrics.tsv")
    assert status == 0 and "semacdr-ce/seed4/" in text and "sasrec-ce/seed2/" not in text

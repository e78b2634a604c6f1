"""Unknown targets are refused in one line with the known names; every example reaches its targets."""

import re

import pytest
import yaml
from plans import ROOT, example, overlaid, plan_of

from semacdr.errors import UserError
from semacdr.plan.config import Config
from semacdr.plan.plan import Plan
from semacdr.plan.start import load_plan, targets
from semacdr.plan.targets import check, needed_runs


@pytest.mark.parametrize(
    ("target", "words"),
    [
        ("results/nope/metrics.tsv", ["no scenario 'nope'", "known: movie_book, kitchen_food, cd_movie"]),
        ("results/movie_bok/metrics.tsv", ["did you mean 'movie_book'?"]),
        ("results/movie_book/ablaton.tsv", ["nothing makes 'ablaton'; did you mean 'ablation'?", "experiments are "]),
        ("results/movie_book/metrics.csv", ["'metrics' is made as metrics.tsv, metrics.md"]),
        ("results/movie_book/ablation.png", ["'ablation' is made as ablation.tsv, ablation.md"]),
        (
            "results/movie_book/movie_to_boks/split.parquet",
            ["no folder 'movie_to_boks'; did you mean"],
        ),
        ("results/movie_book/movie_to_book/sasrec/seed1/ranks.parquet", ["is the run sasrec"]),
    ],
)
def test_an_unknown_target_lists_what_is_known(target, words):
    with pytest.raises(UserError) as refused:
        check(plan_of(), [target])
    assert all(word in str(refused.value) for word in words), refused.value


def test_wrong_names_in_sections_are_refused_with_their_file():
    for change, target, words in (
        ({"metrics": {"systems": ["sasrek"]}}, "metrics.tsv", "there is no 'sasrek'; did you mean 'sasrec'?"),
        ({"report": {"systems": ["sasrek"]}}, "report.html", "report.systems: there is no 'sasrek'"),
        ({"efficiency": {"experiment": "base"}}, "efficiency.tsv", "efficiency.experiment: there is no 'base'"),
        ({"sensitivity": {"experiments": ["loss"]}}, "sensitivity.tsv", "sensitivity.experiments: there is no 'loss'"),
        ({"domain_mixing": {"variants": ["ful"]}}, "domain_mixing.tsv", "domain_mixing.variants: there is no 'ful'"),
    ):  # fmt: skip
        with pytest.raises(UserError) as refused:
            load_plan(overlaid(change), [ROOT / "config.yaml"], [f"results/kitchen_food/{target}"])
        assert words in str(refused.value)


def test_a_missing_taxonomy_and_missing_local_files_are_named_before_anything_runs(tmp_path):
    local = {"raw": {"amazon2014": {"source": "local", "folder": str(tmp_path)}}}
    with pytest.raises(UserError, match=r"raw\.amazon2014\.folder: scenario kitchen_food: .*Home_and_Kitchen"):
        load_plan(overlaid(local), [ROOT / "config.yaml"], ["results/kitchen_food/metrics.tsv"])


def commands(text):
    """The commands in the comments at the top of an example, its continued lines joined."""
    lines = "\n".join(line.removeprefix("#").strip() for line in text.splitlines() if line.startswith("#"))
    return re.findall(r"^snakemake .*$", lines.replace("\\\n", ""), re.MULTILINE)


@pytest.mark.parametrize("path", sorted((ROOT / "examples").glob("*.yaml")), ids=lambda path: path.stem)
def test_every_example_reaches_the_targets_that_it_names(path, monkeypatch):
    monkeypatch.setattr("semacdr.plan.targets.check_local", lambda config, scenario: None)  # the user's files
    for command in commands(path.read_text()):
        words = command.split("#")[0].split()
        files = [word for word in words if word.endswith(".yaml")]
        plan = Plan(Config(overlaid(*(yaml.safe_load((ROOT / file).read_text()) for file in files))))
        named = [one for word in words if word.startswith("results/") for one in braces(word)]
        assert named, command
        try:
            check(plan, named)
        except UserError as error:  # the example says to copy tuned settings first
            assert "copy it to resources/tuned" in str(error) and path.stem == "tune_loss"


def braces(word):
    """The shell's expansion of {a,b}."""
    found = re.search(r"\{([^{}]*)\}", word)
    if not found:
        return [word]
    return [one for part in found[1].split(",") for one in braces(word[: found.start()] + part + word[found.end() :])]


def test_targets_are_read_from_a_command_line():
    assert targets(["--cores", "2", "--configfile", "a.yaml", "--", "results/x/metrics.tsv"]) == [
        "results/x/metrics.tsv"
    ]
    assert targets(["-n", "results/x/metrics.tsv"]) == ["results/x/metrics.tsv"]


def test_the_tables_that_need_a_run_are_listed():
    plan = plan_of()
    needed = needed_runs(plan)
    (run, *_) = plan.table_runs("movie_book")["semacdr/ce"]
    folder = run.folder.rpartition("/")[0]
    assert {"movie_book/metrics", "movie_book/ablation", "movie_book/cold_start"} <= set(needed[folder])
    assert example("engines")["compare"]

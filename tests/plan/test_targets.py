"""Unknown targets are refused in one line with the known names; every example reaches its targets."""

import pytest
import yaml
from plans import ROOT, SHIPPED, example, overlaid, plan_of
from workflow_rules import workflow_rules

from examples import EXAMPLES, commands
from semacdr.errors import UserError
from semacdr.plan import summaries
from semacdr.plan.asking import resource
from semacdr.plan.config import Config
from semacdr.plan.plan import Plan
from semacdr.plan.start import check_targets, targets
from semacdr.plan.targets import check, needed_runs


@pytest.mark.parametrize(
    ("target", "words"),
    [
        ("results/nope/metrics.tsv", ["no scenario 'nope'", "known: movie_book, movie_book_disjoint, kitchen_food"]),
        ("results/movie_bok/metrics.tsv", ["did you mean 'movie_book'?"]),
        ("results/movie_book/ablaton.tsv", ["no rule makes it; did you mean 'ablation.tsv'?", "results/movie_book "]),
        ("results/movie_book/metrics.csv", ["did you mean 'metrics.tsv'?", "metrics.md"]),
        ("results/movie_book/ablation.png", ["no rule makes it", "sweep_rate.png"]),
        ("results/movie_book", ["no rule makes it", "results has mean_ranks.tsv, mean_ranks.png, data_sets.tsv"]),
        ("results/mean_rank.tsv", ["did you mean 'mean_ranks.tsv'?"]),
        ("results/movie_book/movie_to_boks/split.parquet", ["did you mean 'results/movie_book/movie_to_book'?"]),
        ("results/movie_book/movie_to_book/splt.parquet", ["did you mean 'split.parquet'?", "candidates.parquet"]),
        ("results/movie_book/movie_to_book/graphs/mixd.parquet", ["did you mean 'mixed.parquet'?"]),
        ("results/movie_book/semantics/prices.txt", ["did you mean 'price.txt'?"]),
        ("results/movie_book/movie_to_book/tune/sasre-ce.json", ["has no system sasre-ce; did you mean 'sasrec-ce'?"]),
        ("results/movie_book/movie_to_book/sasrec/seed1/ranks.parquet", ["is the run sasrec"]),
        ("results/movie_book/movie_to_book/final/pluss.zip", ["there is no system 'pluss'; did you mean 'plus'?"]),
        ("results/movie_book/movie_to_book/final/sasrec/seed1/settings.json", ["is the run sasrec"]),
        ("metrics", ["rule metrics makes several files; name one of results/movie_book/metrics.tsv"]),
        ("run", ["no rule makes it; did you mean 'runs'?", "data_sets, runs, density, all"]),
        ("result/movie_book/metrics.tsv", ["did you mean 'results/movie_book/metrics.tsv'?"]),
    ],
)  # fmt: skip
def test_an_unknown_target_lists_what_is_known(target, words):
    with pytest.raises(UserError) as refused:
        check(plan_of(), [target], workflow_rules())
    text = str(refused.value)
    assert "\n" not in text and all(word in text for word in words), text


@pytest.mark.parametrize(
    "target",
    [
        "all", "runs", "sample", "results/mean_ranks.png", "results/data_sets.md", "results/movie_book/sweep_rate.png",
        "results/movie_book/ablation_ties.md",
        "results/movie_book/report.html", "results/movie_book/tuned.json", "results/movie_book/semantics/price.txt",
        "results/movie_book/semantics/shards/1of2.parquet", "results/kitchen_food/kitchen_to_food/tune/sasrec-ce.json",
        "resources/raw/amazon2014/reviews_Books.json.gz", "logs/movie_book/metrics.log",
        "results/movie_book/movie_to_book/final/plus.zip", "results/movie_book/movie_to_book/final/seq_rules.tsv",
        "results/movie_book/movie_to_book/final/split.parquet",
        "results/movie_book/movie_to_book/final/graphs/mixed.parquet",
    ],
)  # fmt: skip
def test_a_known_target_passes(target):
    check(plan_of(), [target], workflow_rules())


def test_wrong_names_in_sections_are_refused_with_their_file():
    for change, target, words in (
        ({"metrics": {"systems": ["sasrek"]}}, "metrics.tsv", "there is no system 'sasrek'; did you mean 'sasrec'?"),
        ({"report": {"systems": ["sasrek"]}}, "report.html", "report.systems[0]: there is no system 'sasrek'"),
        ({"efficiency": {"experiment": "base"}}, "efficiency.tsv", "efficiency.experiment: there is no experiment"),
        ({"sensitivity": {"experiments": ["loss"]}}, "sensitivity.tsv", "experiments[0]: there is no sweep 'loss'"),
        ({"domain_mixing": {"variants": ["ful"]}}, "domain_mixing.tsv", "there is no variant 'ful'; did you mean"),
    ):  # fmt: skip
        refusal(change, f"results/kitchen_food/{target}", words)


def refusal(change, target, words):
    plan = plan_of(change)
    with pytest.raises(UserError) as refused:
        check_targets(plan, [target], workflow_rules(), [ROOT / "config.yaml"])
    assert words in str(refused.value)


PAIR = {"system": {"model": "sasrec"}, "variants": {"one": {}, "two": {"loss": "ce"}}}


def test_density_and_gate_name_what_they_join():
    density = {"density": {"experiment": "pair", "scenarios": ["kitchen_food"]}, "compare": {"pair": PAIR}}
    plan = plan_of(density)
    check(plan, ["results/density.png"], workflow_rules())
    folder = "results/kitchen_food"
    assert summaries.density_tables(plan) == [
        f"{folder}/pair.tsv", f"{folder}/interactions.parquet", f"{folder}/items.parquet",
        f"{folder}/semantics/agnostic.parquet", f"{folder}/kitchen_to_food/split.parquet",
        f"{folder}/food_to_kitchen/split.parquet",
    ]  # fmt: skip
    assert summaries.density_scenarios(plan_of()) == ["movie_book"]  # those of `run`
    for change, target, words in (
        ({"density": {"experiment": "nope"}}, "density.tsv", "density.experiment: there is no experiment 'nope'"),
        ({"density": {"scenarios": ["food"]}}, "density.tsv", "density.scenarios[0]: there is no scenario 'food'"),
        ({"density": {"variants": ["tow"]}}, "density.tsv", "density.variants[0]: there is no variant 'tow'"),
        ({"gate": {"experiment": "nope"}}, "movie_book/gate.tsv", "gate.experiment: there is no experiment 'nope'"),
        ({"gate": {"experiment": "pair"}}, "movie_book/gate.md", "pair has no variant of model sphere"),
    ):
        changed = density | {name: density.get(name, {}) | own for name, own in change.items()}
        refusal(changed, f"results/{target}", words)


def test_filings_that_are_missing_are_named_before_anything_runs():
    semantics = {"scenarios": {"kitchen_food": {"semantics": {"engine": "imported", "filings": "{scenario}.csv"}}}}
    words = "semantics.filings: scenario kitchen_food has no filings kitchen_food.csv"
    refusal(semantics, "results/kitchen_food/metrics.tsv", words)


def test_a_missing_taxonomy_and_missing_local_files_are_named_before_anything_runs(tmp_path):
    local = {"raw": {"amazon2014": {"source": "local", "folder": str(tmp_path)}}}
    target, words = "results/kitchen_food/metrics.tsv", "raw.amazon2014.folder: scenario kitchen_food: "
    refusal(local, target, words)
    file = {"scenarios": {"kitchen_food": {"taxonomy": {"file": "nowhere.json"}}}}
    refusal(file, target, "taxonomy.file: scenario kitchen_food has no taxonomy nowhere.json: write it")


def of_the_user(file, *path):
    """The path of a file that a setting names; files in the user's folder data are taken to be there."""
    return ROOT / "README.md" if file.startswith("data/") else resource(file, *path)


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_every_example_reaches_the_targets_that_it_names(path, monkeypatch):
    monkeypatch.setattr("semacdr.plan.targets.check_files", lambda config, scenario: None)  # the user's files
    monkeypatch.setattr("semacdr.plan.asking.resource", of_the_user)
    for words in commands(path):
        files = [word for word in words if word.endswith(".yaml")]
        plan = Plan(Config(overlaid(*(yaml.safe_load((ROOT / file).read_text()) for file in files))))
        named = [word for word in words if word.startswith("results/")]
        assert named, words
        try:
            own = {*plan.experiments, *plan.config.scenarios} - {*plan_of().experiments, *SHIPPED["scenarios"]}
            check(plan, named, workflow_rules(*(ROOT / file for file in files if own)))
        except UserError as error:  # the example says to copy tuned settings first
            assert "copy it to resources/tuned" in str(error) and path.stem == "tune_loss"


def test_targets_are_read_from_a_command_line():
    assert targets(["--cores", "2", "--configfile", "a.yaml", "--", "results/x/metrics.tsv"]) == [
        "results/x/metrics.tsv"
    ]
    assert targets(["-n", "results/x/metrics.tsv"]) == ["results/x/metrics.tsv"]


def test_the_tables_that_need_a_run_are_listed():
    plan = plan_of()
    needed = needed_runs(plan)
    (run, *_) = plan.table_runs("movie_book")["semacdr/full"]
    folder = run.folder.rpartition("/")[0]
    assert {"movie_book/metrics", "movie_book/ablation", "movie_book/cold_start"} <= set(needed[folder])
    assert example("engines")["compare"]


def test_systems_with_final_are_packed_by_plain_snakemake():
    """Their bundles are in rule all, for both directions of each scenario of run; without `final` there are none."""
    assert plan_of().bundles() == []
    chosen = plan_of({"train": {"systems": {"seq_rules": {"final": True}}}, "run": ["movie_book"]})
    folders = [f"results/movie_book/{direction}/final" for direction in ("movie_to_book", "book_to_movie")]
    assert chosen.bundles() == [f"{folder}/seq_rules.zip" for folder in folders]
    assert chosen.final_run("movie_book", "movie_to_book", "seq_rules").folder.startswith(f"{folders[0]}/seq_rules-")
    assert "plan.bundles()," in (ROOT / "Snakefile").read_text().split("rule all:")[1]

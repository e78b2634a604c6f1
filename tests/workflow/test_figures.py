"""The paper's figures as targets: their inputs are made once, and they rerun when they become stale."""

import csv
import json

import pytest

pytestmark = pytest.mark.slow

ABLATION = {
    "system": {"model": "semacdr", "settings": {"dim": 16}},
    "variants": {"full": {}, "without_agnostic": {"settings": {"agnostic": False}}},
}
SWEEP = ABLATION["system"] | {"loss": "bpr"}  # its own loss: the same system
FIGURES = ["results/movie_book/overlap.png", "results/movie_book/profiles.png", "results/movie_book/sweep.png"]
DRAWN = {"overlap": 1, "profiles": 1, "compare": 1, "curves": 1}


@pytest.fixture
def drawing(project):
    """The finished project with an ablation and a sweep, whose default value and `full` are systems that are there."""

    def change(config):
        sweep = {"system": SWEEP, "directions": 1, "sweep": {"contrastive_weight": [0.1, 0.5]}}
        config["compare"] = {"ablation": ABLATION, "sweep": sweep}
        config["overlap"]["permutations"] = config["profiles"]["permutations"] = 20
        config["profiles"]["min_events"] = [1, 3]

    project.configure(change)
    return project


def test_figures_train_new_runs_and_are_drawn_again_when_stale(drawing):
    assert drawing.run(*FIGURES) == {"train": 2, "rank": 1, "vectors": 2, **DRAWN}
    for path in FIGURES:
        assert (drawing / path).read_bytes().startswith(b"\x89PNG")
    for name in ("overlap", "profiles", "sweep"):
        table = csv.DictReader((drawing / f"results/movie_book/{name}.tsv").read_text().splitlines(), delimiter="\t")
        assert {row["release"] for row in table} == {"mine"}
    assert drawing.plan(*FIGURES) == {}
    drawing.configure(lambda config: config["overlap"].update(neighbours=5))
    assert drawing.plan(*FIGURES) == {"overlap": 1}
    drawing.configure(lambda config: config["profiles"].update(user=1))
    assert drawing.plan(*FIGURES) == {"overlap": 1, "profiles": 1}
    drawing.append("src/semacdr/reporting/style.py", "# a comment\n")
    assert drawing.plan(*FIGURES) == {"overlap": 1, "profiles": 1, "curves": 1}
    drawing.append("src/semacdr/stages/vectors.py", "# a comment\n")
    assert drawing.plan(*FIGURES) == {"overlap": 1, "profiles": 1, "curves": 1, "vectors": 2}


def test_efficiency_and_mean_ranks_use_an_experiment_s_runs(drawing):
    variants = {
        "sasrec": {"settings": {"dim": 16}},
        "popularity": {"model": "popularity"},
        "semacdr": {"model": "semacdr", "settings": {"dim": 16}},
    }
    drawing.configure(
        lambda config: config["compare"].update(field={"system": {"model": "sasrec"}, "variants": variants})
    )
    targets = ["results/movie_book/efficiency.png", "results/standing.png"]
    assert drawing.run(*targets) == {"compare": 1, "efficiency": 1, "standing": 1}  # the systems are in the table
    costs, places = (
        list(csv.DictReader((drawing / path.replace("png", "tsv")).read_text().splitlines(), delimiter="\t"))
        for path in targets
    )
    assert [row["variant"] for row in costs] == [*variants] * 2
    assert all(float(row["peak_mb"]) > 100 and row["device"] == "cpu" for row in costs)
    assert {row["variant"] for row in places} == {*variants} and {row["data_sets"] for row in places} == {"2"}
    assert drawing.plan(*targets) == {}
    drawing.configure(lambda config: config["efficiency"].update(experiment="fields"))
    assert drawing.plan(targets[1]) == {}  # it does not depend on the other one's section
    status, text = drawing.call("-n", targets[0])
    assert status != 0 and "efficiency takes experiment 'fields'; there are ablation, sweep, field" in text


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"experiment": "ablations"}, ["overlap", "ablations", "ablation, sweep"]),
        ({"variants": ["full", "without"]}, ["overlap", "'without'", "full, without_agnostic"]),
    ],
)
def test_an_overlap_of_what_is_not_there(drawing, change, words):
    drawing.configure(lambda config: config["overlap"].update(change))
    status, text = drawing.call("-n", FIGURES[0])
    assert status != 0 and [word for word in words if word not in text] == []


def test_curves_are_of_sweeps_alone(drawing):
    status, text = drawing.call("-n", "results/movie_book/ablation.png")
    assert status != 0 and "ablation.png" in text


def test_the_sensitivity_analysis_plans_four_sweeps_and_shares_their_defaults(checkout, tmp_path):
    """A sweep's default value is a system of the table, also a default of training in this scenario."""
    status, text = checkout.call("-n", "results/movie_book/sensitivity.tsv")
    assert status == 0, text
    assert "semacdr-ce" in text and "sweep_contrast-0.1/" not in text and "sweep_contrast-0.02/" in text
    jobs = checkout.plan("results/movie_book/sensitivity.png")
    assert jobs["compare"] == 4 and jobs["sensitivity"] == 1
    assert jobs["train"] == 5 + 6 + 4 + 4 - 2  # the two rates that the scenario has are trained once
    project = checkout.copy(tmp_path / "project")
    project.configure(lambda config: config["scenarios"]["movie_book"]["train"].update(learning_rate=0.0042))
    assert project.plan("results/movie_book/sensitivity.png")["train"] == 5 + 6 + 4 + 4 - 1
    tuned = {"semacdr-ce": {"training": {"semantic_learning_rate": 0.0007}, "settings": {}, "found": {}}}
    (project / "resources/tuned").mkdir(exist_ok=True)
    (project / "resources/tuned/movie_book.json").write_text(
        json.dumps({"scenario": "movie_book", "directions": {"movie_to_book": tuned}})
    )
    assert project.plan("results/movie_book/sensitivity.png")["train"] == 5 + 6 + 4 + 4


def test_sweeps_are_in_one_table_and_picture(drawing):
    drawing.configure(lambda config: config["sensitivity"].update(experiments=["sweep", "ablation"]))
    status, text = drawing.call("-n", "results/movie_book/sensitivity.tsv")
    assert status != 0 and "sensitivity.experiments names 'ablation'; sweeps of compare are sweep" in text
    drawing.configure(lambda config: config["sensitivity"].update(experiments=["sweep"]))
    jobs = drawing.run("results/movie_book/sensitivity.tsv")
    assert jobs["sensitivity"] == 1 and {"overlap", "profiles", "curves"}.isdisjoint(jobs)
    table = (drawing / "results/movie_book/sensitivity.tsv").read_text().splitlines()
    assert table[0].startswith("setting\t") and {line.split("\t")[0] for line in table[1:]} == {"contrastive_weight"}
    assert (drawing / "results/movie_book/sensitivity.png").read_bytes().startswith(b"\x89PNG")
    assert drawing.plan("results/movie_book/sensitivity.png") == {}

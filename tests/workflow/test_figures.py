"""The paper's figures as targets: their inputs are made once, and they rerun when they become stale."""

import csv

import pytest

pytestmark = pytest.mark.slow

ABLATION = {
    "system": {"model": "semacdr", "settings": {"dim": 16}},
    "variants": {"full": {}, "without_agnostic": {"settings": {"agnostic": False}}},
}
SWEEP = ABLATION["system"] | {"loss": "bpr"}  # its own loss: the same system
FIGURES = [
    "results/movie_book/domain_mixing.png",
    "results/movie_book/taste_similarity.png",
    "results/movie_book/sweep.png",
]
DRAWN = {"domain_mixing": 1, "taste_similarity": 1, "compare": 1, "curves": 1}


@pytest.fixture
def drawing(project):
    """The finished project with an ablation and a sweep, whose default value and `full` are systems that are there."""

    def change(config):
        sweep = {"system": SWEEP, "directions": 1, "sweep": {"contrastive_weight": [0.1, 0.5]}}
        config["compare"] = {"ablation": ABLATION, "sweep": sweep}
        config["domain_mixing"] = {"permutations": 20}
        config["taste_similarity"] = {"permutations": 20, "min_events": [1, 3]}

    project.configure(change)
    return project


def test_figures_train_new_runs_and_are_drawn_again_when_stale(drawing):
    assert drawing.run(*FIGURES) == {"train": 2, "rank": 1, "vectors": 2, **DRAWN}
    for path in FIGURES:
        assert (drawing / path).read_bytes().startswith(b"\x89PNG")
    for name in ("domain_mixing", "taste_similarity", "sweep"):
        table = csv.DictReader((drawing / f"results/movie_book/{name}.tsv").read_text().splitlines(), delimiter="\t")
        assert {row["release"] for row in table} == {"mine"}
    assert drawing.plan(*FIGURES) == {}
    drawing.configure(lambda config: config["domain_mixing"].update(neighbours=5))
    assert drawing.plan(*FIGURES) == {"domain_mixing": 1}
    drawing.configure(lambda config: config["taste_similarity"].update(user=1))
    assert drawing.plan(*FIGURES) == {"domain_mixing": 1, "taste_similarity": 1}
    drawing.append("src/semacdr/reporting/style.py", "# a comment\n")
    assert drawing.plan(*FIGURES) == {"domain_mixing": 1, "taste_similarity": 1, "curves": 1}
    drawing.append("src/semacdr/stages/vectors.py", "# a comment\n")
    assert drawing.plan(*FIGURES) == {"domain_mixing": 1, "taste_similarity": 1, "curves": 1, "vectors": 2}


def test_efficiency_and_mean_ranks_use_an_experiment_s_runs(drawing):
    variants = {
        "sasrec": {"settings": {"dim": 16}},
        "popularity": {"model": "popularity"},
        "semacdr": {"model": "semacdr", "settings": {"dim": 16}},
    }
    drawing.configure(
        lambda config: config["compare"].update(baselines={"system": {"model": "sasrec"}, "variants": variants})
    )
    targets = ["results/movie_book/efficiency.png", "results/mean_ranks.png"]
    assert drawing.run(*targets) == {"compare": 1, "efficiency": 1, "mean_ranks": 1}  # the systems are in the table
    costs, places = (
        list(csv.DictReader((drawing / path.replace("png", "tsv")).read_text().splitlines(), delimiter="\t"))
        for path in targets
    )
    assert [row["variant"] for row in costs] == [*variants] * 2
    assert all(float(row["peak_mb"]) > 100 and row["device"] == "cpu" for row in costs)
    assert {row["variant"] for row in places} == {*variants} and {row["data_sets"] for row in places} == {"2"}
    assert drawing.plan(*targets) == {}


def test_sweeps_are_in_one_table_and_picture(drawing):
    drawing.configure(lambda config: config.update(sensitivity={"experiments": ["sweep"]}))
    jobs = drawing.run("results/movie_book/sensitivity.tsv")
    assert jobs["sensitivity"] == 1 and {"domain_mixing", "taste_similarity", "curves"}.isdisjoint(jobs)
    table = (drawing / "results/movie_book/sensitivity.tsv").read_text().splitlines()
    assert table[0].startswith("setting\t") and {line.split("\t")[0] for line in table[1:]} == {"contrastive_weight"}
    assert (drawing / "results/movie_book/sensitivity.png").read_bytes().startswith(b"\x89PNG")
    assert drawing.plan("results/movie_book/sensitivity.png") == {}

"""The workflow as shipped: its lint, a DAG for every scenario, other directories, one-line refusals."""

import shutil

import pytest
import yaml

pytestmark = pytest.mark.slow

RULES = {"preprocess": 1, "taxonomy": 1, "semantics": 1, "encode": 1, "split": 2, "graph": 2}


def test_lint(checkout):
    status, text = checkout.call("--lint")
    assert status == 0, text


@pytest.mark.parametrize("scenario", ["movie_book", "kitchen_food", "cd_movie"])
def test_dag(checkout, scenario):
    config = yaml.safe_load((checkout / "config.yaml").read_text())
    source = config["raw"][config["scenarios"][scenario]["release"]]["source"]
    jobs = checkout.plan(f"results/{scenario}/metrics.tsv")
    assert jobs.get("sample", 0) == (source == "sample")
    assert jobs.get("raw", 0) == (0 if source == "sample" else 4)
    assert {rule: jobs[rule] for rule in RULES} == RULES
    listed = [name for name, system in config["train"]["systems"].items() if system.get("listed", True)]
    assert jobs["train"] == jobs["rank"] >= 2 * len(listed)
    assert jobs["metrics"] == 1


def test_the_workflow_runs_in_another_directory(checkout, tmp_path):
    """Results are written to the given folder; code, prompts and taxonomies come from the checkout."""
    (tmp_path / "elsewhere").mkdir()
    folder = str(tmp_path / "elsewhere")
    target = "results/movie_book/movie_to_book/split.parquet"
    status, text = checkout.call("--directory", folder, "--cores", "2", "--", target)
    assert status == 0, text
    assert (tmp_path / "elsewhere" / target).exists() and not (checkout / "results").exists()
    status, text = checkout.call("--directory", folder, "-n", "--", "results/movie_book/metrics.tsv")
    assert status == 0, text


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (
            ["results/nope/metrics.tsv"],
            "there is no scenario 'nope'; known: movie_book, movie_book_disjoint, kitchen_food, cd_movie",
        ),
        (["--config", "trian=3"], "there is no section 'trian'; did you mean 'train'?"),
    ],
)
def test_a_mistake_is_one_line(checkout, arguments, words):
    status, text = checkout.call("-n", *arguments)
    lines = [line for line in text.splitlines() if not line.startswith(("Using workflow specific", "Config file "))]
    assert status != 0 and len(lines) == 1 and lines[0].startswith("error: ") and words in lines[0], text


def test_hostile_names_reach_the_stages_as_they_are(checkout, tmp_path):
    """Quotes, blanks and a command in config values are passed as they are, and run nothing."""
    folder = "a b's $(touch hacked)"
    (tmp_path / "laid.yaml").write_text(
        yaml.safe_dump(
            {
                "raw": {"mine": {"source": "local", "folder": folder}},
                "scenarios": {"S-1": {"release": "mine", "domains": {"A-a": "B&W", "b_B": "Books"}}},
                "encode": {"encoder": "x$(touch hacked)"},
                "taxonomy": {"file": f"{folder}/taxonomy.json"},
            }
        )
    )
    project = checkout.copy(tmp_path / "project")
    (project / folder).mkdir()
    shutil.copy2(project / "resources/taxonomies/movie_book.json", project / folder / "taxonomy.json")
    for category in ("B&W", "Books"):
        for kind in ("reviews", "meta"):
            (project / folder / f"{kind}_{category}.json.gz").write_bytes(b"\x1f\x8b\x08")
    target = "resources/raw/mine/reviews_B&W.json.gz"
    status, text = project.call("--configfile", f"{tmp_path}/laid.yaml", "--cores", "1", "--", target)
    assert status == 0, text
    assert (project / target).is_symlink()
    status, text = project.call(
        "--configfile", f"{tmp_path}/laid.yaml", "-n", "-p", "--", "results/S-1/embeddings.parquet"
    )
    assert "'x$(touch hacked)'" in text.replace('"encoder": "', "'").replace('"', "'"), text
    assert not list(project.folder.rglob("hacked"))

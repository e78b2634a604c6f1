"""What reruns after which change: each test changes one thing in a finished project and really reruns it."""

import hashlib
import json
import re
import shutil
import time
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow

TRAINED = {"train": 6, "rank": 6, "metrics": 1}  # all systems
ONE_SYSTEM = {"train": 2, "rank": 2, "metrics": 1}  # one system, both directions
PREPARED = {
    "preprocess": 1,
    "semantics": 1,
    "encode": 1,
    "split": 2,
    "graph": 2,
}  # what reads the raw files, or follows
REVIEWS = "reviews_Books.json.gz"
REVIEW = {"reviewerID": "SAMPLE-P00001", "asin": "SAMPLEB001", "overall": 4.0, "unixReviewTime": 1600473600}


def digests(folder: Path) -> dict[str, str]:
    """The sha256 of each file under a folder, without seconds (in cost.json and metrics.md) and DGL's graphs.

    DGL writes memory addresses into its files. The Parquet files next to them hold the same graphs.
    """
    files = [path for path in sorted(folder.rglob("*")) if path.is_file()]
    files = [path for path in files if path.name != "cost.json" and path.suffix != ".bin"]
    return {str(path.relative_to(folder)): hashlib.sha256(without_costs(path)).hexdigest() for path in files}


def without_costs(path: Path) -> bytes:
    """A file's content; of metrics.md without the tables of costs."""
    content = path.read_bytes()
    if path.name != "metrics.md":
        return content
    left, tables = re.subn(rb"## [^\n]*: cost\n.*?(?=\n## |\Z)", b"", content, flags=re.DOTALL)
    assert tables == 2  # of both directions
    return left


def systems_of(project, since: float) -> set[str]:
    """The models whose ranks were written since a time."""
    ranks = (project / "results/movie_book").glob("*_to_*/*/seed1/ranks.parquet")
    return {path.parts[-3].split("-")[0] for path in ranks if path.stat().st_mtime > since}


def test_nothing_changed(project):
    assert project.run() == {}


def test_touched_sources(project, checkout):
    """As after git checkout: all files of the repository get a new time, but at most some of them new content."""
    for path in checkout.folder.rglob("*"):
        if path.is_file():
            (project / str(path.relative_to(checkout.folder))).touch()
    assert project.run() == {}


def test_code_of_a_stage(project):
    before = digests(project / "results")
    project.append("src/semacdr/stages/train.py", "# a comment\n")
    assert project.run() == TRAINED
    assert digests(project / "results") == before  # retrained, to the same bytes


def test_code_of_a_system(project):
    start = time.time()
    project.append("src/semacdr/models/semacdr.py", "# a comment\n")
    assert project.run() == ONE_SYSTEM
    assert systems_of(project, start) == {"semacdr"}


def test_training_setting(project):
    """Other settings are other runs in folders of their own; the runs before stay, and going back trains nothing."""
    runs = lambda: {path.parent for path in (project / "results").rglob("ranks.parquet")}  # noqa: E731
    before = runs()
    project.configure(lambda config: config["train"].update(learning_rate=0.002))
    assert project.run() == TRAINED
    assert len(runs()) == 2 * len(before) and before < runs()
    table = (project / "results/movie_book/metrics.tsv").read_text()
    project.configure(lambda config: config["train"].pop("learning_rate"))
    assert project.run() == {"metrics": 1}
    status, text = project.call("runs", "--cores", "1")
    assert status == 0 and text.count("\tnothing\t") == 6, text  # runs that only the other settings needed
    assert table != (project / "results/movie_book/metrics.tsv").read_text()


def test_options_rerun_nothing(project):
    def change(config):
        config["train"]["threads"] = 2
        config["rank"] = {"batch_size": 7}
        config["llm"] |= {"endpoint": "http://127.0.0.1:1/v1", "store": "other.sqlite"}

    project.configure(change)
    assert project.plan() == {}


def test_setting_of_a_system(project):
    start = time.time()
    project.configure(lambda config: config["train"]["systems"]["sasrec"]["settings"].update(dim=8))
    assert project.run() == ONE_SYSTEM
    assert systems_of(project, start) == {"sasrec"}


def test_taxonomy(project):
    start, path = time.time(), project / "resources/taxonomies/movie_book.json"
    taxonomy = json.loads(path.read_text())
    taxonomy["categories"][0]["subcategories"].append({"name": "Sport", "description": "matches, athletes, training"})
    path.write_text(json.dumps(taxonomy))
    assert project.run() == {"taxonomy": 1, "semantics": 1, "encode": 1, **ONE_SYSTEM}
    assert systems_of(project, start) == {"semacdr"}  # the only one that takes semantics


def test_edited_taxonomy(project):
    """A taxonomy that a user edits where the rule wrote it is used as it is, not overwritten."""
    path = project / "results/movie_book/semantics/taxonomy.json"
    edited = path.read_text().replace('"Bleak"', '"Hopeless"')
    path.write_text(edited)
    assert project.run() == {"semantics": 1, "encode": 1, **ONE_SYSTEM}
    assert path.read_text() == edited
    assert project.run() == {}


def test_settings_by_which_a_model_makes_the_taxonomy(project):
    """They count only if a model makes the taxonomy; options that change no answer never count."""
    project.configure(lambda config: config["taxonomy"].update(seed=1))
    project.append("resources/prompts/taxonomy_merge.txt", "Merge well.\n")
    project.append("src/semacdr/llm/store.py", "# a comment\n")
    project.append("src/semacdr/semantics/induction.py", "# a comment\n")
    assert project.plan() == {}
    project.configure(lambda config: config["taxonomy"].update(engine="llm"))
    assert project.plan() == {"taxonomy": 1, "semantics": 1, "encode": 1, **ONE_SYSTEM}


def test_an_experiment_trains_what_is_new_in_it(project):
    """A variant that is a system of the table already is not trained again, whether it names its defaults or not."""
    variants = {
        "full": {"loss": "bce", "settings": {"blocks": 2, "norm": "original"}},
        "pre_norm": {"settings": {"norm": "pre"}},
    }
    tiny = {"system": {"model": "sasrec", "settings": {"dim": 16}}, "variants": variants}
    project.configure(lambda config: config.update(compare={"tiny": tiny}))
    assert project.run() == {}
    assert project.run("results/movie_book/tiny.tsv") == {"train": 2, "rank": 2, "compare": 1}
    rows = [line.split("\t") for line in (project / "results/movie_book/tiny.tsv").read_text().splitlines()]
    assert {row[5] for row in rows[1:]} == {"full", "pre_norm"}
    assert {row[:2] == ["movie", "book"] for row in rows[1:]} == {True, False}


def test_an_experiment_over_two_scenarios(project):
    """A variant that names another scenario of the same data uses that scenario's runs; other data are refused."""

    def change(config):
        config["scenarios"]["other"] = config["scenarios"]["movie_book"] | {"semantics": {"max_characters": 30}}
        config["scenarios"]["other"]["taxonomy"] = {"file": "resources/taxonomies/movie_book.json"}
        tiny = {"system": {"model": "semacdr", "settings": {"dim": 16}}, "directions": 1}
        config["compare"] = {"tiny": tiny | {"variants": {"full": {}, "other": {"scenario": "other"}}}}

    project.configure(change)
    once = dict.fromkeys(("preprocess", "taxonomy", "semantics", "encode", "split", "graph", "train", "rank"), 1)
    assert project.run("results/movie_book/tiny.tsv") == {**once, "compare": 1}
    assert "\tother\t" in (project / "results/movie_book/tiny.tsv").read_text()
    project.configure(lambda config: config["scenarios"]["other"].update(split={"seed": 1}))
    status, text = project.call("-n", "results/movie_book/tiny.tsv")
    assert status != 0 and "compare.tiny: movie_book and other differ in split" in text, text


def test_local_file(project):
    """One more line in one of the four files that a local release holds."""
    project.append(f"given/{REVIEWS}", json.dumps(REVIEW) + "\n")
    expected = {"raw": 1, **PREPARED, **TRAINED}
    assert project.plan() == expected
    assert project.run() == expected
    assert project.run() == {}


def test_simulated_file(project):
    """A changed output of a rule is used: Snakemake does not rebuild it, which would undo the change."""
    project.configure(lambda config: config["scenarios"]["movie_book"].update(release="sample"))
    interactions = "results/movie_book/interactions.parquet"
    assert project.run(interactions) == {"preprocess": 1}
    project.append(f"resources/raw/sample/{REVIEWS}", json.dumps(REVIEW) + "\n")
    assert project.plan() == {**PREPARED, **TRAINED}
    assert project.run(interactions) == {"preprocess": 1}


@pytest.fixture(scope="module")
def resumed(finished, tmp_path_factory):
    """The project is made a second time from only the given files, killed in training and resumed."""
    project = finished.copy(tmp_path_factory.mktemp("resumed") / "project")
    for made in ("results", "logs", "resources/raw", ".snakemake"):
        shutil.rmtree(project / made)
    assert project.run(f"resources/raw/sample/{REVIEWS}") == {"sample": 1}
    (run,) = (finished / "results/movie_book/movie_to_book").glob("semacdr-*")
    project.kill_during(f"logs/movie_book/movie_to_book/{run.name}/train_seed1.log", "on cpu with")
    assert not (project / f"results/movie_book/movie_to_book/{run.name}/seed1/checkpoint.safetensors").exists()
    status, text = project.call("--cores", "2")
    assert status != 0 and "--unlock" in text  # the lock of the killed run remains
    assert project.call("--unlock")[0] == 0
    jobs = project.run()
    assert jobs["train"] >= 1 and jobs["metrics"] == 1 and not {"raw", *PREPARED} & {*jobs} - {"graph"}
    assert project.run() == {}
    return project


def test_killed_run_resumes(finished, resumed):
    metrics = "results/movie_book/metrics.tsv"
    assert (resumed / metrics).read_bytes() == (finished / metrics).read_bytes()


@pytest.mark.parametrize("folder", ["resources/raw", "results"])
def test_same_input_same_seed_same_bytes(finished, resumed, folder):
    first, second = digests(finished / folder), digests(resumed / folder)
    assert first.keys() == second.keys()
    assert {name for name in first if first[name] != second[name]} == set()


def test_digests_cover_what_counts(finished):
    names = {Path(name).name for name in digests(finished / "results")}
    assert names >= {"interactions.parquet", "split.parquet", "candidates.parquet", "embeddings.parquet"}
    assert names >= {"agnostic.parquet", "source.parquet", "target.parquet", "mixed.parquet"}
    assert names >= {"checkpoint.safetensors", "history.tsv", "ranks.parquet", "metrics.tsv"}

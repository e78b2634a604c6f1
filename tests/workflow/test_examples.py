"""Every example: Snakemake plans its last target; examples on the sample also run at small size."""

import pytest
import yaml
from project import few_works

from examples import EXAMPLES, commands

pytestmark = pytest.mark.slow

FILES = [
    f"{folder}/{kind}_{name}.json.gz"
    for folder, names in {
        "amazon2014": ("Home_and_Kitchen", "Grocery_and_Gourmet_Food", "Beauty", "Electronics"),
        "art_office": ("Arts", "Office"),
    }.items()
    for kind in ("reviews", "meta")
    for name in names
] + [
    *(
        f"disjoint/{one}/{kind}.parquet"
        for one in ("amazon_books", "goodreads", "steam")
        for kind in ("interactions", "items")
    ),
    "answers/kitchen_food.parquet",
    "answers/sphere_vocabulary.json",
    "answers/sphere_items.parquet",
]
TUNED = "baselines_tuned_loss"  # needs settings that the user copies first
TINY = {"seeds": [1], "epochs": 1, "max_length": 10, "batch_size": 64, "settings": {"dim": 8, "pretraining": 1}}
SMALL = {  # merged over an example that runs
    "sample": {"users": 100},
    "preprocess": {"min_item_interactions": 1},
    "split": {"candidates": 20},
    "metrics": {"systems": ["popularity", "sasrec", "semacdr"]},
    "scenarios": {name: {"train": TINY} for name in ("movie_book", "movie_book_cold", "movie_book_encoder")},
}
RUN = {  # examples that run at small size, and the target
    "engines": "results/movie_book/engines.tsv",
    "cold_start": "results/movie_book_cold/cold_start.tsv",
}


@pytest.fixture(scope="module")
def local(checkout, tmp_path_factory):
    """The project with files where the examples expect the user's files."""
    project = checkout.copy(tmp_path_factory.mktemp("examples") / "project")
    for name in FILES:
        (project / "data" / name).parent.mkdir(parents=True, exist_ok=True)
        (project / "data" / name).write_bytes(b"\x1f\x8b")
    return project


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_the_last_target_is_planned(local, path):
    """An example without a command is merged over another one; it is then planned with the result table."""
    given = commands(path) or [["--configfile", f"examples/{path.name}", "--", "results/movie_book/metrics.tsv"]]
    words = given[-1]
    status, text = local.call("-n", "--cores", "2", *words)
    if any(TUNED in word for word in words):
        assert status != 0 and "copy it to resources/tuned" in text, text
    else:
        assert status == 0, text


@pytest.mark.parametrize("name", RUN)
def test_an_example_runs_in_small(checkout, tmp_path, name):
    project = checkout.copy(tmp_path / "project")
    few_works(project)
    scenarios = yaml.safe_load((project / f"examples/{name}.yaml").read_text())["scenarios"]
    small = SMALL | {"scenarios": {one: SMALL["scenarios"][one] for one in scenarios if one in SMALL["scenarios"]}}
    (project / "small.yaml").write_text(yaml.safe_dump(small))
    status, text = project.call("--cores", "2", "--configfile", f"examples/{name}.yaml", "small.yaml", "--", RUN[name])
    assert status == 0, text
    assert len((project / RUN[name]).read_text().splitlines()) > 3

"""A copy of the project with a tiny config, run once a session; each test changes a copy of that copy."""

import shutil
import subprocess

import pytest
from filelock import FileLock
from project import FULL, ROOT, Project, few_works, shrink

SPACE = {"common": {"learning_rate": {"low": 0.002, "high": 0.01}, "dropout": {"low": 0.1, "high": 0.4}}}


@pytest.fixture(scope="session")
def checkout(tmp_path_factory) -> Project:
    """The project's tracked files, with uncommitted changes."""
    project = Project(tmp_path_factory.mktemp("checkout"))
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, check=True, capture_output=True, text=True).stdout
    for name in filter(None, listed.split("\0")):
        if (ROOT / name).exists():
            (project / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, project / name)
    return project


@pytest.fixture(scope="session")
def finished(checkout, tmp_path_factory, worker_id) -> Project:
    """The tiny project after a run, shared by all parallel tests, which must not change it."""
    folder = tmp_path_factory.getbasetemp() if worker_id == "master" else tmp_path_factory.getbasetemp().parent
    with FileLock(folder / "finished.lock"):
        if not (folder / "finished").exists():
            making = checkout.copy(tmp_path_factory.mktemp("finished") / "project")
            run_once(making)
            making.copy(folder / "finished")
    return Project(folder / "finished")


def run_once(project: Project) -> None:
    """Make a project tiny and run it, its simulated reviews given as files."""
    project.configure(shrink)
    few_works(project)
    assert project.run("resources/raw/sample/reviews_Books.json.gz") == {"sample": 1}
    (project / "given").mkdir()
    for path in project.folder.glob("resources/raw/sample/*.json.gz"):
        shutil.copy2(path, project / "given")
    assert project.run() == {"raw": 4, **FULL}


@pytest.fixture
def project(finished, tmp_path) -> Project:
    """A copy of the finished project to change."""
    return finished.copy(tmp_path / "project")


@pytest.fixture
def tuning(project):
    """The finished project, with an experiment of its two learned systems and of a non-learned baseline."""

    def change(config):
        variants = {
            "sasrec": {},
            "semacdr": {"model": "semacdr"},
            "popularity": {"model": "popularity", "settings": {}},
        }
        for name in ("sasrec", "semacdr"):
            variants[name] |= {"settings": {"dim": 16}, "loss": {"sasrec": "bce", "semacdr": "bpr"}[name]}
        config["compare"] = {"field": {"system": {"model": "sasrec"}, "variants": variants}}
        budget = {"experiment": "field", "trials": 2, "trial_seconds": 60, "epochs": 1, "seeds": [1]}
        config["tune"] = budget | {"space": SPACE | {"semacdr": {"dropout": None}}}

    project.configure(change)
    return project

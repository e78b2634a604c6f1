"""Helpers that the rules share: settings with a scenario's overrides, a module's code as inputs, what a job may use."""

import ast
import json
import math
import os
import re
import shlex
import shutil
import sys
from functools import cache
from pathlib import Path

SCENARIOS = config["scenarios"]
COMPARED = config["train"]["systems"]  # the systems of metrics.tsv
EXPERIMENTS = config["compare"]
SYSTEMS = dict(COMPARED)  # and the variants of experiments


@cache
def source_of(model):
    """The syntax tree of a model's file, which is not imported."""
    path = Path(f"src/semacdr/models/{model}.py")
    if not path.exists():
        raise WorkflowError(f"config: train.systems takes the model '{model}', but there is no {path}")
    return ast.parse(path.read_text())


@cache
def declared(model, name):
    """The literal that a model's file declares under a name (INPUTS, LOSS)."""
    for node in source_of(model).body:
        if isinstance(node, ast.Assign) and any(getattr(goal, "id", "") == name for goal in node.targets):
            return ast.literal_eval(node.value)
    raise WorkflowError(f"src/semacdr/models/{model}.py does not declare {name}")


@cache
def default_settings(model):
    """The literals that a model's Settings take where nothing else is said."""
    (owner,) = (node for node in source_of(model).body if getattr(node, "name", "") == "Settings")
    fields = (node for node in owner.body if isinstance(node, ast.AnnAssign) and isinstance(node.value, ast.Constant))
    return {field.target.id: field.value.value for field in fields}


def variants_of(experiment):
    """The changes that an experiment's variants are; of a sweep one a value of its setting, named by the value."""
    if "variants" in experiment:
        return experiment["variants"]
    ((name, values),) = experiment["sweep"].items()
    change = (lambda value: {name: value}) if name in config["train"] else (lambda value: {"settings": {name: value}})
    return {f"{value:g}": change(value) for value in values}


def told(system):
    """What makes a system what it is: two that are told alike are one."""
    settings, default = system.get("settings", {}), default_settings(system["model"])
    own = {name: value for name, value in settings.items() if name not in default or default[name] != value}
    named = {name: value for name, value in system.items() if name != "variant"}
    return {"loss": declared(system["model"], "LOSS")} | named | {"settings": own}


def variant_system(experiment, variant):
    """The system that a variant of an experiment is: one that is there already, or a new one `<experiment>-<variant>`."""
    base, change = EXPERIMENTS[experiment]["system"], dict(CHANGES[experiment][variant])
    change.pop("scenario", None)
    system = base | change | {"settings": base.get("settings", {}) | change.get("settings", {})}
    for name, other in SYSTEMS.items():
        if told(other) == told(system):
            return name
    name = f"{experiment}-{variant}"
    SYSTEMS[name] = system | {"variant": variant}
    return name


CHANGES = {name: variants_of(experiment) for name, experiment in EXPERIMENTS.items()}
SWEPT = {name: next(iter(e["sweep"])) for name, e in EXPERIMENTS.items() if "sweep" in e}  # by experiment the setting
VARIANTS = {name: {variant: variant_system(name, variant) for variant in CHANGES[name]} for name in EXPERIMENTS}


wildcard_constraints:
    scenario="|".join(SCENARIOS),
    source="[a-z0-9]+",
    target="[a-z0-9]+",
    system="|".join(map(re.escape, SYSTEMS)),
    experiment="|".join(EXPERIMENTS) or "none",
    seed=r"\d+",
    shard=r"\d+",
    shards=r"\d+",


NAMED = {name: "run" for name in config["run"]}
NAMED |= {
    variant["scenario"]: f"experiment {name}"
    for name, changes in CHANGES.items()
    for variant in changes.values()
    if "scenario" in variant
}
for unknown in [name for name in NAMED if name not in SCENARIOS]:
    raise WorkflowError(f"config: {NAMED[unknown]} names the scenario '{unknown}'; known are {', '.join(SCENARIOS)}")
for name, scenario in SCENARIOS.items():
    if scenario["release"] not in config["raw"]:
        known = ", ".join(config["raw"])
        raise WorkflowError(f"config: scenario '{name}' takes release '{scenario['release']}'; raw has {known}")


# Jobs and the functions below find the package whether it is installed or not, also in an environment of --sdm conda.
SOURCES = str(Path(workflow.basedir, "src"))
sys.path.insert(0, SOURCES)
# glibc gives large blocks back to the system and asks for them anew at every batch; kept, training is some 20 % faster.
shell.prefix(
    "set -euo pipefail; export MALLOC_MMAP_THRESHOLD_=4294967296 MALLOC_TRIM_THRESHOLD_=8589934592"
    f" PYTHONPATH={shlex.quote(SOURCES)}${{{{PYTHONPATH:+:$PYTHONPATH}}}}; "
)


def setting(stage, key):
    """A function of the wildcards: the setting of a stage, or the scenario's override of it."""
    return lambda wc: SCENARIOS[wc.scenario].get(stage, {}).get(key, config[stage][key])


def training(key, default=None):
    """A function of the wildcards: a training setting, the system's before the scenario's before the stage's."""

    def find(wc):
        layers = (SYSTEMS[wc.system], SCENARIOS[wc.scenario].get("train", {}), config["train"])
        return next((layer[key] for layer in layers if key in layer), default)

    return find


def code(module, seen=None, without=()):
    """The source file of a src/ module and those of every src/ module it imports, directly or not.

    Listed as inputs they make a job stale when its code changes, and only then: small inputs count by content.
    Left out are the modules and packages `without`, which the job imports but does not run.
    """
    seen = {} if seen is None else seen
    if any(f"{module}.".startswith(f"{name}.") for name in without):
        return []
    if "." in module:
        code(module.rpartition(".")[0], seen, without)  # importing a.b runs a/__init__.py first
    stem = Path("src", *module.split("."))
    path = next((p for p in (stem.with_suffix(".py"), stem / "__init__.py") if p.exists()), None)
    if path and module not in seen:
        seen[module] = path
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Import):
                names = [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom):
                names = [f"{node.module}.{alias.name}" for alias in node.names]
            else:
                continue
            for name in names:
                code(name, seen, without)
    return sorted(map(str, seen.values()))


def local_file(wc):
    """The file that a local release holds; a changed one makes everything after it stale."""
    from semacdr.raw import find_local

    release = config["raw"][wc.release]
    if release["source"] != "local":
        return []
    return str(find_local(Path(release["folder"]), wc.category, wc.kind))


def check_local(name):
    """Raise where the local release of a scenario lacks a file.

    local_file raises too, but once there are results, Snakemake drops what the input functions of early rules raise.
    """
    from semacdr.errors import UserError
    from semacdr.raw import find_local

    release = config["raw"][SCENARIOS[name]["release"]]
    for category in SCENARIOS[name]["domains"].values() if release["source"] == "local" else []:
        for kind in ("reviews", "meta"):
            try:
                find_local(Path(release["folder"]), category, kind)
            except UserError as error:
                raise WorkflowError(f"config: scenario '{name}', release '{SCENARIOS[name]['release']}': {error}")


def raw_files(kind):
    """A function of the wildcards: the files of a kind, of both domains in the order of the config."""

    def find(wc):
        scenario = SCENARIOS[wc.scenario]
        return [f"resources/raw/{scenario['release']}/{kind}_{c}.json.gz" for c in scenario["domains"].values()]

    return find


def model_of(wc):
    """The module of a system's model."""
    return f"semacdr.models.{SYSTEMS[wc.system]['model']}"


def seeds_of(wc_or_system, scenario):
    """The seeds of a system; one for a system that learns nothing, as all would be the same."""
    system = SYSTEMS[wc_or_system]
    seeds = system.get("seeds", SCENARIOS[scenario].get("train", {}).get("seeds", config["train"]["seeds"]))
    return seeds if declared(system["model"], "LOSS") else seeds[:1]


def model_inputs(wc):
    """The inputs that a system takes beside the history, by the name of their option."""
    scenario = f"results/{wc.scenario}"
    direction = f"{scenario}/{wc.source}_to_{wc.target}"
    files = {
        "agnostic": f"{scenario}/semantics/agnostic.parquet",
        "embeddings": f"{scenario}/embeddings.parquet",
        "graphs": [f"{direction}/graphs/{name}.parquet" for name in ("source", "target", "mixed")],
    }
    return {name: files[name] for name in declared(SYSTEMS[wc.system]["model"], "INPUTS")}


def model_options(wc, input):
    """Those inputs as options of the command line."""
    given = {name: input.get(name) for name in ("agnostic", "embeddings", "graphs") if input.get(name)}
    folder = {name: str(Path(files[0]).parent) if name == "graphs" else files for name, files in given.items()}
    return " ".join(f"--{name} {path}" for name, path in folder.items())


def all_ranks(wc):
    """The ranks of all systems and seeds, in both directions."""
    check_local(wc.scenario)
    first, second = SCENARIOS[wc.scenario]["domains"]
    return [
        f"results/{wc.scenario}/{source}_to_{target}/{system}/seed{seed}/ranks.parquet"
        for source, target in ((first, second), (second, first))
        for system in COMPARED
        for seed in seeds_of(system, wc.scenario)
    ]


def runs_of(scenario, experiment, file, variants=None, directions=None):
    """By variant of an experiment (all, or some) a file of its seeds' runs, in one direction or both.

    They are those of the scenario, or of another one that the variant names.
    """
    first, second = SCENARIOS[scenario]["domains"]
    pairs = [(first, second), (second, first)][: directions or EXPERIMENTS[experiment].get("directions", 2)]
    runs = {}
    for variant in variants or VARIANTS[experiment]:
        system = VARIANTS[experiment][variant]
        place = CHANGES[experiment][variant].get("scenario", scenario)
        runs[variant] = [
            f"results/{place}/{source}_to_{target}/{system}/seed{seed}/{file}"
            for source, target in pairs
            for seed in seeds_of(system, place)
        ]
    return runs


def distinct(runs):
    """The files of runs by variant, each once."""
    return sorted({path for paths in runs.values() for path in paths})


def as_runs(runs):
    """Runs by variant as options of the command line."""
    return " ".join(f"--runs {name} {' '.join(paths)}" for name, paths in runs.items())


def folder(wc, output):
    """The folder that a stage writes into, from its first output."""
    return str(Path(output[0]).parent)


def snippets(wc):
    """The snippets of reviews, where items are told with them."""
    return f"results/{wc.scenario}/semantics/snippets.parquet" if setting("semantics", "reviews")(wc) else []


def both_splits(wc):
    """The splits of a scenario's two directions."""
    first, second = SCENARIOS[wc.scenario]["domains"]
    return [f"results/{wc.scenario}/{a}_to_{b}/split.parquet" for a, b in ((first, second), (second, first))]


def cpus(wanted):
    """Cores that a job asks Snakemake for where its stage uses `wanted` threads (a number, or a function of wildcards).

    Where --cores promises more than the machine has, each job asks for the more, so that jobs side by side never run
    more threads than there are CPUs: threads that wait for each other would slow all of them many times over.
    """
    there = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    promised = workflow.resource_settings.cores
    share = promised / there if promised and promised > there and not workflow.remote_exec else 1
    if callable(wanted):
        return lambda wc: math.ceil(min(wanted(wc), there) * share)
    return math.ceil(min(wanted, there) * share)


# A cluster's profile says which rules get a GPU; on one machine they take it where there is one.
GPU = 1 if shutil.which("nvidia-smi") else 0

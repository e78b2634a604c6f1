"""Helpers that the rules share: settings with a scenario's overrides, a module's code as inputs, what a job may use."""

import ast
import json
import math
import os
import shlex
import shutil
import sys
from functools import cache
from pathlib import Path

SCENARIOS = config["scenarios"]


wildcard_constraints:
    scenario="|".join(SCENARIOS),
    source="[a-z0-9]+",
    target="[a-z0-9]+",
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


def training(key, default=None, tuned=True):
    """A function of the wildcards: a training setting, the system's before the scenario's before the stage's.

    With `tuned`, what tuning chose for the system stands after what the config says of the system itself.
    """

    def find(wc):
        chosen = tuned_for(wc)["training"] if tuned else {}
        layers = (SYSTEMS[wc.system], chosen, SCENARIOS[wc.scenario].get("train", {}), config["train"])
        return next((layer[key] for layer in layers if key in layer), default)

    return find


@cache
def imported(module):
    """The file of a src/ module, None of any other, and all names that it imports."""
    stem = Path("src", *module.split("."))
    path = next((p for p in (stem.with_suffix(".py"), stem / "__init__.py") if p.exists()), None)
    names = [module.rpartition(".")[0]] if "." in module else []  # importing a.b runs a/__init__.py first
    for node in ast.walk(ast.parse(path.read_text())) if path else []:
        if isinstance(node, ast.Import):
            names += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            names += [f"{node.module}.{alias.name}" for alias in node.names]
    return path, names


@cache
def code(module, without=()):
    """The source file of a src/ module and those of every src/ module it imports, directly or not.

    Listed as inputs they make a job stale when its code changes, and only then: small inputs count by content.
    Left out are the modules and packages `without`, which the job imports but does not run.
    """
    files, seen, ahead = set(), set(), [module]
    while ahead:
        name = ahead.pop()
        if name not in seen and not any(f"{name}.".startswith(f"{other}.") for other in without):
            seen.add(name)
            path, names = imported(name)
            files |= {str(path)} if path else set()
            ahead += names
    return sorted(files)


def local_file(wc):
    """The file that a local release holds; a changed one makes everything after it stale."""
    from semacdr.stages.raw import find_local

    release = config["raw"][wc.release]
    if release["source"] != "local":
        return []
    return str(find_local(Path(release["folder"]), wc.category, wc.kind, wc.release))


def check_local(name):
    """Raise where the local release of a scenario lacks a file.

    local_file raises too, but once there are results, Snakemake drops what the input functions of early rules raise.
    """
    from semacdr.errors import UserError
    from semacdr.stages.raw import find_local

    release = config["raw"][SCENARIOS[name]["release"]]
    for category in SCENARIOS[name]["domains"].values() if release["source"] == "local" else []:
        for kind in ("reviews", "meta"):
            try:
                find_local(Path(release["folder"]), category, kind, SCENARIOS[name]["release"])
            except UserError as error:
                raise WorkflowError(f"config: scenario '{name}', release '{SCENARIOS[name]['release']}': {error}")


def raw_files(kind):
    """A function of the wildcards: the files of a kind, of both domains in the order of the config."""

    def find(wc):
        scenario = SCENARIOS[wc.scenario]
        return [f"resources/raw/{scenario['release']}/{kind}_{c}.json.gz" for c in scenario["domains"].values()]

    return find


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

"""What the rules share: the plan, a shell that finds the package, and what a job may use of the machine."""

import math
import os
import re
import shlex
import shutil
import sys
from pathlib import Path

SOURCES = str(Path(workflow.basedir, "src"))
sys.path.insert(0, SOURCES)

from semacdr.plan.code_inputs import code, shown
from semacdr.plan.plan import as_options, distinct
from semacdr.plan.start import start

plan = start(config, workflow)

# Jobs find the package whether it is installed or not. glibc gives large blocks back to the system and asks for them
# again at every batch; kept, training is some 20 % faster.
shell.prefix(
    "set -euo pipefail; export MALLOC_MMAP_THRESHOLD_=4294967296 MALLOC_TRIM_THRESHOLD_=8589934592"
    f" PYTHONPATH={shlex.quote(SOURCES).replace('{', '{{').replace('}', '}}')}${{{{PYTHONPATH:+:$PYTHONPATH}}}}; "
)


wildcard_constraints:
    scenario="|".join(map(re.escape, plan.config.scenarios)),
    direction="|".join(map(re.escape, plan.directions)),
    run=r"[\w.-]+-[0-9a-f]{8}",
    seed=r"\d+",


def settings(stage):
    """A stage's settings as one JSON value: what makes its results stale."""
    return lambda wc: plan.settings(stage, wc.get("scenario"))


def option(stage, name):
    """An option of a stage, which changes no result."""
    return lambda wc: getattr(plan.options(stage, wc.get("scenario")), name)


def folder(wc, output):
    """The folder that a stage writes into, from its first output."""
    return str(Path(output[0]).parent)


def cpus(wanted):
    """Cores that a job asks Snakemake for where its stage uses `wanted` threads (a number, or a function of wildcards).

    Where --cores promises more than the machine has, each job asks for proportionally more, so that jobs never run more
    threads than there are CPUs: threads that wait for each other would slow all of them many times over.
    """
    there = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    promised = workflow.resource_settings.cores
    share = promised / there if promised and promised > there and not workflow.remote_exec else 1
    if callable(wanted):
        return lambda wc: math.ceil(min(wanted(wc), there) * share)
    return math.ceil(min(wanted, there) * share)


def gpus(wc):
    """GPUs that a job asks for whose stage can use one: none where it runs on this machine and this machine has none.

    The nodes of a cluster may have GPUs where the machine that submits has none. Snakemake evaluates this both when it
    submits a job and within the job, where the answers must agree.
    """
    return int(workflow.non_local_exec or workflow.remote_exec or bool(shutil.which("nvidia-smi")))

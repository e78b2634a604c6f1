"""What a rule needs for a job: settings, inputs, code, cores. `wc` are the wildcards of the job."""

import math
import os
import shlex
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

from semacdr.plan.code_inputs import code
from semacdr.plan.declarations import SOURCES
from semacdr.plan.plan import RESULTS, Plan
from semacdr.plan.runs import Record

# Jobs find the package whether it is installed or not. By default, glibc returns large memory
# blocks to the system and requests them again at every batch. Keeping them makes training about 20 % faster. Braces are
# doubled, as Snakemake formats the text.
SHELL_PREFIX = (
    "set -euo pipefail; export MALLOC_MMAP_THRESHOLD_=4294967296 MALLOC_TRIM_THRESHOLD_=8589934592 PYTHONPATH="
    + shlex.quote(str(SOURCES)).replace("{", "{{").replace("}", "}}")
    + "${{PYTHONPATH:+:$PYTHONPATH}}; "
)


class Jobs:
    """The jobs of a plan in a workflow of Snakemake."""

    def __init__(self, plan: Plan, workflow: Any) -> None:
        self.plan, self.workflow = plan, workflow

    def settings(self, stage: str) -> Callable[[Any], str]:
        """A stage's settings as one JSON value: what makes its results stale."""
        return lambda wc: self.plan.settings(stage, wc.get("scenario"))

    def option(self, stage: str, name: str) -> Callable[[Any], Any]:
        """An option of a stage, which changes no result."""
        return lambda wc: getattr(self.plan.options(stage, wc.get("scenario")), name)

    def cpus(self, wanted: int | Callable[[Any], int]) -> int | Callable[[Any], int]:
        """Cores that a job asks Snakemake for where its stage uses `wanted` threads.

        Where --cores promises more than the machine has, each job asks for proportionally more, so that jobs never run
        more threads than there are CPUs: threads that wait for each other would slow all of them many times over.
        """
        present = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
        promised = self.workflow.resource_settings.cores
        share = promised / present if promised and promised > present and not self.workflow.remote_exec else 1
        if callable(wanted):
            return lambda wc: math.ceil(min(wanted(wc), present) * share)
        return math.ceil(min(wanted, present) * share)

    def record(self, wc: Any) -> Record:
        """The record of a run."""
        return self.plan.found(wc.scenario, wc.direction, wc.run)

    def model_inputs(self, wc: Any) -> dict[str, Any]:
        """The inputs of a run's model in addition to the history."""
        return self.plan.inputs(wc.scenario, wc.direction, self.record(wc))

    def final_inputs(self, wc: Any) -> dict[str, Any]:
        """The same for a run on all events."""
        return self.plan.inputs(wc.scenario, f"{wc.direction}/final", self.record(wc))

    def final_run(self, wc: Any) -> list[str]:
        """Checkpoint and settings of a system's run on all events, under its first seed."""
        folder = self.plan.final_run(wc.scenario, wc.direction, wc.system).folder
        return [f"{folder}/checkpoint.safetensors", f"{folder}/settings.json"]

    def final_tables(self, wc: Any) -> dict[str, Any]:
        """The tables that a system's run on all events was trained on, with the users' names."""
        run, folder = self.plan.final_run(wc.scenario, wc.direction, wc.system), f"{RESULTS}/{wc.scenario}"
        tables = [f"{folder}/{name}.parquet" for name in ("interactions", "items", "users")]
        found = {"tables": [*tables, f"{folder}/{run.direction}/split.parquet"]}
        return found | self.plan.inputs(wc.scenario, run.direction, run.record)

    def model_code(self, stage: str) -> Callable[[Any], list[str]]:
        """The code of a stage and of the run's model."""
        return lambda wc: code(f"semacdr.stages.{stage}", f"semacdr.models.{self.record(wc).model}")

    def gpus(self, wc: Any) -> int:
        """GPUs that a job requests whose stage can use one: none if it runs on this machine and this machine has none.

        The nodes of a cluster may have GPUs where the machine that submits has none. Snakemake evaluates this both when
        it submits a job and within the job, where the answers must agree.
        """
        elsewhere = self.workflow.non_local_exec or self.workflow.remote_exec
        return int(elsewhere or bool(shutil.which("nvidia-smi")))

    def gpus_to_learn(self, wc: Any) -> int:
        """GPUs that a job of a run requests; none for a non-learned baseline."""
        return self.gpus(wc) if self.plan.learns(self.record(wc).model) else 0


def folder(wc: Any, output: Any) -> str:
    """The folder that a stage writes into, from its first output."""
    return str(Path(output[0]).parent)


def left_out(wc: Any) -> str:
    """The number of the part of the events that personas leave out, from the wildcard `part`; 0: none."""
    return wc.part.removeprefix("/part") or "0"


def whole_personas(wc: Any, direction: str) -> list[str]:
    """For personas without a part of the events, those of all events and their vectors; else none."""
    folder = f"{RESULTS}/{wc.scenario}/{direction}/personas"
    return [f"{folder}/{name}.parquet" for name in ("personas", "vectors")] if wc.part else []


def paths(wc: Any, input: Any) -> list[str]:
    """The inputs of a model as words of a command line."""
    given = {"interactions": input.interactions, "items": input.catalogue, "split": input.split}
    given |= {name: input[name] for name in ("agnostic", "embeddings") if input.get(name)}
    given |= {name: str(Path(input[name][0]).parent) for name in ("graphs", "personas") if input.get(name)}
    return [word for name, path in given.items() for word in (f"--{name}", path)]

"""Run one training of a comparison in a separate process and environment, so that systems do not affect each other."""

import json
import os
import runpy
import subprocess
from pathlib import Path

HERE = Path(__file__).resolve().parent
# For every system: thread waiting as in semacdr/__init__.py, memory allocation as in other benchmarks and the workflow.
ALIKE = {"GOMP_SPINCOUNT": "1000"} | runpy.run_path(str(HERE.parent / "memory.py"))["ALLOCATOR"]


def train(python: str | Path, script: Path, folder: Path, name: str, output: Path, threads: int, options: dict) -> None:
    """Run a script of the comparison on a direction; it writes `output` (JSON) and its messages next to it (.log).

    `options` are those of `protocol.arguments` and of the script, by name; a dict is given as JSON.
    """
    path = os.pathsep.join(map(str, (HERE.parents[1] / "src", HERE.parent, HERE)))
    command = [python, script, folder.resolve(), "--name", name, "--threads", threads, "--output", output.resolve()]
    for option, value in options.items():
        command += [f"--{option}", json.dumps(value) if isinstance(value, dict) else value]
    environment = os.environ | ALIKE | {"PYTHONPATH": path, "OMP_NUM_THREADS": str(threads)}
    with output.with_suffix(".log").open("w") as log:
        subprocess.run([*map(str, command)], check=True, env=environment, stderr=log, cwd=output.parent)

"""The code of a job is all that its module imports, directly or not."""

import subprocess
import sys

import pytest

from semacdr.plan.code_inputs import code, modules
from semacdr.plan.declarations import SOURCES

STAGES = [path.stem for path in sorted(SOURCES.glob("semacdr/stages/[!_]*.py"))]
LOADED = "import sys, semacdr.stages.{0}; print(*sorted(n for n in sys.modules if n.partition('.')[0] == 'semacdr'))"


@pytest.mark.parametrize("stage", ["split", "compare", "semantics", "train"])
def test_the_walk_finds_every_module_that_python_loads(stage):
    command = [sys.executable, "-c", LOADED.format(stage)]
    loaded = subprocess.run(
        command, capture_output=True, text=True, check=True, env={"PYTHONPATH": str(SOURCES)}
    ).stdout
    assert {*loaded.split()} <= modules(f"semacdr.stages.{stage}")


def test_names_inside_modules_lead_to_their_modules():
    files = {path.rpartition("/")[2] for path in code("semacdr.stages.split")}
    assert {"split.py", "tables.py", "files.py", "settings.py", "errors.py", "progress.py", "cli.py"} <= files


def test_what_a_job_imports_and_does_not_run_can_be_left_out():
    whole, less = (modules("semacdr.stages.semantics", without) for without in ((), ("semacdr.llm",)))
    assert "semacdr.llm.store" in whole and not [name for name in less if name.startswith("semacdr.llm")]


def test_every_stage_has_its_own_file_and_the_settings():
    for stage in STAGES:
        assert {f"semacdr.stages.{stage}", "semacdr.runtime.cli"} <= modules(f"semacdr.stages.{stage}"), stage

"""Every stage's help says what it reads and writes, and an error for a user is one line without a traceback."""

import importlib
import os
import subprocess
import sys
from pathlib import Path

import pytest

SOURCES = Path(__file__).parents[2] / "src"
STAGES = sorted(path.stem for path in (SOURCES / "semacdr/stages").glob("[!_]*.py"))


@pytest.mark.parametrize("stage", STAGES)
def test_help_says_what_a_stage_reads_and_writes(stage, capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "100")
    module = importlib.import_module(f"semacdr.stages.{stage}")
    with pytest.raises(SystemExit) as left:
        module.main(["--help"])
    assert left.value.code == 0
    lines = capsys.readouterr().out.splitlines()
    assert any(line.startswith("Reads ") for line in lines)
    assert any(line.startswith("Writes ") for line in lines)
    assert module.__doc__.splitlines()[0] in lines  # the description is printed as written, not rewrapped
    assert any(line.startswith("  --") for line in lines)


@pytest.mark.parametrize("stage", STAGES)
def test_every_stage_is_a_command_and_reads_no_config(stage):
    source = (SOURCES / "semacdr/stages" / f"{stage}.py").read_text()
    assert source.rstrip().endswith('if __name__ == "__main__":\n    run(main)')
    assert "config.yaml" not in source
    assert "import snakemake" not in source


def start(*argv):
    return subprocess.run(
        [sys.executable, "-m", *argv],
        capture_output=True,
        text=True,
        env=os.environ | {"PYTHONPATH": str(SOURCES)},
        timeout=60,
    )


def test_an_error_for_a_user_is_one_line_and_exit_status_1(tmp_path):
    done = start("semacdr.stages.taxonomy", "--taxonomy", f"{tmp_path}/none.json", "--output", f"{tmp_path}/out.json")
    assert done.returncode == 1
    (line,) = done.stderr.splitlines()
    assert line.startswith(f"error: {tmp_path}/none.json: no such taxonomy; write one like those in resources/")
    assert done.stdout == ""
    assert not (tmp_path / "out.json").exists()


def test_a_wrong_option_is_exit_status_2():
    done = start("semacdr.stages.taxonomy", "--taxonomies", "x")
    assert done.returncode == 2
    assert "Traceback" not in done.stderr

"""The logger in Snakemake itself: it is found by its name, and shows a run, a changed setting and a failed job."""

import os
import re
import subprocess
import sys

import pytest
from project import ROOT
from snakemake_interface_logger_plugins.registry import LoggerPluginRegistry

SNAKEFILE = """
import json
rule all:
    input: "b.txt"
rule a:
    message: "Write {output}"
    output: "{name}.in"
    log: "logs/{name}.log"
    params: settings=json.dumps(config["a"], sort_keys=True)
    shell: "echo 'error: no candidates' > {log}; test ! -e broken; echo x > {output}"
rule b:
    input: "b.in"
    output: "b.txt"
    shell: "cp {input} {output}"
"""


def test_snakemake_finds_the_logger_by_the_name_that_the_profiles_give():
    handler = LoggerPluginRegistry().get_plugin("semacdr").log_handler
    assert handler.__module__ == "snakemake_logger_plugin_semacdr"
    for name in ("default", "slurm"):
        assert "\nlogger: semacdr" in (ROOT / f"profiles/{name}/profile.v9+.yaml").read_text()


@pytest.mark.slow
def test_a_run_a_changed_setting_and_a_failure(tmp_path):
    (tmp_path / "Snakefile").write_text(SNAKEFILE)

    def lines(candidates: int, *arguments: str, status: int = 0) -> list[str]:
        config = f'{{"a": {{"candidates": {candidates}, "seed": 0}}}}'
        command = [sys.executable, "-m", "snakemake", "--logger", "semacdr", "--cores", "1", *arguments]
        (tmp_path / "config.json").write_text(config)
        done = subprocess.run([*command, "--configfile", "config.json"], cwd=tmp_path, text=True, capture_output=True,
                              env=os.environ | {"PYTHONPATH": f"{ROOT}/src"})  # fmt: skip
        assert (done.returncode != 0) == bool(status), done.stderr
        clock = re.compile(r"^\d\d:\d\d:\d\d|\d+\.\d s\b|[^ ]+\.snakemake\.log$", re.MULTILINE)
        return clock.sub("*", done.stdout + done.stderr).splitlines()

    assert lines(100) == [
        "*        2 jobs to run",
        "* start  Write b.in",
        "* done   Write b.in: *  [1 of 2]",
        "* start  b",
        "* done   b: *  [2 of 2]",
        "* end    2 of 2 jobs done in *; full log: *",
    ]
    (log,) = (tmp_path / ".snakemake/log").iterdir()
    assert "Shell command: cp b.in b.txt" in log.read_text()
    assert lines(20, "-n")[-3:] == [
        "Write b.in  (a: candidates 100 → 20)",
        "b  (input from another job)",
        "This was a dry-run (flag -n). The order of jobs does not reflect the order of execution.",
    ]
    (tmp_path / "broken").touch()
    failed = lines(20, status=1)
    assert failed[1] == "* start  Write b.in  (a: candidates 100 → 20)"
    assert failed[2:5] == ["* failed Write b.in: after *", "    error: no candidates", "    log: logs/b.log"]
    assert failed[-2:] == ["WorkflowError:", "At least one job did not complete successfully."]
    assert not [line for line in failed if "set -euo" in line or "rule a:" in line]

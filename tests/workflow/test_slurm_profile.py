"""The Slurm profile: its rules exist, its comments' advice works, and which jobs it submits asking for what."""

import json
import os
import re

import pytest
import yaml
from project import ROOT, shrink
from snakemake.resources import Resource

FOLDER = ROOT / "profiles/slurm"
LIMITS = {"max_runtime", "max_gpu"}

EXECUTOR = '''
import json
from pathlib import Path

from snakemake_interface_executor_plugins.executors.base import SubmittedJobInfo
from snakemake_interface_executor_plugins.executors.remote import RemoteExecutor
from snakemake_interface_executor_plugins.settings import CommonSettings

common_settings = CommonSettings(
    non_local_exec=True,
    implies_no_shared_fs=False,
    job_deploy_sources=False,
    pass_default_storage_provider_args=False,
    init_seconds_before_status_checks=1,
)


class Executor(RemoteExecutor):
    """Writes down what a job asks for, and makes empty outputs."""

    def run_job(self, job):
        jobs = list(job.jobs) if job.is_group() else [job]
        for path in (path for one in jobs for path in [*one.output, one.benchmark]):
            Path(path).parent.mkdir(parents=True, exist_ok=True)
            Path(path).mkdir() if getattr(path, "is_directory", False) else Path(path).touch()
        asked = {name: job.resources.get(name) for name in ("gpu", "runtime", "mem_mb")}
        runs = [str(one.wildcards.get("run", "")) for one in jobs]
        with open("submitted.jsonl", "a") as file:
            print(json.dumps(asked | {"rules": sorted(one.rule.name for one in jobs), "runs": runs}), file=file)
        self.report_job_submission(SubmittedJobInfo(job))
        self.report_job_success(SubmittedJobInfo(job))

    async def check_active_jobs(self, active_jobs):
        for _ in ():
            yield _

    def cancel_jobs(self, active_jobs):
        pass
'''


def profile(text: str | None = None) -> dict:
    return yaml.safe_load(text or (FOLDER / "profile.v9+.yaml").read_text())


def rules() -> dict[str, bool]:
    """All rules, and whether their jobs may ask for a GPU."""
    found = {}
    for path in sorted((ROOT / "workflow/rules").glob("*.smk")):
        for block in re.split(r"^(?=rule |use rule )", path.read_text(), flags=re.MULTILINE)[1:]:
            base, name = re.match(r"(?:use rule (\w+) as |rule )(\w+)", block).groups()
            asks = re.search(r"^        gpu=(.+),$", block, re.MULTILINE)
            found[name] = asks[1] != "0" if asks else found.get(base, False)
    return found


def test_it_names_rules_that_exist_and_all_that_may_use_a_gpu():
    known, given = rules(), profile()
    assert {*given["set-resources"], *given["groups"]} <= {*known}
    learned = {rule for rule, asked in given["set-resources"].items() if asked == given["set-resources"]["train"]}
    assert learned == {rule for rule, asks in known.items() if asks}
    assert not learned & {*given["groups"]}  # a group that fails loses the outputs of all its jobs


def test_the_advice_of_its_comments_works_when_uncommented():
    text = (FOLDER / "profile.v9+.yaml").read_text()
    advised, count = re.subn(r"^( +)# (?=\w+: )", r"\1", text, flags=re.MULTILINE)
    assert count == 2
    given = profile(advised)
    assert given["default-resources"]["slurm_account"]
    for rule, asks in rules().items():
        assert not asks or given["set-resources"][rule]["gpu"] == 0
    without = profile(text.replace(re.search(r"^slurm-partition-config:.*\n", text, re.MULTILINE)[0], ""))
    assert "slurm-partition-config" not in without


def minutes(expression: str, attempt: int) -> int:
    """What Snakemake makes of a run time in the profile."""
    asked = Resource.from_cli_expression("runtime", expression)
    return asked.evaluate({}, input=[], attempt=attempt, threads=1, rulename="", async_run=None).value


def test_run_times_fit_the_partitions_at_every_attempt():
    given = profile()
    partitions = yaml.safe_load((FOLDER / given["slurm-partition-config"]).read_text())["partitions"]
    assert all({*limits} <= LIMITS for limits in partitions.values())
    assert any(limits.get("max_gpu") for limits in partitions.values())
    longest = min(limits["max_runtime"] for limits in partitions.values())
    runtime = {rule: asked["runtime"] for rule, asked in given["set-resources"].items()}
    default = given["default-resources"]["runtime"]
    for attempt in range(1, given["retries"] + 2):
        assert all(minutes(value, attempt) <= longest for value in [*runtime.values(), default])
        for group in {*given["groups"].values()}:
            chain = [rule for rule, name in given["groups"].items() if name == group]
            assert sum(minutes(runtime.get(rule, default), attempt) for rule in chain) <= longest


@pytest.mark.slow
def test_what_is_submitted_asks_for_gpus_where_models_learn_even_from_a_machine_without(checkout, tmp_path):
    project = checkout.copy(tmp_path / "project")
    project.configure(lambda config: shrink(config) or config["scenarios"]["movie_book"].update(release="sample"))
    given = {key: value for key, value in profile().items() if not key.startswith("slurm-")} | {
        "executor": "recorder",
        "latency-wait": 1,
    }
    (project / "profiles/slurm/profile.v9+.yaml").write_text(yaml.safe_dump(given))
    (tmp_path / "path/snakemake_executor_plugin_recorder").mkdir(parents=True)
    (tmp_path / "path/snakemake_executor_plugin_recorder/__init__.py").write_text(EXECUTOR)
    path = f"{tmp_path}/path{os.pathsep}{os.environ.get('PYTHONPATH', '')}"
    status, text = project.call(
        "--workflow-profile",
        "slurm",
        "--until",
        "rank",
        "--seconds-between-status-checks",
        "1",
        environment={"PYTHONPATH": path},
    )
    assert status == 0, text
    submitted = [json.loads(line) for line in (project / "submitted.jsonl").read_text().splitlines()]
    asked = {}
    for job in submitted:
        learns = not job["runs"][0].startswith("popularity")
        asked.setdefault("+".join(job["rules"]), set()).add((learns, job["gpu"] or 0))
    learned = {(True, 1), (False, 0)}
    assert asked == {
        "graph+graph+preprocess+sample+split+split": {(True, 0)},
        "taxonomy": {(True, 0)},
        "semantics": {(True, 1)},
        "encode": {(True, 1)},
        "train": learned,
        "rank": learned,
    }
    assert len(submitted) == 16

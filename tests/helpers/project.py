"""A folder with the project in it, the Snakemake commands that tests run there, and changes that make it tiny."""

import gzip
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import yaml

ROOT = Path(__file__).parents[2]
WORKS = 100  # of each catalogue: the text encoder takes most of a run's time
FULL = {"preprocess": 1, "taxonomy": 1, "semantics": 1, "encode": 1, "split": 2, "graph": 2}
FULL |= {"train": 6, "rank": 6, "metrics": 1}  # 3 systems, 2 directions, 1 seed


class Project:
    """A folder with the project in it, and Snakemake runs there."""

    def __init__(self, folder: Path):
        self.folder = folder

    def __truediv__(self, path: str) -> Path:
        return self.folder / path

    def command(self, *arguments: str, environment: dict | None = None, **options) -> subprocess.Popen:
        """Snakemake, started here with the interpreter that runs the tests; its stdout and stderr come together."""
        path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
        # No CUDA, as the same bytes are promised on the CPU.
        environment = os.environ | {"PATH": path, "CUDA_VISIBLE_DEVICES": ""} | (environment or {})
        options = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT} | options
        command = [sys.executable, "-m", "snakemake", *DETAIL, *arguments]
        return subprocess.Popen(command, cwd=self.folder, env=environment, text=True, **options)

    def call(self, *arguments: str, environment: dict | None = None) -> tuple[int, str]:
        """The exit status of a Snakemake command, and all that it printed."""
        with self.command(*arguments, environment=environment) as process:
            text = process.communicate(timeout=500)[0]
        return process.returncode, text

    def run(self, *targets: str) -> dict[str, int]:
        """Run, and return how many jobs of each rule ran; {} only where Snakemake says that there is nothing to do."""
        status, text = self.call(*targets, *RUN)
        assert status == 0, text
        done = count(re.findall(r"^Finished jobid: \d+ \(Rule: (\w+)\)", text, re.MULTILINE))
        assert done == planned(text), text
        return done

    def plan(self, *targets: str) -> dict[str, int]:
        """How many jobs of each rule a dry run announces."""
        status, text = self.call(*targets, "-n")
        assert status == 0, text
        return planned(text)

    def kill_during(self, log: str, sign: str) -> None:
        """Start a run and kill its whole process group as soon as a log shows a sign."""
        with self.command(*RUN, start_new_session=True, stdout=subprocess.DEVNULL) as process:
            deadline = time.monotonic() + 300
            while not ((self / log).exists() and sign in (self / log).read_text()):
                assert process.poll() is None and time.monotonic() < deadline, f"{log} never showed '{sign}'"
                time.sleep(0.01)
            os.killpg(process.pid, signal.SIGKILL)

    def configure(self, change: Callable[[dict], None]) -> None:
        """Let a function change the config."""
        config = yaml.safe_load((self / "config.yaml").read_text())
        change(config)
        (self / "config.yaml").write_text(yaml.safe_dump(config, sort_keys=False))

    def append(self, path: str, text: str) -> None:
        """Add text at the end of a file, which may be gzipped."""
        with (gzip.open if path.endswith(".gz") else open)(self / path, "at") as file:
            file.write(text)

    def copy(self, folder: Path) -> "Project":
        """The same project, results, records and times in another folder."""
        shutil.copytree(self.folder, folder, symlinks=True)
        return Project(folder)


DETAIL = ("--logger-semacdr-detail",)  # the tests read Snakemake's own output
# Most of these jobs are imports, so two jobs side by side are faster than two threads in one. Threads rerun nothing.
RUN = ["--cores", "2", "--set-threads", *(f"{rule}=1" for rule in FULL)]


def count(rules: list[str]) -> dict[str, int]:
    """The number of jobs of each rule, without `all`, which does nothing."""
    return {rule: rules.count(rule) for rule in rules if rule != "all"}


def planned(text: str) -> dict[str, int]:
    """The table 'Job stats' of Snakemake's output; {} where it says that nothing is to be done."""
    if "Nothing to be done" in text:
        return {}
    table = re.search(r"^Job stats:\njob +count\n[- ]+\n(.*?)^total ", text, re.MULTILINE | re.DOTALL)
    assert table, text
    return {rule: int(jobs) for rule, jobs in map(str.split, table[1].splitlines()) if rule != "all"}


def shrink(config: dict) -> None:
    """Make the config tiny, and add the release `mine`, whose raw files are simulated ones in a folder."""
    config["scenarios"]["movie_book"]["release"] = "mine"
    config["raw"]["mine"] = {"source": "local", "folder": "given"}
    config["sample"] = {"users": 100}
    config["preprocess"] = {"min_item_interactions": 1}
    config["split"] = {"candidates": 20}
    config["semantics"] = {"max_characters": 40}
    config["taxonomy"] = {}
    config["train"] |= {"seeds": [1], "epochs": 2, "max_length": 10}
    config["train"]["systems"] = {
        "popularity": {"model": "popularity"},
        "sasrec": {"model": "sasrec", "settings": {"dim": 16}},
        "semacdr": {"model": "semacdr", "settings": {"dim": 16}},
    }


def few_works(project: Project) -> None:
    """Keep only the first works of each catalogue."""
    for catalogue in ("books", "films"):
        path = project / f"resources/sample/{catalogue}.tsv"
        path.write_text("".join(path.read_text().splitlines(keepends=True)[: 1 + WORKS]))

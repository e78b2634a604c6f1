"""A key stands in the environment and nowhere else: not in a file that a run wrote, and not in what it printed."""

import os
import subprocess
import sys
import time
from pathlib import Path

import pyarrow as pa
import pytest
from asked import KEY, ROOT, items
from scripted import Server

from semacdr import tables

TAXONOMY = ROOT / "resources/taxonomies/movie_book.json"
RUNNING = '{"timeout": 1, "retries": 0, "rounds": 1, "concurrency": 4}'


def stage(folder: Path, url: str) -> subprocess.Popen:
    """The asking part of the stage, in a process; as that of a shard, which needs no text encoder."""
    tables.write(pa.Table.from_pylist(items(30)), folder / "items.parquet", "items", {"release": "handmade"})
    command = ["-m", "semacdr.semantics", "--engine", "llm", "--items", folder / "items.parquet", "--model", "scripted"]
    command += ["--taxonomy", TAXONOMY, "--endpoint", url, "--store", folder / "answers.sqlite", "--running", RUNNING]
    command += ["--shard", "1/1", "--export", folder / "answers.parquet"]
    environment = os.environ | {"OPENAI_API_KEY": KEY}
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    return subprocess.Popen([sys.executable, *map(str, command)], cwd=ROOT, env=environment, **pipes)


def holding(folder: Path, secret: str) -> list[str]:
    """The files under a folder that hold a secret."""
    files = [path for path in folder.rglob("*") if path.is_file() and not path.is_symlink()]
    assert files
    return [str(path.relative_to(folder)) for path in files if secret.encode() in path.read_bytes()]


@pytest.mark.parametrize(("kind", "status"), [("401", 1), ("quota", 1), ("400", 1), ("500", 1), (None, 0)])
def test_no_file_and_no_output_holds_the_key(tmp_path, kind, status):
    with Server(lambda key, asked: kind) as server, stage(tmp_path, server.url) as process:
        printed = "".join(process.communicate())
    assert process.returncode == status, printed
    assert server.keys == {KEY}  # it was used
    assert KEY not in printed and holding(tmp_path, KEY) == []
    assert "Traceback" not in printed
    assert ("Incorrect API key provided: ***" in printed) == (kind == "401")


def test_a_killed_run_leaves_no_key_behind(tmp_path):
    with Server(latency=0.01) as server, stage(tmp_path, server.url) as process:
        while server.asked.total() < 20:
            assert process.poll() is None
            time.sleep(0.01)
        process.kill()
        printed = "".join(process.communicate())
    assert (tmp_path / "answers.sqlite-wal").exists()
    assert KEY not in printed and holding(tmp_path, KEY) == []
    assert holding(tmp_path, "scripted") != []  # the search finds what is there

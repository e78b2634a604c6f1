"""The API key is only in the environment: in no file that a run wrote, and not in its output."""

import time
from pathlib import Path

import pytest
from fake_llm_server import Server
from llm_engines import KEY, stage


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
    assert holding(tmp_path, "scripted") != []  # the search works

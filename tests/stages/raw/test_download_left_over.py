"""Downloads that find a part from an earlier run: resumed if it is of the same file, otherwise restarted."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from remote import NEW, OLD, serve

from semacdr.stages import raw


def test_a_part_of_an_earlier_run_is_resumed(server, place):
    place.begun(OLD[:200_000])
    assert place.get() == OLD
    assert [seen.get("range") for seen in server.seen] == ["bytes=200000-"]


def test_a_part_already_whole_is_not_downloaded_again(server, place):
    place.begun(OLD)
    assert place.get() == OLD
    assert [seen.get("range") for seen in server.seen] == [f"bytes={len(OLD)}-"]


def test_a_corrupt_part_is_started_over(server, place):
    place.begun(bytes(150_000) + OLD[150_000:200_000])
    assert place.get() == OLD
    assert [seen.get("range") for seen in server.seen] == ["bytes=200000-", None]


def test_a_part_longer_than_the_file_is_started_over(server, place):
    place.begun(OLD + b"more")
    assert place.get() == OLD


@pytest.mark.parametrize("memory", [None, "", '{"url": "http', "[]", '{"what": 1}', '{"url": "http://elsewhere/"}'])
def test_a_part_of_which_nothing_is_known_is_started_over(server, place, memory):
    place.begun(NEW[:1000])
    place.memory.unlink() if memory is None else place.memory.write_text(memory)
    assert place.get() == OLD
    assert "range" not in server.seen[0]


def test_a_killed_download_leaves_no_half_file_and_the_next_run_resumes_it(server, place):
    server.script = [serve(stop=100_000, then="trickle"), serve()]
    source = str(Path(raw.__file__).parents[2])
    command = [sys.executable, "-m", "semacdr.stages.raw", *place.arguments("--timeout", "5")]
    with subprocess.Popen(command, env=os.environ | {"PYTHONPATH": source}) as process:
        until = time.monotonic() + 10
        while not (place.part.exists() and place.part.stat().st_size >= 100_000):
            assert time.monotonic() < until, "the download never began"
            time.sleep(0.02)
        process.send_signal(signal.SIGKILL)
    assert process.returncode == -signal.SIGKILL
    assert not place.output.exists()
    left = place.part.stat().st_size
    assert place.get() == OLD
    assert server.seen[1]["range"] == f"bytes={left}-"

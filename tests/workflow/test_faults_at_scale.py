"""The stage with engine llm on 2,000 items, when a fifth of the requests fails and when it is killed."""

import csv
import os
import random
import re
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path
from types import SimpleNamespace

import pyarrow as pa
import pytest
from fake_llm_server import TOPICS, Server, pick, share_of
from llm_engines import llm_flags

from semacdr.storage import tables

ROOT = Path(__file__).parents[2]

pytestmark = pytest.mark.slow

ITEMS, KILLS, CONCURRENCY = 2000, 10, 32
RUNNING = {"concurrency": CONCURRENCY, "timeout": 1.5, "http_retries": 1, "retry_passes": 4}
WRITTEN = ("inner.parquet", "agnostic.parquet", "semantics.tsv")
STEPS = 6  # describing, and filing in five categories


SHARE = share_of(0.2)


def script(key, times):
    """A fifth of the requests fails; for five items every answer is a refusal."""
    part = int(re.search(r", part (\d+)", key[0])[1])
    return "refusal" if part % 400 == 7 else SHARE(key, times)


@pytest.fixture(scope="module")
def catalogue(tmp_path_factory):
    """Two thousand items with short texts: the encoder reads all of them for those that it has to file."""
    words = TOPICS.split()
    rows = [
        {"item": n, "item_id": f"X{n}", "domain": pick(["book", "movie"], "domain", n),
         "title": f"The {pick(words, 'title', n)}, part {n}", "brand": "", "categories": [], "description": ""}
        for n in range(ITEMS)
    ]  # fmt: skip
    path = tmp_path_factory.mktemp("catalogue") / "items.parquet"
    tables.write(pa.Table.from_pylist(rows), path, "items", {"release": "handmade", "scenario": "movie_book"})
    return path


def stage(catalogue: Path, url: str, folder: Path) -> subprocess.Popen:
    """The stage in a new process group, with its log in a file."""
    folder.mkdir(exist_ok=True)
    command = [sys.executable, "-m", "semacdr.stages.semantics", "--items", catalogue, "--engine", "llm"]
    command += ["--output", folder, "--taxonomy", "resources/taxonomies/movie_book.json", "--method", "structured"]
    command += llm_flags(endpoint=url, store=folder / "answers.sqlite", running=RUNNING)
    with (folder / "log.txt").open("a") as log:
        return subprocess.Popen(list(map(str, command)), cwd=ROOT, stderr=log, start_new_session=True)


def finish(process: subprocess.Popen, folder: Path) -> None:
    assert process.wait(300) == 0, (folder / "log.txt").read_text()[-3000:]


@pytest.fixture(scope="module")
def finished(catalogue, tmp_path_factory):
    """A run from the beginning to the end, and what the server saw of it."""
    folder = tmp_path_factory.mktemp("finished")
    with Server(script) as server:
        finish(stage(catalogue, server.url, folder), folder)
        yield SimpleNamespace(folder=folder, server=server)


def rows(path: Path, contract: str) -> list[dict]:
    return tables.read(path, contract)[0].to_pylist()


def test_every_item_ends_with_an_answer_or_a_recorded_failure(finished):
    inner, agnostic = (rows(finished.folder / f"{name}.parquet", name) for name in ("inner", "agnostic"))
    assert [row["item"] for row in inner] == list(range(ITEMS))
    answered = Counter(row["provenance"].split()[0] for row in inner)
    assert answered["engine=llm"] > 0.95 * ITEMS and 0 < answered["engine=encoder"] == ITEMS - answered["engine=llm"]
    assert all(" because=" in row["provenance"] for row in inner if row["provenance"].startswith("engine=encoder"))
    filed = {(row["item"], row["category"]): row["provenance"] for row in agnostic}
    assert len(filed) == 5 * ITEMS
    with (finished.folder / "semantics.tsv").open() as file:
        report = list(csv.DictReader(file, delimiter="\t"))
    counts, fallbacks = Counter(), Counter()
    for row in report:
        counts[row["step"]] += int(row["items"])
        fallbacks[row["step"]] += int(row["items"]) * row["result"].startswith("fell back: ")
    assert counts == dict.fromkeys(counts, ITEMS) and len(counts) == STEPS
    by_encoder = Counter(f"file: {name}" for (_, name), made in filed.items() if made.startswith("engine=encoder"))
    assert fallbacks == by_encoder | {"describe": answered["engine=encoder"]}
    assert all(0 < count < 0.05 * ITEMS for count in fallbacks.values())


def test_no_complete_answer_is_requested_again_and_all_kinds_of_faults_occurred(finished):
    server = finished.server
    assert not server.again and set(server.whole.values()) == {1}
    met = Counter(script(key, n) for key, times in server.asked.items() for n in range(1, times + 1))
    assert len(met) == 17 and 0.15 < 1 - met[None] / met.total() < 0.25, met


def test_a_second_run_asks_nothing_and_writes_the_same(catalogue, finished):
    before = {name: (finished.folder / name).read_bytes() for name in WRITTEN}
    asked = finished.server.asked.total()
    finish(stage(catalogue, finished.server.url, finished.folder), finished.folder)
    assert finished.server.asked.total() == asked
    assert {name: (finished.folder / name).read_bytes() for name in WRITTEN} == before


def test_killed_ten_times_it_loses_no_more_than_was_under_way_and_writes_the_same(catalogue, finished, tmp_path):
    rng, total = random.Random(5), finished.server.asked.total()
    moments = sorted(rng.sample(range(50, total - 50), KILLS))
    with Server(script) as server:
        again = 0
        for moment in moments:
            process = stage(catalogue, server.url, tmp_path)
            while server.asked.total() < moment and process.poll() is None:
                time.sleep(0.001)
            time.sleep(rng.random() * 0.1)
            assert process.poll() is None
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
            assert len(server.again) - again <= CONCURRENCY  # requests that were under way at the last kill
            again = len(server.again)
        finish(stage(catalogue, server.url, tmp_path), tmp_path)
        assert len(server.again) - again <= CONCURRENCY
        assert len(server.again) == server.whole.total() - len(server.whole)  # and of those each once
    for name in WRITTEN:
        assert (tmp_path / name).read_bytes() == (finished.folder / name).read_bytes()

"""Fixtures: the scripted Batch API, a place that asks it, no waiting between polls, and small files."""

import pytest
from batch_place import Place
from batch_server import BatchServer

from semacdr.llm import batch_api, batch_folder


@pytest.fixture
def server():
    with BatchServer() as server:
        yield server


@pytest.fixture(autouse=True)
def no_waiting(monkeypatch):
    monkeypatch.setattr(batch_api.time, "sleep", lambda _: None)


@pytest.fixture
def small_files(monkeypatch):
    monkeypatch.setattr(batch_folder, "MOST_REQUESTS", 3)


@pytest.fixture
def place(tmp_path, server):
    return Place(tmp_path, server)

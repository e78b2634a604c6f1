"""A scripted server of raw files, and a place that downloads from it."""

import pytest
from remote import Place, Server

from semacdr.data import download


@pytest.fixture
def server(monkeypatch):
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setattr(download, "FIRST_WAIT", 0.01)
    with Server() as server:
        yield server
        server.over.set()


@pytest.fixture
def place(tmp_path, server):
    return Place(tmp_path, server.url)

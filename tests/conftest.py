"""Fixtures that several folders of tests share. Tests run in parallel (`pytest -n auto`), so each uses one thread."""

import os
import sys

import pytest

os.environ.setdefault("OMP_NUM_THREADS", "1")  # read when torch is first imported

pytest_plugins = ["run_files"]


@pytest.fixture(autouse=True)
def one_thread():
    if "torch" in sys.modules:
        sys.modules["torch"].set_num_threads(1)


@pytest.fixture(scope="session")
def events():
    from direction_world import random_events

    return random_events()


@pytest.fixture(scope="session")
def world(tmp_path_factory, events):
    """One direction of a small made-up data set, on which all systems are tested."""
    from direction_world import make_world

    return make_world(tmp_path_factory.mktemp("world"), events)


@pytest.fixture(scope="session")
def cold_world(tmp_path_factory, events):
    """The same events with some cold users."""
    from direction_world import make_world

    return make_world(tmp_path_factory.mktemp("cold_world"), events, cold=0.3)


@pytest.fixture
def ask(tmp_path, monkeypatch):
    """A function that makes an engine for items and an endpoint's URL; all engines share one store."""
    from llm_engines import KEY, engine

    from semacdr.llm.store import AnswerStore

    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    with AnswerStore(tmp_path / "answers.sqlite") as store:
        yield lambda rows, url, *more, **running: engine(rows, url, store, *more, **running)

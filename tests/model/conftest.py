"""What the tests of the systems share: the world that all are tested on, and one thread."""

import pytest
import torch
from world import make_world, random_events


@pytest.fixture(scope="session")
def events():
    return random_events()


@pytest.fixture(scope="session")
def world(tmp_path_factory, events):
    return make_world(tmp_path_factory.mktemp("world"), events)


@pytest.fixture(scope="session")
def cold_world(tmp_path_factory, events):
    """The same events with some cold users."""
    return make_world(tmp_path_factory.mktemp("cold_world"), events, cold=0.3)


@pytest.fixture(autouse=True)
def one_thread():
    torch.set_num_threads(1)

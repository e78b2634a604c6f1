"""The scenario of the page's tests, made once."""

import pytest
from page_world import PageWorld


@pytest.fixture(scope="session")
def world(tmp_path_factory):
    return PageWorld(tmp_path_factory.mktemp("page"))


@pytest.fixture(scope="session")
def page(world, tmp_path_factory):
    """The whole page."""
    return world.page(tmp_path_factory.mktemp("whole") / "report.html")

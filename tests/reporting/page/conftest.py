"""The scenario of the page's tests, made once."""

import pytest
from page_world import PageWorld

from semacdr.reporting.page.catalogue import Catalogue


@pytest.fixture(scope="session")
def world(tmp_path_factory):
    return PageWorld(tmp_path_factory.mktemp("page"))


@pytest.fixture(scope="session")
def page(world, tmp_path_factory):
    """The whole page."""
    return world.page(tmp_path_factory.mktemp("whole") / "report.html")


@pytest.fixture(scope="module")
def catalogue(world):
    return Catalogue(world.folder / "items.parquet", world.folder / "agnostic.parquet")

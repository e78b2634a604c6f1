"""The embedded sample: its catalogues, and its world as simulated once for all tests."""

from types import SimpleNamespace

import pytest
from sample_files import BOOKS, FILMS, METADATA, REVIEWS

from semacdr.data.simulator import Settings
from semacdr.stages import preprocess, sample


@pytest.fixture(scope="session")
def catalogues():
    return [sample.read_catalogue(BOOKS), sample.read_catalogue(FILMS)]


@pytest.fixture(scope="session")
def world(catalogues, tmp_path_factory):
    """The sample of the default settings, written, and taken through preprocess; simulated once for all tests."""
    folder, settings = tmp_path_factory.mktemp("sample"), Settings()
    items, people, events = sample.simulate(catalogues, settings)
    sample.write_release(folder, catalogues, settings, items, people, events)
    argv = ["--domains", *sample.FILES, "--release", "sample", "--scenario", "movie_book", "--output", f"{folder}/out"]
    argv += ["--reviews", *(str(folder / name) for name in REVIEWS)]
    argv += ["--metadata", *(str(folder / name) for name in METADATA)]
    preprocess.main([*argv, "--min-item-interactions", "10", "--min-user-interactions", "3"])
    return SimpleNamespace(folder=folder, settings=settings, items=items, people=people, events=events)

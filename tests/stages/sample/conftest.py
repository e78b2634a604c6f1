"""The embedded sample: its catalogues, and its world, simulated once for all tests."""

from dataclasses import asdict
from types import SimpleNamespace

import pytest
from sample_files import BOOKS, FILMS, METADATA, REVIEWS

from semacdr.data.simulator import Parameters
from semacdr.stages import preprocess, sample


@pytest.fixture(scope="session")
def catalogues():
    return [sample.read_catalogue(BOOKS), sample.read_catalogue(FILMS)]


@pytest.fixture(scope="session")
def world(catalogues, tmp_path_factory):
    """The sample with default parameters, written and preprocessed; simulated once for all tests."""
    folder, parameters = tmp_path_factory.mktemp("sample"), Parameters(**asdict(sample.Settings()))
    items, users, events = sample.simulate(catalogues, parameters)
    sample.write_release(folder, catalogues, parameters, items, users, events)
    argv = ["--domains", *sample.FILES, "--release", "sample", "--scenario", "movie_book", "--output", f"{folder}/out"]
    argv += ["--reviews", *(str(folder / name) for name in REVIEWS)]
    argv += ["--metadata", *(str(folder / name) for name in METADATA)]
    thresholds = ["--min-item-interactions", "3", "--min-user-interactions", "3", "--filter", "iterated"]
    preprocess.main([*argv, *thresholds])
    return SimpleNamespace(folder=folder, parameters=parameters, items=items, users=users, events=events)

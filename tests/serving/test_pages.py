"""The pages on recommendations: the notebook's cells run as written, and commands have the options that pages name."""

import importlib
import re
import shlex
from pathlib import Path

import polars as pl
import pytest
from served import lay_out, train, train_final

from semacdr.commands.main import commands
from semacdr.serving.bundle import pack

DOCS = Path(__file__).parents[2] / "docs"
BUNDLE = "results/movie_book/movie_to_book/final/sasrec.zip"


def blocks(page, language):
    return re.findall(rf"^```{language}\n(.*?)^```$", (DOCS / page).read_text(), re.MULTILINE | re.DOTALL)


@pytest.fixture(scope="module")
def bundle(world, tmp_path_factory):
    """A folder with a bundle where the pages expect the sample's."""
    root = tmp_path_factory.mktemp("pages")
    scenario = lay_out(world, root / "world")
    pack(train_final(scenario, train(world, scenario, "sasrec")), root / BUNDLE)
    return root


@pytest.mark.parametrize(("page", "cells"), [("notebook.md", 10), ("recommend.md", 1)])
def test_the_cells_run_as_written(page, cells, bundle, monkeypatch):
    monkeypatch.chdir(bundle)
    names = {}
    written = blocks(page, "python")
    assert len(written) >= cells
    for number, cell in enumerate(written, 1):
        exec(compile(cell, f"{page}, cell {number}", "exec"), names)  # noqa: S102
    if page == "notebook.md":
        assert pl.read_parquet("lists.parquet").equals(names["model"].recommend(users=names["some"], top=5))
        assert names["model"].as_of == "now"


def lines():
    text = "\n".join(block for page in ("recommend.md", "notebook.md") for block in blocks(page, "bash"))
    return re.findall(r"^semacdr (\w+) (.*)$", text, re.MULTILINE)


def test_every_command_of_the_pages_is_one():
    assert set(commands()) >= {name for name, _ in lines()} >= {"recommend", "pack", "serve", "export"}


@pytest.mark.parametrize(("name", "words"), lines())
def test_the_commands_of_the_pages_have_the_options(name, words):
    args = importlib.import_module(f"semacdr.commands.{name}").arguments(shlex.split(words, comments=True))
    assert args.run

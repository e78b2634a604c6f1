"""The scripted model, and the stage on the catalogue that asks it."""

import csv
import json
from types import SimpleNamespace

import pyarrow as pa
import pytest
from induction_model import SETTINGS, Model, catalogue
from llm_engines import llm_flags

from semacdr.semantics.categories import read_taxonomy
from semacdr.stages import taxonomy
from semacdr.storage import tables


@pytest.fixture
def model():
    with Model() as model:
        yield model


@pytest.fixture
def stage(model, tmp_path):
    """Run the stage on the catalogue; return its output's bytes, categories, and the report's rows."""
    meta = {"release": "handmade", "scenario": "book_film"}
    tables.write(pa.Table.from_pylist(catalogue()), tmp_path / "items.parquet", "items", meta)

    def runner(*options, store="answers.sqlite", llm=(), **settings):
        out = tmp_path / "out"
        argv = ["--engine", "llm", "--items", tmp_path / "items.parquet", "--avoid", "Books", "Films_and_TV"]
        argv += ["--settings", json.dumps(SETTINGS | settings), "--output", out / "taxonomy.json"]
        argv += [
            "--report",
            out / "taxonomy.tsv",
            *llm_flags("m", store=tmp_path / store, endpoint=model.url, **dict(llm)),
        ]
        argv += options
        taxonomy.main([str(word) for word in argv])
        with (out / "taxonomy.tsv").open() as file:
            rows = list(csv.DictReader(file, delimiter="\t"))
        path = out / "taxonomy.json"
        return SimpleNamespace(path=path, text=path.read_bytes(), categories=read_taxonomy(path), rows=rows)

    return runner

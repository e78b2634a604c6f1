"""Items, prompts, categories, and an engine that asks a scripted endpoint, for tests of language models."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pyarrow as pa

from semacdr.llm.asker import Asker
from semacdr.llm.endpoint import Endpoint
from semacdr.llm.limits import Bill
from semacdr.llm.options import Running
from semacdr.llm.prompts import Prompt
from semacdr.llm.requests import Asking
from semacdr.semantics.categories import read_taxonomy
from semacdr.semantics.llm_engine import NAMES, Engine
from semacdr.stages.semantics import Settings
from semacdr.storage import tables

ROOT = Path(__file__).parents[2]
CATEGORIES = read_taxonomy(ROOT / "resources/taxonomies/movie_book.json")
PROMPTS = {name: Prompt(ROOT / f"resources/prompts/{name}.txt", names) for name, names in NAMES.items()}
SETTINGS = Settings()
RUNNING = {"timeout": 1, "http_retries": 0, "retry_passes": 1, "concurrency": 4}
KEY = "sk-planted-0123456789abcdef"


def items(count):
    """Rows of items with short, different texts."""
    return [
        {"item": n, "item_id": f"X{n}", "domain": "book", "title": f"The Keeper, part {n}", "brand": "A. Writer",
         "categories": ["Books"], "description": f"The story goes on for the {n}. time."}
        for n in range(count)
    ]  # fmt: skip


def engine(rows, url, store, bill=None, dry=False, **running):
    """An engine for items; with `url` None it is offline."""
    running = {"concurrency": 4, "timeout": 0.4, "http_retries": 0, "retry_passes": 3} | running
    asker = Asker(store, url and Endpoint(url, Running(**running)), bill or Bill(), dry=dry)
    asking = Asking("scripted", parameters={"temperature": 0})
    limits = (SETTINGS.llm.answer_attempts, SETTINGS.max_characters, SETTINGS.max_subcategories)
    return Engine(rows, asker, asking, *limits)


def file(engine, method="structured", categories=CATEGORIES):
    """The assignments in each category (item, subcategory, attempt), and the reasons for missing ones."""
    if method == "letters":
        llm = SETTINGS.llm
        return engine.file_by_letters(PROMPTS["letters"], categories, llm.calibration, llm.margin)
    return engine.file_structured(PROMPTS["structured"], categories)


def describe(engine):
    """Descriptions by item, their attempts, and reasons."""
    llm = SETTINGS.llm
    return engine.describe(PROMPTS["inner"], llm.max_words, llm.max_loop, llm.max_rare)


def failed(engine):
    """Why items were not filed, by item."""
    return file(engine)[0][1]


def llm_flags(model="scripted", settings=(), **options):
    """The command-line words of a stage that asks a model."""
    settings = {"model": model, **dict(settings)}
    return ["--llm-settings", json.dumps(settings), "--llm-options", json.dumps(options, default=str)]


def stage(folder: Path, url: str) -> subprocess.Popen:
    """The part of the stage that asks, in a process; as for a shard, which needs no text encoder."""
    tables.write(pa.Table.from_pylist(items(30)), folder / "items.parquet", "items", {"release": "handmade"})
    command = ["-m", "semacdr.stages.semantics", "--engine", "llm", "--items", folder / "items.parquet"]
    command += ["--taxonomy", ROOT / "resources/taxonomies/movie_book.json"]
    command += llm_flags(endpoint=url, store=folder / "answers.sqlite", running=RUNNING)
    command += ["--shard", "1/1", "--export", folder / "answers.parquet"]
    environment = os.environ | {"OPENAI_API_KEY": KEY}
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    return subprocess.Popen([sys.executable, *map(str, command)], cwd=ROOT, env=environment, **pipes)

"""What the tests of asking share: items, prompts, categories, and an engine that asks a scripted endpoint."""

import os
import subprocess
import sys
from pathlib import Path

import pyarrow as pa

from semacdr.llm.asker import Asker
from semacdr.llm.endpoint import Endpoint
from semacdr.llm.limits import Bill
from semacdr.llm.prompts import Prompt
from semacdr.llm.requests import Asking
from semacdr.semantics.categories import read_taxonomy
from semacdr.semantics.llm_engine import NAMES, Engine, Settings
from semacdr.storage import tables

ROOT = Path(__file__).parents[2]
CATEGORIES = read_taxonomy(ROOT / "resources/taxonomies/movie_book.json")
PROMPTS = {name: Prompt(ROOT / f"resources/prompts/{name}.txt", names) for name, names in NAMES.items()}
RUNNING = '{"timeout": 1, "retries": 0, "rounds": 1, "concurrency": 4}'
KEY = "sk-planted-0123456789abcdef"


def items(count):
    """Rows of items that say little, each something else."""
    return [
        {"item": n, "item_id": f"X{n}", "domain": "book", "title": f"The Keeper, part {n}", "brand": "A. Writer",
         "categories": ["Books"], "description": f"The story goes on for the {n}. time."}
        for n in range(count)
    ]  # fmt: skip


def engine(rows, url, store, bill=None, dry=False, **running):
    """An engine for items; with `url` None it is offline."""
    running = {"concurrency": 4, "timeout": 0.4, "retries": 0, "rounds": 3} | running
    asker = Asker(store, url and Endpoint(url, **running), bill or Bill(), dry=dry)
    return Engine(rows, asker, Asking("scripted", parameters={"temperature": 0}), Settings())


def file(engine):
    """What is filed by one structured request an item: in each category (item, subcategory, attempt), and reasons."""
    return engine.file("structured", PROMPTS["structured"], CATEGORIES)


def failed(engine):
    """Why items were not filed, by item."""
    return file(engine)[0][1]


def stage(folder: Path, url: str) -> subprocess.Popen:
    """The asking part of the stage, in a process; as that of a shard, which needs no text encoder."""
    tables.write(pa.Table.from_pylist(items(30)), folder / "items.parquet", "items", {"release": "handmade"})
    command = [
        "-m",
        "semacdr.stages.semantics",
        "--engine",
        "llm",
        "--items",
        folder / "items.parquet",
        "--model",
        "scripted",
    ]
    command += ["--taxonomy", ROOT / "resources/taxonomies/movie_book.json"]
    command += ["--endpoint", url, "--store", folder / "answers.sqlite", "--running", RUNNING]
    command += ["--shard", "1/1", "--export", folder / "answers.parquet"]
    environment = os.environ | {"OPENAI_API_KEY": KEY}
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    return subprocess.Popen([sys.executable, *map(str, command)], cwd=ROOT, env=environment, **pipes)

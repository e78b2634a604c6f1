"""Measure seconds and peak memory of a million answers: into a store, and from there to inner.parquet as in the stage.

    python benchmarks/million.py

Each step runs in a separate process, so that its peak memory is measured separately. No request is sent.
"""

import argparse
import random
import re
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator
from pathlib import Path

import msgspec
import pyarrow as pa

from semacdr.llm.asker import Asker, Build
from semacdr.llm.limits import Bill
from semacdr.llm.prompts import Prompt
from semacdr.llm.requests import Answer, Asking
from semacdr.llm.store import AnswerStore
from semacdr.semantics.llm_engine import NAMES, Engine
from semacdr.stages.semantics import Semantics, Settings, write_semantics
from semacdr.storage import tables

ROOT = Path(__file__).parents[1]
SETTINGS = Settings()
META = {"release": "benchmark", "scenario": "million"}
WORDS = "quiet stormy island harbour letter winter garden soldier mystery kitchen voyage family secret mountain river"


def catalogue(count: int) -> pa.Table:
    """Items, each with a line or two of text."""
    rng, words = random.Random(1), WORDS.split()
    return pa.table(
        {
            "item": pa.array(range(count), pa.int32()),
            "item_id": [f"B{n:09}" for n in range(count)],
            "domain": ["book" if n % 2 else "film" for n in range(count)],
            "title": [f"The {rng.choice(words)} {rng.choice(words)}, part {n}" for n in range(count)],
            "brand": [f"Writer {n % 5000}" for n in range(count)],
            "categories": [["Books" if n % 2 else "Films", rng.choice(words)] for n in range(count)],
            "description": [" ".join(rng.choices(words, k=30)) for _ in range(count)],
        }
    )


def engine(items: pa.Table, asker: Asker) -> Engine:
    limits = (SETTINGS.llm.answer_attempts, SETTINGS.max_characters, SETTINGS.max_subcategories)
    return Engine(tables.Rows(items), asker, Asking("m", parameters={"temperature": 0}), *limits)


class ScriptedAsker(Asker):
    """Answers each request, and keeps the answer as a row of a store."""

    def answers(self, indices: Iterable[int], build: Build, again: bool = False) -> Iterator[tuple[int, Answer]]:
        rng, words, self.rows = random.Random(2), WORDS.split(), []
        for index in indices:
            request = build(index)
            title = re.search("Title: (.*)", request.body["messages"][1]["content"])[1]
            one, two, three = rng.sample(words, 3)
            text = f"{title} tells of a {one} and a {two}. It suits readers who like a good {three} story."
            answer = Answer(text, "stop", prompt_tokens=200, completion_tokens=30, seconds=1.0)
            self.rows.append((request.key, "m", "", 1_700_000_000, msgspec.json.encode(answer)))
            yield index, answer


def put(folder: Path) -> None:
    """Add an answer for the request of each item, as an import does."""
    items, _ = tables.read(folder / "items.parquet", "items")
    with AnswerStore(folder / "answers.sqlite") as store:
        asker = ScriptedAsker(store, None, Bill())
        prompt = Prompt(ROOT / "resources/prompts/inner.txt", NAMES["inner"])
        engine(items, asker).describe(prompt, SETTINGS.llm.max_words, sifted=False)
        rows = sorted(asker.rows)  # as in an exported file
        start = time.perf_counter()
        assert store.add(rows) == len(items)
        report("put", len(items), start)


def describe(folder: Path) -> None:
    """Process the answers as the stage does."""
    start = time.perf_counter()
    items, meta = tables.read(folder / "items.parquet", "items")
    prompt, llm = Prompt(ROOT / "resources/prompts/inner.txt", NAMES["inner"]), SETTINGS.llm
    with AnswerStore(folder / "answers.sqlite") as store:
        asker = Asker(store, None, Bill())
        described, at, failed = engine(items, asker).describe(prompt, llm.max_words, llm.max_loop, llm.max_rare)
    assert len(described) + len(failed) == len(items) and len(failed) < len(items) / 100
    texts = [(described.get(n, ""), f"engine=llm attempt={at.get(n, 0) + 1}") for n in range(len(items))]
    write_semantics(Semantics(texts, [(0, "Genre", "Other", "")]), items, meta, {}, "none", folder)
    report("look up, judge, write", len(items), start)


def report(step: str, count: int, start: float) -> None:
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    usage = resource.getrusage(resource.RUSAGE_SELF)
    cpu = usage.ru_utime + usage.ru_stime
    print(f"{step}\t{count}\t{time.perf_counter() - start:.1f}\t{cpu:.1f}\t{peak:.0f}", flush=True)


def main() -> None:
    cli = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    cli.add_argument("--items", type=int, default=1_000_000)
    cli.add_argument("--step", choices=["put", "describe"], help="run only this step, in --folder")
    cli.add_argument("--folder", type=Path)
    args = cli.parse_args()
    if args.step:
        {"put": put, "describe": describe}[args.step](args.folder)
        return
    print("step\titems\tseconds\tCPU seconds of its process\tpeak MB", flush=True)
    with tempfile.TemporaryDirectory() as folder:
        tables.write(catalogue(args.items), Path(folder) / "items.parquet", "items", META)
        for step in ("put", "describe"):
            subprocess.run([sys.executable, __file__, "--step", step, "--folder", folder], check=True)


if __name__ == "__main__":
    main()

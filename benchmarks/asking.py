"""Measure items per second through the whole process of asking, as a share of what the endpoint could answer.

    python benchmarks/asking.py --items 4000

Each item is filed by one structured request to a scripted server in a separate process. The server answers 64 requests
at once, each in 0.2 s, so at most 320 a second. The time covers prompts, keys, the store, the openai client and the
validation of answers.
"""

import argparse
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from semacdr.llm.asker import Asker
from semacdr.llm.endpoint import Endpoint
from semacdr.llm.limits import Bill
from semacdr.llm.options import Running
from semacdr.llm.prompts import Prompt
from semacdr.llm.requests import Asking
from semacdr.llm.store import AnswerStore
from semacdr.semantics.categories import read_taxonomy
from semacdr.semantics.llm_engine import NAMES, Engine
from semacdr.stages.semantics import Settings

ROOT = Path(__file__).parents[1]
SERVER = ROOT / "tests/helpers/fake_llm_server.py"


def items(count: int) -> list[dict]:
    """Items with texts of about the length that catalogues have."""
    text = "A quiet story of a lighthouse keeper, her two sons and the stranger whom the winter brings to them. " * 5
    return [
        {"item": n, "item_id": f"X{n}", "domain": "book", "title": f"The Keeper, part {n}", "brand": "A. Writer",
         "categories": ["Books", "Literature"], "description": f"{n}. {text}"}
        for n in range(count)
    ]  # fmt: skip


def main() -> None:
    cli = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    cli.add_argument("--items", type=int, default=4000)
    cli.add_argument("--latency", type=float, default=0.2)
    cli.add_argument("--slots", type=int, default=64, help="requests that the server answers at once")
    cli.add_argument(
        "--concurrency", type=int, help="requests that the client sends at once; default: as many as slots"
    )
    args = cli.parse_args()
    command = [sys.executable, str(SERVER), "--latency", str(args.latency), "--slots", str(args.slots)]
    with (
        subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as server,
        tempfile.TemporaryDirectory() as folder,
        AnswerStore(Path(folder) / "answers.sqlite") as store,
    ):
        running = Running(concurrency=args.concurrency or args.slots)
        endpoint = Endpoint(json.loads(server.stdout.readline())["url"], running)
        asker = Asker(store, endpoint, Bill())
        settings, asking = Settings(), Asking("scripted", parameters={"temperature": 0})
        limits = (settings.llm.answer_attempts, settings.max_characters, settings.max_subcategories)
        engine = Engine(items(args.items), asker, asking, *limits)
        prompt = Prompt(ROOT / "resources/prompts/structured.txt", NAMES["structured"])
        categories = read_taxonomy(ROOT / "resources/taxonomies/movie_book.json")
        start, cpu = time.perf_counter(), time.process_time()
        filed = engine.file_structured(prompt, categories)
        seconds, cpu = time.perf_counter() - start, time.process_time() - cpu
        assert all(len({item for item, _, _ in rows}) == args.items for rows, _ in filed)
        server.stdin.close()
    ideal = args.slots / args.latency
    print("items\tseconds\titems/s\tideal items/s\tshare\tclient CPU ms/item")
    rate = args.items / seconds
    print(f"{args.items}\t{seconds:.1f}\t{rate:.0f}\t{ideal:.0f}\t{rate / ideal:.0%}\t{1000 * cpu / args.items:.2f}")


if __name__ == "__main__":
    main()

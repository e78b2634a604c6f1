"""File the items that have labels by hand, and only them, with any engine, as stage semantics does.

    bash resources/sample/model.sh qwen.gguf
    python benchmarks/gold.py results/kitchen_food --engine llm --model qwen2.5-coder-1.5b-instruct-q4_k_m \
        --endpoint local:qwen.gguf --method letters --store answers/gold.sqlite --output gold/qwen.parquet
    python benchmarks/filing.py results/kitchen_food --agnostic gold/qwen.parquet --part held_out

Reads items.parquet of the scenario, its taxonomy and tests/resources/gold.tsv; writes a table as agnostic.parquet. So
engines stand beside each other on the same items at the price of asking about a few. What is calibrated (letters,
encoder) is so over these items, those of both parts.
"""

import argparse
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
from filing import gold

from semacdr.llm import options
from semacdr.llm.prompts import Prompt
from semacdr.runtime.cli import log, resolve, run
from semacdr.semantics.categories import read_taxonomy
from semacdr.semantics.encoder_engine import EncoderEngine
from semacdr.semantics.llm_engine import NAMES, Engine, Settings
from semacdr.semantics.text_encoder import PACKAGED
from semacdr.stages.semantics import Semantics, assignments, by_encoder, file_by_llm
from semacdr.storage import tables


def arguments(argv) -> argparse.Namespace:
    cli = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    cli.add_argument("folder", type=Path, help="results/<scenario>")
    cli.add_argument("--taxonomy", type=Path, help="default resources/taxonomies/<scenario>.json")
    cli.add_argument("--gold", type=Path, default=Path("tests/resources/gold.tsv"))
    cli.add_argument("--engine", choices=["encoder", "llm"], default="encoder")
    cli.add_argument("--method", choices=["letters", "structured"], default="letters")
    cli.add_argument("--llm", type=options.as_json, default={}, help="JSON: of semacdr.semantics.llm_engine.Settings")
    cli.add_argument("--prompts", type=Path, default=Path("resources/prompts"))
    cli.add_argument("--output", type=Path, required=True)
    options.add_options(cli)
    return cli.parse_args(argv)


def main(argv=None) -> None:
    args = arguments(argv)
    scenario = args.folder.name
    items, meta = tables.read(args.folder / "items.parquet", "items")
    labelled = pa.array(sorted(gold(args.gold, scenario, None)))
    items = items.filter(pc.is_in(items["item_id"], value_set=labelled))
    categories = read_taxonomy(args.taxonomy or Path(f"resources/taxonomies/{scenario}.json"))
    rows = tables.Rows(items)
    encoder = EncoderEngine(rows, 1000, 2, 0.03, name=PACKAGED)
    if args.engine == "encoder":
        semantics = by_encoder(encoder, categories)
    else:
        semantics = Semantics([], [])
        prompt = Prompt(args.prompts / f"{args.method}.txt", NAMES[args.method])
        with options.asker(args) as asker:
            engine = Engine(rows, asker, options.asking(args), resolve(Settings, args.llm, "--llm"))
            file_by_llm(semantics, engine, encoder, categories, prompt, args.method)
    tables.write(assignments(semantics, items), args.output, "agnostic", meta)
    for (step, result), count in sorted(semantics.report.items()):
        log.info("%s: %s: %d of %d", step, result, count, len(items))


if __name__ == "__main__":
    run(main)

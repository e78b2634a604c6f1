"""File only the hand-labelled items, with any engine, as stage semantics does.

    bash resources/sample/model.sh qwen.gguf
    python benchmarks/gold.py results/kitchen_food --engine llm --method letters --output gold/qwen.parquet \
      --llm-settings '{"model": "qwen2.5-coder-1.5b-instruct-q4_k_m"}' --llm '{"max_fallback_share": 1}' \
      --llm-options '{"endpoint": "local:qwen.gguf", "store": "answers/gold.sqlite"}'
    python benchmarks/filing.py results/kitchen_food --agnostic gold/qwen.parquet --part held_out

Reads items.parquet of the scenario, its taxonomy and tests/resources/gold.tsv; writes a table like agnostic.parquet.
Engines are compared on the same few items, so asking is cheap. Methods that calibrate (letters, encoder) do so over
these items, of both parts.
"""

import argparse
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
from filing import gold

from semacdr.llm import session
from semacdr.llm.prompts import Prompt
from semacdr.runtime.cli import log, run
from semacdr.runtime.settings import add_flags, from_flags
from semacdr.semantics.categories import read_taxonomy
from semacdr.semantics.encoder_engine import EncoderEngine
from semacdr.semantics.item_semantics import assignments, by_encoder
from semacdr.semantics.llm_engine import NAMES, Engine
from semacdr.semantics.llm_semantics import LlmSemantics
from semacdr.stages._llm import add_llm_flags, llm_from_flags
from semacdr.stages.semantics import Settings
from semacdr.storage import tables


def arguments(argv) -> argparse.Namespace:
    cli = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    cli.add_argument("folder", type=Path, help="results/<scenario>")
    cli.add_argument("--taxonomy", type=Path, help="default resources/taxonomies/<scenario>.json")
    cli.add_argument("--gold", type=Path, default=Path("tests/resources/gold.tsv"))
    cli.add_argument("--output", type=Path, required=True)
    add_flags(cli, Settings)
    add_llm_flags(cli)
    return cli.parse_args(argv)


def main(argv=None) -> None:
    args = arguments(argv)
    scenario = args.folder.name
    items, meta = tables.read(args.folder / "items.parquet", "items")
    labelled = pa.array(sorted(gold(args.gold, scenario, None)))
    items = items.filter(pc.is_in(items["item_id"], value_set=labelled))
    categories = read_taxonomy(args.taxonomy or Path(f"resources/taxonomies/{scenario}.json"))
    rows = tables.Rows(items)
    settings = from_flags(args, Settings, "semantics")
    encoder = EncoderEngine(
        rows, settings.max_characters, settings.max_subcategories, settings.margin, name=settings.encoder
    )
    if settings.engine == "encoder":
        semantics = by_encoder(encoder, categories)
    else:
        llm, options = llm_from_flags(args)
        prompt = Prompt(Path(options.prompts, f"{settings.method}.txt"), NAMES[settings.method])
        with session.open_asker(llm, options) as asker:
            limits = (settings.llm.answer_attempts, settings.max_characters, settings.max_subcategories)
            engine = Engine(rows, asker, session.open_asking(llm, options), *limits)
            work = LlmSemantics(engine, encoder, settings.method, settings.llm, range(len(rows)))
            work.file(prompt, categories)
            semantics = work.semantics
    tables.write(assignments(semantics, items), args.output, "agnostic", meta)
    for (step, result), count in sorted(semantics.report.items()):
        log.info("%s: %s: %d of %d", step, result, count, len(items))


if __name__ == "__main__":
    run(main)

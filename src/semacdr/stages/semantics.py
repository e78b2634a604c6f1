"""Semantics: each item's inner-domain text, and its subcategories in the categories that both domains share.

Reads   items.parquet, taxonomy.json; snippets.parquet where reviews are told too; with engine llm also the prompts, and
        answers that were recorded.
Writes  inner.parquet: item, text, provenance; agnostic.parquet: item, category, subcategory, provenance, one row an
        assignment, the best of an item's category first; semantics.tsv: how many items were described and filed at
        which attempt, and how many fell back; cost.json: the model, and of a language model its answers, tokens and
        dollars (null without a price); encoded.parquet: the texts' vectors by which engine encoder filed, for stage
        encode to take, without rows of engine llm.

Provenance says of each row what made it. Engine `llm` asks a language model, each question once: answers stay in a
store. Engine `encoder` needs none: the text is composed from the metadata, and a frozen sentence encoder files the
item. What the model does not answer well in `tries` attempts falls back to it.
"""

import argparse
import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pyarrow as pa

from semacdr.llm import options
from semacdr.llm.prompts import Prompt
from semacdr.llm.store import export_answers
from semacdr.runtime.cli import log, parser, resolve, run
from semacdr.semantics.categories import Category, read_taxonomy
from semacdr.semantics.encoder_engine import EncoderEngine
from semacdr.semantics.llm_engine import NAMES, Engine, Settings
from semacdr.semantics.text_encoder import BATCH_SIZE, PACKAGED, fingerprint
from semacdr.storage import tables


@dataclass
class Semantics:
    """What the stage makes: texts with provenance by item, assignments, and what to report."""

    texts: list[tuple[str, str]]
    filed: list[tuple[int, str, str, str]]  # item, category, subcategory, provenance
    report: Counter = field(default_factory=Counter)  # items by (step, result)
    encoded: np.ndarray | None = None  # (items, width) the texts' vectors, where they were encoded


def with_reviews(items: pa.Table, snippets: Path | None) -> pa.Table:
    """The items, each with its reviews where there is a table of them."""
    if not snippets:
        return items
    table, _ = tables.read(snippets, "snippets")
    texts = dict(zip(table["item"].to_pylist(), table["text"].to_pylist(), strict=True))
    return items.append_column("reviews", pa.array([texts.get(item, "") for item in items["item"].to_pylist()]))


def by_encoder(encoder: EncoderEngine, categories: Sequence[Category]) -> Semantics:
    """All by the frozen encoder."""
    made = f"engine=encoder model={encoder.arguments['name']}"
    filed = [(item, c.name, name, made) for c in categories for item, name in encoder.file(c)]
    texts = [(encoder.text(item), f"{made} text=composed") for item in range(len(encoder.items))]
    report = Counter({("describe", "composed"): len(texts)})
    report.update((f"file: {category}", "by encoder") for _, category in {row[:2] for row in filed})
    return Semantics(texts, filed, report, encoder.vectors)


def by_llm(
    engine: Engine, encoder: EncoderEngine, categories: Sequence[Category], prompts: dict, method: str
) -> Semantics:
    """All by the language model; what it does not answer well by the encoder, which the provenance then says."""
    semantics = Semantics([], [])
    describe_by_llm(semantics, engine, encoder, prompts["inner"])
    file_by_llm(semantics, engine, encoder, categories, prompts[method], method)
    return semantics


def describe_by_llm(semantics: Semantics, engine: Engine, encoder: EncoderEngine, prompt: Prompt) -> None:
    """Add each item's text."""
    described, at, failed = engine.describe(prompt)
    semantics.report.update(("describe", f"attempt {attempt + 1}") for attempt in at.values())
    semantics.report.update(("describe", f"fell back: {why}") for why in failed.values())
    made, instead = made_by(engine, encoder)
    semantics.texts += [
        (described[item], f"{made} attempt={at[item] + 1}")
        if item in described
        else (encoder.text(item), f"{instead} text=composed because={failed[item]}")
        for item in range(len(encoder.items))
    ]


def file_by_llm(
    semantics: Semantics,
    engine: Engine,
    encoder: EncoderEngine,
    categories: Sequence[Category],
    prompt: Prompt,
    method: str,
) -> None:
    """Add each item's subcategories."""
    made, instead = made_by(engine, encoder)
    for category, (rows, failed) in zip(categories, engine.file(method, prompt, categories), strict=True):
        step, filed = f"file: {category.name}", semantics.filed
        attempts = {(item, attempt) for item, _, attempt in rows}
        semantics.report.update((step, f"attempt {attempt + 1}") for _, attempt in attempts)
        semantics.report.update((step, f"fell back: {why}") for why in failed.values())
        filed += [(item, category.name, name, f"{made} method={method} attempt={at + 1}") for item, name, at in rows]
        for item, name in encoder.file(category) if failed else []:
            if item in failed:
                filed.append((item, category.name, name, f"{instead} because={failed[item]}"))


def made_by(engine: Engine, encoder: EncoderEngine) -> tuple[str, str]:
    """How a row's provenance begins: of what the language model made, and of what the encoder made instead."""
    asking = engine.asking
    made = f"engine=llm model={asking.model} weights={asking.weights[:12] or 'unknown'}"
    return made, f"engine=encoder model={encoder.arguments['name']}"


def assignments(semantics: Semantics, items: pa.Table) -> pa.Table:
    """What agnostic.parquet holds."""
    filed = sorted(semantics.filed, key=lambda row: row[:2])  # stable: the best of a category stays first
    item, *columns = map(list, zip(*filed, strict=True))
    names = ("category", "subcategory", "provenance")
    return pa.table({"item": items["item"].take(item)} | dict(zip(names, columns, strict=True)))


def write(semantics: Semantics, items: pa.Table, meta: dict[str, str], cost: dict, encoder: str, folder: Path) -> None:
    """Write the five files; `encoder` is the name of the sentence encoder."""
    ids = items["item"].to_numpy()
    texts, made = zip(*semantics.texts, strict=True) if semantics.texts else ((), ())
    inner = pa.table({"item": ids, "text": pa.array(texts, pa.string()), "provenance": pa.array(made, pa.string())})
    tables.write(inner, folder / "inner.parquet", "inner", meta)
    tables.write(assignments(semantics, items), folder / "agnostic.parquet", "agnostic", meta)
    encoded = np.empty((0, 1), np.float32) if semantics.encoded is None else semantics.encoded
    vectors = pa.table({"item": ids[: len(encoded)], "vector": tables.vectors(encoded)})
    how = {"encoder": encoder, "batch_size": str(BATCH_SIZE), "texts": fingerprint(texts)}
    tables.write(vectors, folder / "encoded.parquet", "embeddings", meta | how)
    lines = ["step\tresult\titems\trelease"]
    for (step, result), count in sorted(semantics.report.items()):
        log.info("%s: %s: %d", step, result, count)
        lines.append(f"{step}\t{result}\t{count}\t{meta['release']}")
    (folder / "semantics.tsv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    (folder / "cost.json").write_text(json.dumps(cost, indent=2) + "\n", encoding="utf-8")


def arguments(argv: Sequence[str] | None) -> argparse.Namespace:
    """The stage's command line."""
    cli = parser(__doc__)
    cli.add_argument("--items", type=Path, required=True)
    cli.add_argument("--taxonomy", type=Path, required=True)
    cli.add_argument("--snippets", type=Path, help="what people wrote of the items, told with the metadata")
    cli.add_argument("--engine", choices=["encoder", "llm"], default="encoder", help="what describes and files")
    cli.add_argument("--encoder", default=PACKAGED, help=f"sentence encoder; default {PACKAGED}, which works offline")
    cli.add_argument(
        "--max-characters", type=int, default=1000, help="of a composed text, or of a prompt's description"
    )
    cli.add_argument("--max-subcategories", type=int, default=2, help="of an item in one category")
    cli.add_argument("--margin", type=float, default=0.03, help="engine encoder: how far from the best another may be")
    cli.add_argument("--method", choices=["letters", "structured"], default="structured", help="how the llm files")
    cli.add_argument("--llm", type=options.as_json, default={}, help="JSON: more of llm_engine.Settings")
    cli.add_argument("--prompts", type=Path, default=Path("resources/prompts"), help="folder of the prompts")
    cli.add_argument("--device", help="default: cuda where there is one, else cpu")
    cli.add_argument("--threads", type=int, help="default: all CPUs")
    cli.add_argument("--output", type=Path, help="folder for the tables")
    cli.add_argument("--export", type=Path, help="write the answers that were used to this Parquet file too")
    cli.add_argument("--shard", type=options.as_shard, help="k/n: ask for the k-th of n parts of the items, then stop")
    options.add_options(cli)
    args = cli.parse_args(argv)
    if not (args.output or args.dry_run or (args.shard and args.export)):
        cli.error("give --output; or --dry-run; or --shard with --export")
    return args


def main(argv: Sequence[str] | None = None) -> None:
    """Run the stage."""
    args = arguments(argv)
    items, meta = tables.read(args.items, "items")
    categories = read_taxonomy(args.taxonomy)
    if args.shard:
        items = items.take(list(range(args.shard[0] - 1, len(items), args.shard[1])))
    rows = tables.Rows(with_reviews(items, args.snippets))
    encoder = EncoderEngine(
        rows, args.max_characters, args.max_subcategories, args.margin,
        name=args.encoder, device=args.device, threads=args.threads,
    )  # fmt: skip
    if args.engine == "encoder":
        cost = {"engine": "encoder", "model": args.encoder}
        write(by_encoder(encoder, categories), items, meta, cost, args.encoder, args.output)
        return
    common = {"max_characters": args.max_characters, "max_subcategories": args.max_subcategories}
    once = {"tries": 1} if args.dry_run else {}
    settings = resolve(Settings, args.llm | common | once, "semantics.llm")
    prompts = {name: Prompt(args.prompts / f"{name}.txt", NAMES[name]) for name in ("inner", args.method)}
    with options.asker(args) as asker:
        engine = Engine(rows, asker, options.asking(args), settings)
        if args.dry_run or args.shard:
            engine.describe(prompts["inner"], sifted=False)  # what stands out is seen among all items only
            engine.file(args.method, prompts[args.method], categories)
        else:
            semantics = by_llm(engine, encoder, categories, prompts, args.method)
            cost = {"engine": "llm", **options.paid(asker, args.model)}
        if args.export and not args.dry_run:
            log.info("%d answers written to %s", export_answers(asker.store.some(asker.used), args.export), args.export)
        if args.dry_run:
            print(options.priced(asker))
    if not (args.dry_run or args.shard):
        write(semantics, items, meta, cost, args.encoder, args.output)


if __name__ == "__main__":
    run(main)

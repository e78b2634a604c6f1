"""Personas: what a user's training events in a domain say of him, in the terms of the shared vocabulary.

Reads   interactions.parquet, items.parquet, split.parquet; taxonomy.json (facets are categories, terms subcategories)
        and agnostic.parquet (the terms of items); with engine llm also the prompt and recorded answers.
Writes  personas.parquet: user, domain, events, confidence, weights over all terms, text, provenance; one row per user
        and domain with a training event there, sorted by domain (source first) and user; personas.tsv: how many were
        made at which attempt, and how many fell back; cost.json: the model, its answers, tokens and dollars.

With --part a part of each user's training events in the target domain is left out (semacdr.data.persona_parts).
A row is made from the user's training events of its domain alone, so two accounts of a person share nothing. Engine
`compose` counts and sends no request (semacdr.personas.compose). Engine `llm` asks a language model, one request a row;
answers are kept in a store, so each is paid for once. A row without a conforming answer falls back to engine compose.
Too many fallbacks are an error. With both, the confidence is that of engine compose.
"""

import argparse
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

import pyarrow as pa

from semacdr.errors import UserError
from semacdr.llm import session
from semacdr.llm.prompts import Prompt
from semacdr.llm.session import Cost
from semacdr.llm.store import export_answers
from semacdr.personas.compose import How
from semacdr.personas.llm_engine import NAMES, LlmSettings, PersonaEngine
from semacdr.personas.rows import (
    World,
    answered,
    compose_both,
    last_items,
    read_world,
    report_of,
    table_of,
)
from semacdr.runtime.cli import log, parser, run
from semacdr.runtime.settings import Bounds, Count, Natural, Positive, add_flags, from_flags, setting
from semacdr.stages._llm import add_llm_flags, as_shard, llm_from_flags
from semacdr.storage import tables, tsv


@dataclass(frozen=True)
class Settings:
    """How personas are made."""

    engine: Literal["compose", "llm"] = setting("compose", "from counts, without a request, or a language model")
    pseudo_count: Positive = setting(
        2.0, "weights are smoothed towards the shares of the domain, which count as so many items"
    )
    half_confidence: Positive = setting(5.0, "number of events at which the confidence is one half")
    terms: Annotated[int, Bounds(1, 6)] = setting(
        4, "number of terms that a composed text names at most; with fewer, more users share a text"
    )
    parts: Natural = setting(
        2,
        "parts of a user's training events in the target domain: a training step reads a persona without the part of "
        "its positive; 0: its persona contains the positive, which measures this leak and costs a third",
    )
    llm: LlmSettings = setting(LlmSettings(), "engine llm: what is shown, and how answers are validated", engine="llm")


@dataclass(frozen=True)
class Options:
    """Options that change no result."""

    shards: Count = setting(1, "number of jobs that share the requests")


def ask(args: argparse.Namespace, settings: Settings, world: World, table: pa.Table) -> tuple[pa.Table, Cost] | None:
    """Engine llm: the composed table with what was answered, and the cost; None after a shard or a dry run."""
    llm, options = llm_from_flags(args)
    prompt = Prompt(Path(options.prompts, "persona.txt"), NAMES)
    rows = range(args.shard[0] - 1, len(table), args.shard[1]) if args.shard else range(len(table))
    with session.open_asker(llm, options, args.dry_run) as asker:
        asking = session.open_asking(llm, options)
        shown, names = last_items(world, table, rows, settings.llm.items)
        domains = [world.history.meta[side] for side in ("source", "target")]
        items = tables.Rows(tables.read(args.items, "items")[0])
        engine = PersonaEngine(
            items, shown, names, domains, world.vocabulary, world.filing, asker, asking, settings.llm
        )  # fmt: skip
        found = engine.describe(prompt, 1 if args.dry_run else settings.llm.answer_attempts)
        if args.export and not args.dry_run:
            log.info("%d answers written to %s", export_answers(asker.store.some(asker.used), args.export), args.export)
        if args.dry_run:
            quote = session.quote_text(asker)
            tsv.write(args.price, f"{quote}\n") if args.price else print(quote)
        if args.dry_run or args.shard:
            return None
        cost: Cost = {"engine": "llm", **session.paid(asker, llm.model)}
    made = f"engine=llm model={asking.model} weights={asking.weights[:12] or 'unknown'}"
    return answered(table, *found, made, settings.llm.max_fallback_share), cost


def arguments(argv: Sequence[str] | None) -> argparse.Namespace:
    """The stage's command line."""
    cli = parser(__doc__)
    cli.add_argument("--interactions", type=Path, required=True)
    cli.add_argument("--items", type=Path, required=True)
    cli.add_argument("--split", type=Path, required=True)
    cli.add_argument("--taxonomy", type=Path, required=True, help="taxonomy.json")
    cli.add_argument("--agnostic", type=Path, required=True, help="agnostic.parquet")
    cli.add_argument("--output", type=Path, help="folder for the files")
    cli.add_argument("--part", type=int, default=0, help="leave out this part of the target events; 0: none")
    cli.add_argument("--export", type=Path, help="also write the answers that were used to this Parquet file")
    cli.add_argument("--shard", type=as_shard, help="K/N: ask for the K-th of N parts of the personas, then stop")
    cli.add_argument("--price", type=Path, help="with --dry-run: write what asking would cost to this file")
    add_flags(cli, Settings, Options)
    add_llm_flags(cli)
    args = cli.parse_args(argv)
    if not (args.output or args.dry_run or (args.shard and args.export)):
        cli.error("give --output; or --dry-run; or --shard with --export")
    return args


def main(argv: Sequence[str] | None = None) -> None:
    """Run the stage."""
    args = arguments(argv)
    settings = from_flags(args, Settings, "personas")
    if not 0 <= args.part <= settings.parts:
        raise UserError(f"--part {args.part}: personas.parts is {settings.parts}")
    given = args.interactions, args.items, args.split, args.taxonomy, args.agnostic
    world = read_world(*given, part=args.part, parts=settings.parts)
    how = How(settings.pseudo_count, settings.half_confidence, settings.terms)
    table, cost = table_of(world, compose_both(world, how)), Cost(engine="compose")
    if settings.engine == "llm":
        found = ask(args, settings, world, table)
        if found is None:
            return
        table, cost = found
    tables.write(table, args.output / "personas.parquet", "personas", world.meta)
    tsv.write(args.output / "personas.tsv", tsv.text(report_of(table, world.meta["release"])))
    tsv.write(args.output / "cost.json", json.dumps(cost, indent=2) + "\n")
    log.info("%s personas with %s distinct texts", f"{len(table):,}", f"{len(table['text'].unique()):,}")


if __name__ == "__main__":
    run(main)

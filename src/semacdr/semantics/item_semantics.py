"""Item semantics: what each item is within its domain, and its place in the categories that both domains share.

Every text and every assignment has a provenance: which engine made it, at which attempt, or why it fell back.
"""

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

import numpy as np
import pyarrow as pa

from semacdr.errors import UserError
from semacdr.llm.prompts import Prompt
from semacdr.runtime.cli import log
from semacdr.runtime.settings import (
    Bounds,
    Count,
    NonNegative,
    Share,
    setting,
)  # fmt: skip
from semacdr.semantics.categories import Category
from semacdr.semantics.column_categories import Row, file_by_columns
from semacdr.semantics.encoder_engine import EncoderEngine
from semacdr.semantics.imported_filings import Filing
from semacdr.semantics.llm_engine import Engine, Filed
from semacdr.semantics.text_encoder import BATCH_SIZE, fingerprint
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


@dataclass
class Semantics:
    """The result of the stage: texts with provenance by item, assignments, and counts for the report."""

    texts: list[tuple[str, str]]
    filed: list[tuple[int, str, str, str]]  # item, category, subcategory, provenance
    report: Counter = field(default_factory=Counter)  # items by (step, result)
    encoded: np.ndarray | None = None  # (items, width) vectors of the texts, where they were encoded


def by_encoder(encoder: EncoderEngine, categories: Sequence[Category]) -> Semantics:
    """Describe and file all items by the frozen encoder."""
    made = f"engine=encoder model={encoder.arguments['name']}"
    filed = [(item, c.name, name, made) for c in categories for item, name in encoder.file(c)]
    texts = [(encoder.text(item), f"{made} text=composed") for item in range(len(encoder.items))]
    report = Counter({("describe", "composed"): len(texts)})
    report.update((f"file: {category}", "by encoder") for _, category in {row[:2] for row in filed})
    return Semantics(texts, filed, report, encoder.vectors)


def by_import(encoder: EncoderEngine, filing: Filing, file: str) -> Semantics:
    """Describe all items as by_encoder does, and file them as a table of the user does; `file`: its name."""
    made = f"engine=encoder model={encoder.arguments['name']} text=composed"
    texts = [(encoder.text(item), made) for item in range(len(encoder.items))]
    filed = [(*row, f"engine=imported file={file}") for row in filing.rows]
    report = Counter({("describe", "composed"): len(texts)}) + filing.report
    return Semantics(texts, filed, report, encoder.vectors)


def add_from_columns(
    semantics: Semantics, categories: Sequence[Category], rows: Sequence[tuple[int, Row]], items: int, most: int
) -> None:
    """File the items in the categories of columns, by their own values; `items`: how many there are.

    `rows`: position of the item and row of the attributes. An item without a value has no assignment.
    """
    for category in categories:
        filing, step = file_by_columns(category, rows, most), f"file: {category.name}"
        semantics.filed += [
            (item, category.name, name, f"engine=columns column={column}") for item, name, column in filing.rows
        ]
        having = len({item for item, *_ in filing.rows})
        counts = {
            "by column": having,
            "without a value": items - having,
            "values that are in no subcategory": filing.lacking,
            f"with more than {most} values, cut (max_subcategories)": filing.cut,
        }
        semantics.report.update({(step, result): count for result, count in counts.items() if count})


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
        hand = " corrected=by_hand"
        semantics.texts += [
            (described[item], f"{made} attempt={at[item] + 1}{hand if item in self.engine.corrected else ''}")
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
    if not semantics.filed:
        raise UserError("no item has a value of any category, so no item can be filed; check taxonomy.columns")
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

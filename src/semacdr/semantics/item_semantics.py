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

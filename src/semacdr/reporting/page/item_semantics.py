"""The page's section on items: categories, example descriptions, and how often the language model failed."""

import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from semacdr.errors import UserError
from semacdr.reporting.page.catalogue import Catalogue, Item
from semacdr.semantics.categories import read_taxonomy
from semacdr.storage import tables, tsv

FELL_BACK = "fell back"
NOT_ASKED = "because=not asked"  # ends the provenance of texts and filings of items outside semantics.share
HELD_OUT = "held out: "  # begins the steps that count how often learned categories agree with answers


@dataclass(frozen=True)
class CategoryCounts:
    """A category: the number and the share of each domain's items in each of its subcategories."""

    name: str
    question: str
    subcategories: list[tuple[str, str, list[tuple[int, float]]]]  # name, description, count and share per domain


@dataclass(frozen=True)
class Example:
    """An item with its description and categories."""

    item: Item
    text: str
    origin: str  # of the text
    places: list[tuple[str, list[str]]]


@dataclass(frozen=True)
class ItemSemantics:
    """The content of the section."""

    engine: str
    model: str
    cost: dict[str, Any]
    taxonomy_cost: dict[str, Any] | None  # where a language model made the taxonomy
    domains: list[str]
    categories: list[CategoryCounts]
    results: list[str]
    steps: list[tuple[str, list[str]]]
    fallen: int  # number of items whose text should be the language model's and is not
    replaced: int  # number of items whose text was replaced by hand
    examples: list[Example]
    asked: int | None  # number of items that the language model was asked about, where that is only a share
    agreement: float | None  # of learned categories with held-out answers, where only a share of the items was asked


def read_cost(path: Path) -> dict[str, Any]:
    """cost.json of stage semantics."""
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise UserError(f"{path}: cannot be read: {error}; run the semantics stage again") from error


def taxonomy_cost(path: Path) -> dict[str, Any] | None:
    """The cost recorded in a taxonomy that a language model made; None for any other."""
    read_taxonomy(path)  # raises where it is malformed
    made_by = json.loads(path.read_text(encoding="utf-8")).get("made_by")
    return made_by.get("cost") if isinstance(made_by, dict) else None


def read_item_semantics(
    catalogue: Catalogue, taxonomy: Path, inner: Path, counts: Path, cost: Path, examples: int, seed: int
) -> ItemSemantics:
    """The section, with `examples` random items per domain, followed by up to two items that fell back."""
    recorded = read_cost(cost)
    table = tables.read(inner, "inner")[0]
    texts = dict(zip(table["item"].to_pylist(), table["text"].to_pylist(), strict=True))
    origin = dict(zip(table["item"].to_pylist(), table["provenance"].to_pylist(), strict=True))
    fallen = [item for item, words in origin.items() if _fell(words)] if recorded["engine"] == "llm" else []
    domains = list(dict.fromkeys(item.domain for item in catalogue.items))
    drawn = _drawn(catalogue, domains, set(fallen), examples, seed)
    drawn += np.random.default_rng(seed).permutation(fallen)[:2].tolist()
    rows = tsv.read(counts, ("step", "result", "items"))
    results = sorted({row["result"] for row in rows}, key=lambda result: (result.startswith(FELL_BACK), result))
    cells = {(row["step"], row["result"]): row["items"] for row in rows}
    steps = [
        (step, [cells.get((step, result), "") for result in results]) for step in dict.fromkeys(r["step"] for r in rows)
    ]
    return ItemSemantics(
        recorded["engine"], recorded["model"], recorded, taxonomy_cost(taxonomy),
        domains, _categories(catalogue, taxonomy, domains), results, steps,
        len(fallen), sum(map(_replaced, origin.values())),
        [_example(catalogue, item, texts.get(item, ""), origin.get(item, "")) for item in drawn],
        recorded.get("asked_items"), _agreement(rows),
    )  # fmt: skip


def _agreement(rows: Sequence[dict[str, str]]) -> float | None:
    """Over the learned categories, the mean share of held-out answers that the classifier agrees with; None without."""
    counts: dict[str, Counter] = {}
    for row in rows:
        if row["step"].startswith(HELD_OUT):
            counts.setdefault(row["step"], Counter())[row["result"]] += int(row["items"])
    return float(np.mean([own["agrees"] / own.total() for own in counts.values()])) if counts else None


def _fell(provenance: str) -> bool:
    return not provenance.startswith("engine=llm ") and not provenance.endswith(NOT_ASKED)


def _replaced(provenance: str) -> bool:
    return " corrected=" in provenance


def _drawn(catalogue: Catalogue, domains: Sequence[str], fallen: set[int], examples: int, seed: int) -> list[int]:
    """Random items of each domain, without those that fell back."""
    rng = np.random.default_rng(seed)
    by_domain = [
        rng.permutation([item.item for item in catalogue.items if item.domain == domain and item.item not in fallen])
        for domain in domains
    ]
    return [int(item) for part in by_domain for item in part[:examples]]


def _categories(catalogue: Catalogue, taxonomy: Path, domains: Sequence[str]) -> list[CategoryCounts]:
    sizes = Counter(item.domain for item in catalogue.items)
    counts = Counter(
        (item.domain, *key) for item in catalogue.items for key in dict.fromkeys(catalogue.filed(item.item))
    )
    return [
        CategoryCounts(
            category.name,
            category.question,
            [
                (name, text, [(n := counts[domain, category.name, name], n / sizes[domain]) for domain in domains])
                for name, text in category.subcategories
            ],
        )
        for category in read_taxonomy(taxonomy)
    ]


def _example(catalogue: Catalogue, item: int, text: str, provenance: str) -> Example:
    places: dict[str, list[str]] = {}
    for category, subcategory in catalogue.filed(item):
        places.setdefault(category, []).append(subcategory)
    return Example(catalogue[item], with_full_stop(text), describe_provenance(provenance), list(places.items()))


def with_full_stop(text: str) -> str:
    """A text that ends with a letter or a digit, with a full stop: composed texts have none, and would look cut."""
    return f"{text}." if text[-1:].isalnum() else text


def describe_provenance(provenance: str) -> str:
    """A text's provenance as a phrase."""
    words, _, why = provenance.partition(" because=")
    if provenance.endswith(NOT_ASKED):
        return "composed from the metadata; the language model was not asked"
    parts = dict(part.split("=", 1) for part in words.split() if "=" in part)
    if parts.get("engine") == "llm":
        attempt = parts.get("attempt")
        if "corrected" in parts:
            return "replaced by hand: the language model's text had an error"
        return "written by the language model" + (f", attempt {attempt}" if attempt not in (None, "1") else "")
    return "composed from the metadata" + (f"; the language model's answer was rejected: {why}" if why else "")

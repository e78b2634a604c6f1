"""Semantics: each item's inner-domain text, and its subcategories in the categories that both domains share.

Reads   items.parquet, taxonomy.json.
Writes  inner.parquet: item, text, provenance; agnostic.parquet: item, category, subcategory, provenance, one row an
        assignment. Provenance says which engine made a row.

Engine `encoder` needs no LLM: the text is composed from title, brand, categories and description, and the frozen
sentence encoder files each item by the cosine of its text with each subcategory's, less the mean of that cosine over
the items of the domain: a subcategory whose wording is near to everything would else collect everything.
"""

import argparse
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa

from semacdr import tables
from semacdr.cli import log, parser, run
from semacdr.taxonomy import Category, read_taxonomy
from semacdr.text_encoder import PACKAGED, TextEncoder


def compose(item: dict, max_characters: int) -> str:
    """The inner-domain text of an item's row: what its domain says of it, at most `max_characters` long."""
    title = item["title"] or f"untitled {item['domain']}"
    parts = [title, f"by {item['brand']}" if item["brand"] else "", ", ".join(item["categories"]), item["description"]]
    text = ". ".join(part for part in (part.rstrip(". ") for part in parts) if part)
    return text if len(text) <= max_characters else text[: max_characters - 1].rsplit(" ", 1)[0] + "…"


def calibrated(vectors: np.ndarray, options: np.ndarray, domain: np.ndarray) -> np.ndarray:
    """(items, options) cosines of unit vectors, less each option's mean over the items of the same domain."""
    scores = vectors @ options.T
    for name in np.unique(domain):
        scores[domain == name] -= scores[domain == name].mean(0)
    return scores


def choose(scores: np.ndarray, most: int, margin: float) -> np.ndarray:
    """(items, options) bool: each item's best option, and up to `most` in all that are within `margin` of the best."""
    best = scores.max(1, keepdims=True)
    place = np.argsort(np.argsort(-scores, axis=1, kind="stable"), axis=1)
    return (place == 0) | ((place < most) & (scores >= best - margin))


def file_under(category: Category, vectors: np.ndarray, domain: np.ndarray, encoder, most: int, margin: float):
    """Item and subcategory of each assignment in one category, as two lists."""
    options = encoder.encode([f"{name}: {text}" if text else name for name, text in category.subcategories])
    item, option = np.nonzero(choose(calibrated(vectors, options, domain), most, margin))
    names = np.array([name for name, _ in category.subcategories])
    return item.tolist(), names[option].tolist()


def arguments(argv: Sequence[str] | None) -> argparse.Namespace:
    """The stage's command line."""
    cli = parser(__doc__)
    cli.add_argument("--items", type=Path, required=True)
    cli.add_argument("--taxonomy", type=Path, required=True)
    cli.add_argument("--engine", choices=["encoder"], default="encoder", help="what writes and files")
    cli.add_argument("--encoder", default=PACKAGED, help=f"sentence encoder; default {PACKAGED}, which works offline")
    cli.add_argument("--max-characters", type=int, default=1000, help="of an inner-domain text")
    cli.add_argument("--max-subcategories", type=int, default=2, help="of an item in one category")
    cli.add_argument("--margin", type=float, default=0.03, help="how far from the best another subcategory may be")
    cli.add_argument("--device", help="default: cuda where there is one, else cpu")
    cli.add_argument("--threads", type=int, help="default: all CPUs")
    cli.add_argument("--output", type=Path, required=True, help="folder for the two tables")
    return cli.parse_args(argv)


def main(argv: Sequence[str] | None = None) -> None:
    """Run the stage."""
    args = arguments(argv)
    items, meta = tables.read(args.items, "items")
    categories = read_taxonomy(args.taxonomy)
    texts = [compose(item, args.max_characters) for item in items.to_pylist()]
    encoder = TextEncoder(args.encoder, args.device, threads=args.threads)
    vectors = encoder.encode(texts)
    domain = items["domain"].to_numpy(zero_copy_only=False)
    rows = {"item": [], "category": [], "subcategory": []}
    for category in categories:
        filed, names = file_under(category, vectors, domain, encoder, args.max_subcategories, args.margin)
        rows = {"item": rows["item"] + filed, "category": rows["category"] + [category.name] * len(filed),
                "subcategory": rows["subcategory"] + names}  # fmt: skip
        log.info("%s: %d assignments of %d items", category.name, len(filed), len(texts))
    provenance = f"engine=encoder model={args.encoder}"
    inner = {"item": items["item"], "text": texts, "provenance": [f"{provenance} text=composed"] * len(texts)}
    tables.write(pa.table(inner), args.output / "inner.parquet", "inner", meta)
    agnostic = pa.table(rows | {"provenance": [provenance] * len(rows["item"])}).sort_by(
        [("item", "ascending"), ("category", "ascending"), ("subcategory", "ascending")]
    )
    tables.write(agnostic, args.output / "agnostic.parquet", "agnostic", meta)


if __name__ == "__main__":
    run(main)

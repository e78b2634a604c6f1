"""Engine `encoder`: texts are composed from metadata, and a frozen sentence encoder files the items.

An item's score for a subcategory is the cosine of their texts minus the mean of that cosine over the items of the
domain. Without the mean, a subcategory whose wording is similar to everything would collect all items.
"""

from collections.abc import Sequence
from functools import cached_property
from typing import Any

import numpy as np

from semacdr.semantics.categories import Category
from semacdr.semantics.filing import calibrated, choose
from semacdr.semantics.text_encoder import TextEncoder
from semacdr.storage.tables import column


def compose(item: dict, max_characters: int) -> str:
    """The inner-domain text of an item's row, composed from its metadata, at most `max_characters` long."""
    title = item["title"] or f"untitled {item['domain']}"
    parts = [title, f"by {item['brand']}" if item["brand"] else "", ", ".join(item["categories"]), item["description"]]
    parts.append(item.get("reviews", ""))
    text = ". ".join(part for part in (part.rstrip(". ") for part in parts) if part)
    return text if len(text) <= max_characters else text[: max_characters - 1].rsplit(" ", 1)[0] + "…"


class EncoderEngine:
    """Composes texts of items (rows as dicts, or tables.Rows) and files them. The encoder is loaded on first use."""

    def __init__(self, items: Sequence[dict], max_characters: int, most: int, margin: float, **encoder: Any) -> None:
        """An item gets up to `most` subcategories a category, within `margin` in cosine; `encoder`: of TextEncoder."""
        self.items, self.max_characters = items, max_characters
        self.most, self.margin, self.arguments = most, margin, encoder

    def text(self, item: int) -> str:
        """The composed text of an item, given its position."""
        return compose(self.items[item], self.max_characters)

    @cached_property
    def encoder(self) -> TextEncoder:
        """The sentence encoder."""
        return TextEncoder(**self.arguments)

    @cached_property
    def vectors(self) -> np.ndarray:
        """(items, width) float32 unit vectors of the composed texts."""
        return self.encoder.encode([self.text(item) for item in range(len(self.items))])

    def file(self, category: Category) -> list[tuple[int, str]]:
        """Item and subcategory of each assignment in a category, by item, the best of an item first."""
        options = self.encoder.encode([f"{name}: {text}" if text else name for name, text in category.subcategories])
        scores = calibrated(self.vectors @ options.T, groups=np.array(column(self.items, "domain")))
        names = [name for name, _ in category.subcategories]
        return [(item, names[o]) for item, o in zip(*choose(scores, self.most, self.margin), strict=True)]

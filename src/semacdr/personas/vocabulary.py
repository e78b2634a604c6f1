"""The shared vocabulary, facets with terms, and which terms each item is filed under.

The facets are the categories of taxonomy.json, the terms their subcategories; agnostic.parquet files the items.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pyarrow as pa

from semacdr.errors import UserError
from semacdr.semantics.categories import OTHER, Category


@dataclass(frozen=True)
class Vocabulary:
    """F facets with T terms in all, numbered facet by facet."""

    facets: tuple[tuple[str, tuple[str, ...]], ...]  # name and terms

    @staticmethod
    def of(categories: Sequence[Category]) -> "Vocabulary":
        """The vocabulary of a taxonomy."""
        return Vocabulary(tuple((one.name, tuple(name for name, _ in one.subcategories)) for one in categories))

    @cached_property
    def terms(self) -> list[tuple[str, str]]:
        """(T) facet and term."""
        return [(facet, term) for facet, terms in self.facets for term in terms]

    @cached_property
    def facet_of(self) -> np.ndarray:
        """(T,) the number of each term's facet."""
        return np.repeat(np.arange(len(self.facets)), [len(terms) for _, terms in self.facets])

    @cached_property
    def telling(self) -> np.ndarray:
        """(T,) bool: the terms that say something, all but `Other`."""
        return np.array([term != OTHER for _, term in self.terms])

    def by_facet(self, values: np.ndarray) -> np.ndarray:
        """(..., T) the sum of the values (..., T) over the terms of each term's facet."""
        starts = np.searchsorted(self.facet_of, np.arange(len(self.facets)))
        return np.add.reduceat(values, starts, axis=-1)[..., self.facet_of]

    def as_json(self) -> str:
        """The names, for the metadata of tables."""
        return json.dumps([{"name": name, "terms": terms} for name, terms in self.facets], ensure_ascii=False)


@dataclass(frozen=True)
class Filing:
    """The terms of each item: those of item i are at start[i] to start[i + 1]."""

    start: np.ndarray  # (items + 1,)
    term: np.ndarray  # (A,) number of the term
    share: np.ndarray  # (A,) f64: 1 / the item's terms in the facet, so each facet of an item sums to 1

    @property
    def filed(self) -> np.ndarray:
        """(items,) bool: the items that have a term."""
        return np.diff(self.start) > 0


def read_filing(agnostic: pa.Table, vocabulary: Vocabulary, items: int) -> Filing:
    """The filing of a table agnostic.parquet; a UserError names a term that the vocabulary lacks, or a wrong item."""
    number = {pair: place for place, pair in enumerate(vocabulary.terms)}
    item = agnostic["item"].to_numpy()
    if len(item) and not (item.min() >= 0 and item.max() < items):
        raise UserError(f"agnostic.parquet: files items that the scenario's {items} items lack; run semantics again")
    pairs = zip(agnostic["category"].to_pylist(), agnostic["subcategory"].to_pylist(), strict=True)
    try:
        term = np.array([number[pair] for pair in pairs], np.int64)
    except KeyError as error:
        raise UserError(
            f"agnostic.parquet: files an item under {error.args[0]}, which taxonomy.json lacks; run semantics again"
        ) from error
    key = np.unique(item.astype(np.int64) * len(number) + term)  # a term that occurs twice counts once
    item, term = np.divmod(key, len(number))
    group = item * len(vocabulary.facets) + vocabulary.facet_of[term]
    _, place, count = np.unique(group, return_inverse=True, return_counts=True)
    return Filing(np.searchsorted(item, np.arange(items + 1)), term, 1 / count[place])

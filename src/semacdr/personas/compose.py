"""Engine `compose`: personas from counts, without a request.

A weight is the share of the user's training items in a facet that are filed under the term (an item with two terms
gives half to each), smoothed towards the shares of all users of the domain with a pseudo-count: with c of n items under
a term whose share in the domain is s, it is (c + pseudo s) / (n + pseudo). So the weights of a facet sum to 1. The lift
is the weight over s. The text names the terms with the highest weight times lift, of those with a lift above 1, but
never `Other`, which says nothing.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from semacdr.personas.vocabulary import Filing, Vocabulary

CHUNK = 50_000  # users at once
NOTHING = "Nothing is typical of this person."
OPENINGS = ("Most typical of this person", "Also typical", "Sometimes also")
EACH = 2  # terms of a sentence


@dataclass(frozen=True)
class Composed:
    """The personas of one domain's P users who have a training event there, sorted by user."""

    user: np.ndarray  # (P,)
    events: np.ndarray  # (P,) training events
    confidence: np.ndarray  # (P,) f32: n / (n + half) with the n events whose item is filed
    weights: np.ndarray  # (P, T) f32
    text: pa.Array  # (P,) dictionary: many users share a text


@dataclass(frozen=True)
class How:
    """How personas are composed."""

    pseudo: float  # weight of the domain's shares, in items
    half: float  # events at which the confidence is one half
    terms: int  # terms that the text names at most


def compose(user: np.ndarray, item: np.ndarray, filing: Filing, vocabulary: Vocabulary, how: How) -> Composed:
    """The personas from a domain's training events (E,), sorted by user; `item` numbers the items of `filing`."""
    begins = np.flatnonzero(np.append(True, user[1:] != user[:-1])) if len(user) else np.zeros(0, np.int64)
    users, width = user[begins], len(vocabulary.terms)
    ends = np.append(begins[1:], len(user))
    shares = domain_shares(item, filing, vocabulary)
    weights = np.empty((len(users), width), np.float32)
    filed, texts = np.empty(len(users), np.int64), Texts(vocabulary)
    for first in range(0, len(users), CHUNK):
        chunk = slice(first, min(first + CHUNK, len(users)))
        events = slice(begins[chunk.start], ends[chunk.stop - 1])
        row = np.repeat(np.arange(chunk.stop - first), (ends - begins)[chunk])
        filed[chunk] = np.bincount(row, weights=filing.filed[item[events]], minlength=chunk.stop - first)
        counts = term_counts(row, item[events], chunk.stop - first, filing, width)
        found = (counts + how.pseudo * shares) / np.maximum(vocabulary.by_facet(counts) + how.pseudo, 1e-12)
        weights[chunk] = found
        texts.add(typical(found, shares, how.terms, vocabulary.telling))
    confidence = filed / (filed + how.half)
    return Composed(users, ends - begins, confidence.astype(np.float32), weights, texts.column())


def term_counts(row: np.ndarray, item: np.ndarray, rows: int, filing: Filing, width: int) -> np.ndarray:
    """(rows, T) f64: how many items of each row are filed under each term, an item with two terms half under each."""
    count = np.diff(filing.start)[item]
    ahead = np.cumsum(count) - count
    place = np.arange(count.sum()) + np.repeat(filing.start[item] - ahead, count)
    key = np.repeat(row, count) * width + filing.term[place]
    return np.bincount(key, weights=filing.share[place], minlength=rows * width).reshape(rows, width)


def domain_shares(item: np.ndarray, filing: Filing, vocabulary: Vocabulary) -> np.ndarray:
    """(T,) each term's share of the domain's training events in its facet; equal shares where no item is filed."""
    times = np.bincount(item, minlength=len(filing.start) - 1)  # by item, so that memory does not grow with events
    repeated = np.repeat(times, np.diff(filing.start))
    counts = np.bincount(filing.term, weights=filing.share * repeated, minlength=len(vocabulary.terms))
    totals, sizes = vocabulary.by_facet(counts), vocabulary.by_facet(np.ones(len(counts)))
    return np.where(totals > 0, counts / np.where(totals > 0, totals, 1), 1 / sizes)


def typical(weights: np.ndarray, shares: np.ndarray, most: int, allowed: np.ndarray) -> np.ndarray:
    """(rows, most) the `allowed` terms with the highest weight times lift, if the lift is above 1; -1: no more.

    The order is that of the score; of equal scores the first in the vocabulary.
    """
    lift = np.divide(weights, shares, out=np.zeros_like(weights), where=shares > 0)
    score = np.where(allowed & (lift > 1 + 1e-9), weights * lift, 0.0)
    order = np.argsort(-np.round(score, 9), axis=1, kind="stable")[:, :most]
    return np.where(np.take_along_axis(score, order, 1) > 0, order, -1)


class Texts:
    """A column of texts that holds each distinct text once."""

    def __init__(self, vocabulary: Vocabulary) -> None:
        self.vocabulary = vocabulary
        self.known: dict[tuple[int, ...], int] = {}
        self.codes: list[np.ndarray] = []

    def add(self, chosen: np.ndarray) -> None:
        """Add a text for each row of terms (rows, most); within a sentence they are in the vocabulary's order."""
        for first in range(0, chosen.shape[1], EACH):
            chosen[:, first : first + EACH].sort(axis=1)
        distinct, inverse = np.unique(chosen, axis=0, return_inverse=True)
        codes = [self.known.setdefault(key, len(self.known)) for key in map(tuple, distinct.tolist())]
        self.codes.append(np.array(codes, np.int32)[inverse.reshape(-1)])

    def column(self) -> pa.DictionaryArray:
        """All texts in the order in which they were added."""
        texts = pa.array([sentences(key, self.vocabulary) for key in self.known], pa.string())
        codes = np.concatenate(self.codes) if self.codes else np.zeros(0, np.int32)
        return pa.DictionaryArray.from_arrays(pa.array(codes, pa.int32()), texts)


def sentences(terms: tuple[int, ...], vocabulary: Vocabulary) -> str:
    """The text that names these terms, two a sentence; -1 is no term."""
    return " ".join(_sentences(terms, vocabulary)) or NOTHING


def _sentences(terms: tuple[int, ...], vocabulary: Vocabulary) -> Iterator[str]:
    for place in range(0, len(terms), EACH):
        named = [vocabulary.terms[term] for term in terms[place : place + EACH] if term >= 0]
        if named:
            listed = "; ".join(f"{term.lower()} ({facet.lower()})" for facet, term in named)
            yield f"{OPENINGS[min(place // EACH, len(OPENINGS) - 1)]}: {listed}."

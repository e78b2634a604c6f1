"""Samples of a catalogue, stratified by domain and category path; interactions are not used."""

from collections.abc import Sequence

import numpy as np

from semacdr.errors import UserError


def draw(items: Sequence[dict], sizes: Sequence[int], seed: int) -> list[list[dict]]:
    """Disjoint samples (rows of items) of the given sizes, half from each domain; smaller ones if items are too few.

    The items of a domain are sorted by category path, shuffled within a path, and taken at even steps, so that each
    branch of the shop's category tree has its share. Items without any text are left out. A UserError where the
    catalogue has not two domains, or too few items.
    """
    domains: dict[str, list[dict]] = {}
    for item in items:
        if item["title"] or item["categories"] or item["description"]:
            domains.setdefault(item["domain"], []).append(item)
    if len(domains) != 2:
        found = ", ".join(sorted(domains)) or "none"
        raise UserError(f"a taxonomy is made from items of two domains; items with any text are in: {found}")
    samples: list[list[dict]] = [[] for _ in sizes]
    for place, name in enumerate(sorted(domains)):
        shares = [size // 2 + (place < size % 2) for size in sizes]
        if len(domains[name]) < len(sizes):
            raise UserError(f"{len(domains[name])} items of '{name}' have any text; {len(sizes)} samples need more")
        for item, sample in zip(*_dealt(domains[name], shares, np.random.default_rng([seed, place])), strict=True):
            samples[sample].append(item)
    return [_alternating(sample) for sample in samples]


def _dealt(items: list[dict], shares: list[int], random: np.random.Generator) -> tuple[list[dict], list[int]]:
    """The items taken from one domain, in the order of their paths, and the sample of each."""
    shuffled = [items[index] for index in random.permutation(len(items))]
    ordered = sorted(shuffled, key=lambda item: tuple(item["categories"] or ()))
    count = min(sum(shares), len(items))
    taken = ((random.random() + np.arange(count)) * len(items) / count).astype(int).clip(max=len(items) - 1)
    wanted, given, deal = np.array(shares) / sum(shares), np.zeros(len(shares)), []
    for number in range(count):  # the sample furthest behind its share is next, so each sample is spread evenly
        deal.append(int(np.argmax(wanted * (number + 1) - given)))
        given[deal[-1]] += 1
    return [ordered[index] for index in taken], deal


def _alternating(sample: list[dict]) -> list[dict]:
    """The items with the two domains evenly mixed."""
    members: dict[str, list[dict]] = {}
    for item in sample:
        members.setdefault(item["domain"], []).append(item)
    placed = [
        ((rank + 0.5) / len(rows), name, item) for name, rows in members.items() for rank, item in enumerate(rows)
    ]
    return [item for *_, item in sorted(placed, key=lambda row: row[:2])]

"""Samples of a catalogue: both domains alike, and in each the categories in proportion; interactions play no part."""

from collections.abc import Sequence

import numpy as np

from semacdr.errors import UserError


def draw(items: Sequence[dict], sizes: Sequence[int], seed: int) -> list[list[dict]]:
    """A sample (rows of items) of each size, no item in two; of a small catalogue less, in proportion.

    In each domain the items stand in the order of their category paths, shuffled within a path, and are taken at even
    steps: so every branch of the shop's tree has its share, however deep it is. Items without any text are passed over.
    """
    domains: dict[str, list[dict]] = {}
    for item in items:
        if item["title"] or item["categories"] or item["description"]:
            domains.setdefault(item["domain"], []).append(item)
    if len(domains) != 2:
        found = ", ".join(sorted(domains)) or "none"
        raise UserError(f"a taxonomy is made from items of two domains; those with any text are of: {found}")
    samples: list[list[dict]] = [[] for _ in sizes]
    for place, name in enumerate(sorted(domains)):
        shares = [size // 2 + (place < size % 2) for size in sizes]
        if len(domains[name]) < len(sizes):
            raise UserError(f"{len(domains[name])} items of '{name}' have any text; {len(sizes)} samples need more")
        for item, sample in zip(*_dealt(domains[name], shares, np.random.default_rng([seed, place])), strict=True):
            samples[sample].append(item)
    return [_alternating(sample) for sample in samples]


def _dealt(items: list[dict], shares: list[int], random: np.random.Generator) -> tuple[list[dict], list[int]]:
    """The items that are taken of one domain, in the order of their paths, and the sample that each goes to."""
    shuffled = [items[index] for index in random.permutation(len(items))]
    ordered = sorted(shuffled, key=lambda item: tuple(item["categories"] or ()))
    count = min(sum(shares), len(items))
    taken = ((random.random() + np.arange(count)) * len(items) / count).astype(int).clip(max=len(items) - 1)
    wanted, given, deal = np.array(shares) / sum(shares), np.zeros(len(shares)), []
    for number in range(count):  # the sample that is furthest behind its share comes next: each is spread evenly too
        deal.append(int(np.argmax(wanted * (number + 1) - given)))
        given[deal[-1]] += 1
    return [ordered[index] for index in taken], deal


def _alternating(sample: list[dict]) -> list[dict]:
    """The items with the domains mixed evenly, so that no domain comes first as a block."""
    members: dict[str, list[dict]] = {}
    for item in sample:
        members.setdefault(item["domain"], []).append(item)
    placed = [
        ((rank + 0.5) / len(rows), name, item) for name, rows in members.items() for rank, item in enumerate(rows)
    ]
    return [item for *_, item in sorted(placed, key=lambda row: row[:2])]

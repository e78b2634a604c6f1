"""Which items a language model is asked about, where only a share of them is: a stratified, nested sample.

Strata are the domains, and within them the items' own category paths. No interaction and no text vector is read, so a
shard or an estimate of the price needs no text encoder.
"""

from collections.abc import Sequence
from hashlib import sha256
from math import ceil

from semacdr.storage.tables import column

FEWEST = 50  # items asked at least: with fewer answers most subcategories have no example
LEVELS = 4  # of strata: the domain, and three names of a category path


def asked_items(items: Sequence[dict], share: float) -> list[int]:
    """The positions of the items to ask about: `share` of them, at least FEWEST, or all if there are fewer.

    The items (rows as dicts or tables.Rows) of a smaller share are the first ones of a larger share. Each stratum gets
    its share to within about one item. The sample depends on domains, category paths and item ids alone. A share of 1
    gives all positions in order, a smaller one the sample's own order.
    """
    if share == 1:
        return list(range(len(items)))
    domains = column(items, "domain")
    paths = [(domain, *(own or ())) for domain, own in zip(domains, column(items, "categories"), strict=True)]
    draws = [_draw(domain, item) for domain, item in zip(domains, column(items, "item_id"), strict=True)]
    count = min(len(paths), max(ceil(round(share * len(paths), 6)), FEWEST))
    return _in_order(range(len(paths)), paths, draws, ())[:count]


def _draw(*of: str) -> float:
    """A number from 0 to 1 that depends on texts alone."""
    return int.from_bytes(sha256("\0".join(of).encode("utf-8", "replace")).digest()[:8], "big") / 2**64


def _in_order(
    members: Sequence[int], paths: Sequence[tuple[str, ...]], draws: Sequence[float], prefix: tuple[str, ...]
) -> list[int]:
    """The members of a stratum, so that the first ones hold the same share of each stratum within it.

    `prefix`: the names that the paths of all members begin with. The k-th of the m items of an inner stratum (from 0)
    is placed at (k + u) / m, with a random u below 1: strata of one item each are drawn like the items of one
    stratum.
    """
    level = len(prefix)
    ended = [member for member in members if len(paths[member]) == level]
    if level == LEVELS or len(members) == 1 or len(ended) == len(members):
        return sorted(members, key=lambda member: (draws[member], member))
    inner: dict[str, list[int]] = {}
    for member in members:
        if len(paths[member]) > level:
            inner.setdefault(paths[member][level], []).append(member)
    strata = [(f"{level}", ended)] if ended else []
    ordered = [(name, sorted(own, key=lambda member: (draws[member], member))) for name, own in strata]
    ordered += [(f"in {name}", _in_order(own, paths, draws, (*prefix, name))) for name, own in inner.items()]
    placed = [
        ((place + _draw(*prefix, name)) / len(own), name, member)
        for name, own in ordered
        for place, member in enumerate(own)
    ]
    return [member for *_, member in sorted(placed)]

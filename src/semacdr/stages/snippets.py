"""Snippets: what users wrote about each item, from reviews that no direction holds out.

Reads   reviews_<Category>.json.gz of both domains, interactions.parquet, users.parquet, items.parquet, and the
        split.parquet of both directions.
Writes  snippets.parquet: item, text; an item without a text in any training review has no row.

A review is used if its event is a training event in both directions: strictly before its user's validation event or,
with a split by time, before the date of validation. Reviews of cold users are never used, because each domain is hidden
in one direction. If a user reviewed an item several times, the earliest review is used, as in preprocess. Each item
gets up to `per_item` of them. The choice depends only on the seed, the user and the item, not on later votes. Both
directions share the table, so it does not depend on one direction's past alone: an event added after a user's test
event in one domain moves the validation event of the other direction, which may admit one more of the user's earlier
reviews.
"""

import argparse
from array import array
from bisect import bisect_left, insort
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path
from typing import Annotated

import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from semacdr.data import metadata
from semacdr.data.disjoint import raw_ids
from semacdr.data.history import shared_training
from semacdr.data.lines import Tally
from semacdr.data.reviews import Line, usable
from semacdr.errors import UserError
from semacdr.llm.prompts import clean
from semacdr.runtime.cli import log, parser, run
from semacdr.runtime.settings import Bounds, Count, Natural, add_flags, from_flags, setting
from semacdr.storage import tables

BETWEEN = " / "  # separates the snippets of an item
_NONE = msgspec.Raw(b'""')


@dataclass(frozen=True)
class Settings:
    """Which snippets an item gets."""

    per_item: Count = setting(3, "maximum number of snippets per item")
    max_characters: Annotated[int, Bounds(20)] = setting(200, "maximum number of characters of a snippet")
    seed: Natural = setting(0, "seed of the choice")


class Review(Line):
    """A review line with its texts, which are parsed only for reviews that are used."""

    summary: msgspec.Raw = _NONE  # 2014 and 2018
    reviewText: msgspec.Raw = _NONE
    title: msgspec.Raw = _NONE  # 2023
    text: msgspec.Raw = _NONE

    def snippet(self, most: int) -> str:
        """Title and text on one line of at most `most` characters."""
        parts = (_text(part, most) for part in (self.summary, self.reviewText, self.title, self.text))
        return clean(". ".join(part.rstrip(". ") for part in parts if part), most)


def _text(raw: msgspec.Raw, most: int) -> str:
    value = msgspec.json.decode(raw)
    return metadata.clean(value[: 8 * most]) if isinstance(value, str) else ""


@dataclass
class Events:
    """The events whose reviews may be used, by sorted key = user x items + item."""

    keys: array
    times: array
    items: int

    def find(self, user: int, item: int, time: int) -> int | None:
        """The place of a review's event; None where it may not be used."""
        key = user * self.items + item
        place = bisect_left(self.keys, key)
        found = place < len(self.keys) and self.keys[place] == key and self.times[place] == time
        return place if found else None


def training_events(interactions: Path, items: Path, splits: Sequence[Path]) -> Events:
    """The events before their user's validation event in both directions."""
    count = len(tables.read(items, "items")[0])
    table = tables.read(interactions, "interactions")[0]
    user, item, time = (table[name].to_numpy().astype(np.int64) for name in ("user", "item", "timestamp"))
    users, catalogue = shared_training(interactions, items, splits)
    keys = user * count + item
    order = np.lexsort((time, keys))  # of repeats the earliest comes first, which `find` finds
    order = order[np.isin(keys[order], users * count + catalogue)]
    return Events(array("q", keys[order].tobytes()), array("q", time[order].tobytes()), count)


def iter_snippets(
    path: Path, users: dict[str, int], items: dict[str, int], events: Events, most: int
) -> Iterator[tuple[str, str, str]]:
    """(user_id, item_id, snippet) of the usable reviews in a file, one an event; malformed lines are logged.

    A snippet is empty if its review has no text.
    """
    tally, done = Tally(path), bytearray(len(events.keys))
    for (user, item, time), line in usable(path, tally, Review):
        if user not in users or item not in items:
            continue
        place = events.find(users[user], items[item], time)
        if place is not None and not done[place]:
            snippet = line.snippet(most)
            done[place] = bool(snippet)
            yield user, item, snippet
    for kind, count in sorted(tally.malformed.items()):
        log.warning("%s: %s lines left out (%s); the first: %s", path, f"{count:,}", kind, tally.firsts[kind])


def choose(reviews: Iterator[tuple[str, str, str]], per_item: int, seed: int) -> dict[str, list[tuple[bytes, str]]]:
    """Up to `per_item` snippets by item_id, each after the hash by which it was chosen."""
    chosen: dict[str, list[tuple[bytes, str]]] = defaultdict(list)
    for user, item, snippet in reviews:
        if snippet:
            digest = blake2b(f"{seed}\t{user}\t{item}".encode(), digest_size=8).digest()
            insort(chosen[item], (digest, snippet))
            del chosen[item][per_item:]
    return chosen


def arguments(argv: Sequence[str] | None) -> argparse.Namespace:
    """The stage's command line."""
    cli = parser(__doc__)
    cli.add_argument("--domains", nargs=2, required=True, help="names of the two domains")
    cli.add_argument("--reviews", nargs=2, type=Path, required=True, help="their review files, in the same order")
    cli.add_argument("--interactions", type=Path, required=True)
    cli.add_argument("--users", type=Path, required=True)
    cli.add_argument("--items", type=Path, required=True)
    cli.add_argument("--splits", nargs=2, type=Path, required=True, help="split.parquet of both directions")
    cli.add_argument("--output", type=Path, required=True, help="snippets.parquet")
    add_flags(cli, Settings)
    return cli.parse_args(argv)


def main(argv: Sequence[str] | None = None) -> None:
    """Run the stage."""
    args = arguments(argv)
    settings = from_flags(args, Settings, "snippets")
    events = training_events(args.interactions, args.items, args.splits)
    user_table, users_meta = tables.read(args.users, "users")
    catalogue, meta = tables.read(args.items, "items")
    rows = []
    for domain, path in zip(args.domains, args.reviews, strict=True):
        in_domain = catalogue.filter(pc.equal(catalogue["domain"], domain))
        items = dict(zip(in_domain["item_id"].to_pylist(), in_domain["item"].to_pylist(), strict=True))
        ids = raw_ids(user_table["user_id"].to_pylist(), domain, users_meta)
        numbered = zip(ids, user_table["user"].to_pylist(), strict=True)
        users = {user_id: user for user_id, user in numbered if user_id is not None}
        reviews = iter_snippets(path, users, items, events, settings.max_characters)
        chosen = choose(reviews, settings.per_item, settings.seed)
        log.info("%s: %s of %s items have snippets", domain, f"{len(chosen):,}", f"{len(items):,}")
        rows += [(items[item], BETWEEN.join(text for _, text in found)) for item, found in chosen.items()]
    if not rows:
        raise UserError(
            f"release {meta.get('release')} has no review texts: no training review in {args.reviews[0]} or "
            f"{args.reviews[1]} has one; set semantics.reviews to false"
        )
    numbers, texts = zip(*sorted(rows), strict=True)
    tables.write(
        pa.table({"item": numbers, "text": texts}), args.output, "snippets", meta | tables.made_from(items=meta)
    )


if __name__ == "__main__":
    run(main)

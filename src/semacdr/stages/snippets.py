"""Snippets: what people wrote of each item, as far as no direction holds the event out.

Reads   reviews_<Category>.json.gz of both domains, interactions.parquet, users.parquet, items.parquet, and the
        split.parquet of both directions.
Writes  snippets.parquet: item, text; an item of which no training review has a text has no row.

A review counts where its event stands, in both directions, strictly before its user's validation event; a cold user's
counts in neither domain, as each domain is hidden in one direction. Of several reviews of a user and an item the
earliest does, as in preprocess. Each item gets up to `per_item` of them, which ones hangs on the seed, the user and the
item alone, not on how helpful later readers found it. The table is shared by both directions, so one thing in it is no
function of one direction's past: an event added after a user's test event in one domain moves the validation event of
the other, which can let one more of the user's earlier reviews in.
"""

import argparse
from array import array
from bisect import bisect_left, insort
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path

import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from semacdr.data import metadata
from semacdr.data.history import shared_training
from semacdr.data.lines import Tally
from semacdr.data.reviews import Line, usable
from semacdr.errors import UserError
from semacdr.llm.prompts import clean
from semacdr.runtime.cli import log, parser, run
from semacdr.storage import tables

BETWEEN = " / "
_NONE = msgspec.Raw(b'""')


class Review(Line):
    """A line with what it says, which is only parsed where it is wanted."""

    summary: msgspec.Raw = _NONE  # 2014 and 2018
    reviewText: msgspec.Raw = _NONE
    title: msgspec.Raw = _NONE  # 2023
    text: msgspec.Raw = _NONE

    def snippet(self, most: int) -> str:
        """Heading and text on one line of at most `most` characters."""
        parts = (_text(part, most) for part in (self.summary, self.reviewText, self.title, self.text))
        return clean(". ".join(part.rstrip(". ") for part in parts if part), most)


def _text(raw: msgspec.Raw, most: int) -> str:
    value = msgspec.json.decode(raw)
    return metadata.clean(value[: 8 * most]) if isinstance(value, str) else ""


@dataclass
class Events:
    """The events whose reviews may be told, by sorted key = user x items + item."""

    keys: array
    times: array
    items: int

    def find(self, user: int, item: int, time: int) -> int | None:
        """The place of the event that a review is of; None where it may not be told."""
        key = user * self.items + item
        place = bisect_left(self.keys, key)
        there = place < len(self.keys) and self.keys[place] == key and self.times[place] == time
        return place if there else None


def training_events(interactions: Path, items: Path, splits: Sequence[Path]) -> Events:
    """The events that stand before their user's validation event in both directions."""
    count = len(tables.read(items, "items")[0])
    table = tables.read(interactions, "interactions")[0]
    user, item, time = (table[name].to_numpy().astype(np.int64) for name in ("user", "item", "timestamp"))
    people, things = shared_training(interactions, items, splits)
    keys = user * count + item
    order = np.argsort(keys)
    order = order[np.isin(keys[order], people * count + things)]
    return Events(array("q", keys[order].tobytes()), array("q", time[order].tobytes()), count)


def told(path: Path, users: dict[str, int], items: dict[str, int], events: Events, most: int) -> Iterator[tuple]:
    """(user_id, item_id, snippet) of the reviews in a file that may be told, one an event; what was left out is logged.

    A snippet is empty where the review has no text.
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


def choose(reviews: Iterator[tuple], per_item: int, seed: int) -> dict[str, list[tuple[bytes, str]]]:
    """By item_id, up to `per_item` snippets, each behind the hash that chose it."""
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
    cli.add_argument("--domains", nargs=2, required=True, help="the two domains' names")
    cli.add_argument("--reviews", nargs=2, type=Path, required=True, help="their review files, in the same order")
    cli.add_argument("--interactions", type=Path, required=True)
    cli.add_argument("--users", type=Path, required=True)
    cli.add_argument("--items", type=Path, required=True)
    cli.add_argument("--splits", nargs=2, type=Path, required=True, help="split.parquet of both directions")
    cli.add_argument("--per-item", type=int, default=3)
    cli.add_argument("--max-characters", type=int, default=200, help="of a snippet")
    cli.add_argument("--seed", type=int, default=0, help="of the choice")
    cli.add_argument("--output", type=Path, required=True, help="the Parquet file to write")
    return cli.parse_args(argv)


def main(argv: Sequence[str] | None = None) -> None:
    """Run the stage."""
    args = arguments(argv)
    events = training_events(args.interactions, args.items, args.splits)
    people = tables.read(args.users, "users")[0]
    users = dict(zip(people["user_id"].to_pylist(), people["user"].to_pylist(), strict=True))
    catalogue, meta = tables.read(args.items, "items")
    rows = []
    for domain, path in zip(args.domains, args.reviews, strict=True):
        own = catalogue.filter(pc.equal(catalogue["domain"], domain))
        items = dict(zip(own["item_id"].to_pylist(), own["item"].to_pylist(), strict=True))
        chosen = choose(told(path, users, items, events, args.max_characters), args.per_item, args.seed)
        log.info("%s: %s of %s items have snippets", domain, f"{len(chosen):,}", f"{len(items):,}")
        rows += [(items[item], BETWEEN.join(text for _, text in found)) for item, found in chosen.items()]
    if not rows:
        raise UserError(
            f"release {meta.get('release')} has no review texts: no training review in {args.reviews[0]} or "
            f"{args.reviews[1]} has one; set semantics.reviews to false"
        )
    numbers, texts = zip(*sorted(rows), strict=True)
    tables.write(pa.table({"item": numbers, "text": texts}), args.output, "snippets", meta)


if __name__ == "__main__":
    run(main)

"""Personas: what a user's training events in a domain say of him, in the terms of the shared vocabulary.

Reads   interactions.parquet, items.parquet, split.parquet; taxonomy.json (facets are categories, terms subcategories)
        and agnostic.parquet (the terms of items).
Writes  personas.parquet: user, domain, events, confidence, weights over all terms, text, provenance; one row per user
        and domain with a training event there, sorted by domain (source first) and user.

A row is made from the user's training events of its domain alone, so two accounts of a person share nothing. Engine
`compose` counts and sends no request (semacdr.personas.compose).
"""

import argparse
from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Annotated, Literal

import numpy as np
import pyarrow as pa

from semacdr.data.history import History, load_history
from semacdr.personas.compose import Composed, How, compose
from semacdr.personas.vocabulary import Filing, Vocabulary, read_filing
from semacdr.runtime.cli import log, parser, run
from semacdr.runtime.settings import Bounds, Positive, add_flags, from_flags, setting
from semacdr.semantics.categories import read_taxonomy
from semacdr.storage import tables


@dataclass(frozen=True)
class Settings:
    """How personas are made."""

    engine: Literal["compose"] = setting("compose", "from counts, without a request")
    pseudo_count: Positive = setting(
        2.0, "weights are smoothed towards the shares of the domain, which count as so many items"
    )
    half_confidence: Positive = setting(5.0, "number of events at which the confidence is one half")
    terms: Annotated[int, Bounds(1, 6)] = setting(
        4, "number of terms that a composed text names at most; with fewer, more users share a text"
    )


@dataclass(frozen=True)
class World:
    """What personas are made from."""

    history: History
    vocabulary: Vocabulary
    filing: Filing
    meta: dict[str, str]  # of the table to write


def read_world(args: argparse.Namespace) -> World:
    """The tables of a command line; a UserError if they do not belong together."""
    history = load_history(args.interactions, args.items, args.split)
    agnostic, meta = tables.read(args.agnostic, "agnostic")
    taxonomy = {"digest": sha256(args.taxonomy.read_bytes()).hexdigest()[:16]}
    items = {"digest": history.meta["made_from_items"]} if "made_from_items" in history.meta else {}
    tables.check_made_from(args.agnostic, meta, "semantics", items=items, taxonomy=taxonomy)
    vocabulary = Vocabulary.of(read_taxonomy(args.taxonomy))
    count = len(history.source_items) + len(history.target_items)
    made_from = tables.made_from(split=history.meta, agnostic=meta, taxonomy=taxonomy)
    named = {"facets": vocabulary.as_json()}
    return World(history, vocabulary, read_filing(agnostic, vocabulary, count), history.meta | made_from | named)


def compose_both(world: World, how: How) -> list[Composed]:
    """The composed personas of the source and of the target domain."""
    history = world.history
    user, training = history.user(), history.training()
    chosen = [training & (history.is_target == target) for target in (False, True)]
    return [compose(user[rows], history.item[rows], world.filing, world.vocabulary, how) for rows in chosen]


def table_of(world: World, composed: Sequence[Composed]) -> pa.Table:
    """The table of composed personas."""
    domains = [world.history.meta[side] for side in ("source", "target")]
    number = np.repeat([0, 1], [len(one.user) for one in composed])
    columns = {
        "user": np.concatenate([one.user for one in composed]),
        "domain": _named(number, domains),
        "events": np.concatenate([one.events for one in composed]),
        "confidence": np.concatenate([one.confidence for one in composed]),
        "weights": tables.vectors(np.concatenate([one.weights for one in composed])),
        "text": pa.chunked_array([one.text.cast(pa.string()) for one in composed]),
        "provenance": _named(np.zeros(len(number), np.int32), ["engine=compose"]),
    }
    return pa.table(columns)


def _named(number: np.ndarray, names: list[str]) -> pa.Array:
    return pa.DictionaryArray.from_arrays(pa.array(number, pa.int32()), pa.array(names, pa.string())).cast(pa.string())


def arguments(argv: Sequence[str] | None) -> argparse.Namespace:
    """The stage's command line."""
    cli = parser(__doc__)
    cli.add_argument("--interactions", type=Path, required=True)
    cli.add_argument("--items", type=Path, required=True)
    cli.add_argument("--split", type=Path, required=True)
    cli.add_argument("--taxonomy", type=Path, required=True, help="taxonomy.json")
    cli.add_argument("--agnostic", type=Path, required=True, help="agnostic.parquet")
    cli.add_argument("--output", type=Path, required=True, help="personas.parquet")
    add_flags(cli, Settings)
    return cli.parse_args(argv)


def main(argv: Sequence[str] | None = None) -> None:
    """Run the stage."""
    args = arguments(argv)
    settings = from_flags(args, Settings, "personas")
    world = read_world(args)
    how = How(settings.pseudo_count, settings.half_confidence, settings.terms)
    table = table_of(world, compose_both(world, how))
    tables.write(table, args.output, "personas", world.meta)
    distinct = len(table["text"].unique())
    log.info("%s personas with %s distinct texts", f"{len(table):,}", f"{distinct:,}")


if __name__ == "__main__":
    run(main)

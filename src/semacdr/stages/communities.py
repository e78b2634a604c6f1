"""Communities: the source users whose personas are most similar to the persona of each target user.

Reads   personas.parquet, vectors.parquet.
Writes  communities.parquet: user (of the target domain), place from 1, neighbour (a source user), similarity (cosine);
        sorted by user and place.

Up to `exact_up_to` source users, all are compared; above it an index of faiss (extra `index`) searches a part of them.
Nobody's own source account is in his community: where users are shared between domains, it would be the nearest one
by far, and what is measured would be identity instead of similarity.
"""

import argparse
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from semacdr.errors import UserError
from semacdr.personas.neighbours import NONE, nearest, nearest_by_index
from semacdr.personas.space import Space
from semacdr.runtime.cli import log, parser, run
from semacdr.runtime.machine import peak_mb
from semacdr.runtime.settings import Bounds, Count, Natural, Share, add_flags, from_flags, setting
from semacdr.storage import tables


@dataclass(frozen=True)
class Settings:
    """Which personas are neighbours."""

    neighbours: Count = setting(20, "number of source users in a community, at most")
    floor: Annotated[float, Bounds(-1, 1)] = setting(0.0, "lowest cosine of a neighbour")
    space: Literal["both", "text", "weights"] = setting("both", "what is compared: text vectors, weights, or both")
    balance: Share = setting(0.5, "space both: share of the texts' cosine; the rest is that of the weights")
    centred: bool = setting(
        True, "subtract the mean of the domain first, so that what differs from other users of the domain is compared"
    )
    exact_up_to: Natural = setting(50_000, "source users up to which all are compared; above it an index is used")
    probes: Count = setting(64, "lists of the index that are searched; more find more of the nearest users")


@dataclass(frozen=True)
class Options:
    """Options that change no result."""

    threads: Count = setting(2, "CPU threads of the index")


def read_spaces(args: argparse.Namespace, settings: Settings) -> tuple[list[np.ndarray], list[Space], dict[str, str]]:
    """The users and the personas of the source and of the target domain, and metadata for the table."""
    personas, personas_meta = tables.read(args.personas, "personas")
    vectors, meta = tables.read(args.vectors, "persona_vectors")
    tables.check_made_from(args.vectors, meta, "persona_vectors", personas=personas_meta)
    if not all(vectors[name].equals(personas[name]) for name in ("user", "domain")):
        raise UserError(f"{args.vectors}: its rows are not those of {args.personas}; run persona_vectors again")
    text, weights = (tables.matrix(column) for column in (vectors["vector"], personas["weights"]))
    user = personas["user"].to_numpy()
    users, spaces = [], []
    for side in ("source", "target"):
        rows = np.flatnonzero(pc.equal(personas["domain"], meta[side]).to_numpy())
        part = slice(int(rows[0]), int(rows[-1]) + 1) if len(rows) else slice(0, 0)
        if len(rows) != part.stop - part.start:
            raise UserError(f"{args.personas}: is not sorted by domain; run personas again")
        users.append(user[part])
        spaces.append(Space(text[part], weights[part], settings.space, settings.balance, settings.centred))
    return users, spaces, meta | tables.made_from(persona_vectors=meta)


def own_places(source: np.ndarray, target: np.ndarray) -> np.ndarray:
    """(P_target,) the place of each target user among the sorted source users; NONE for a user who is not there."""
    places = np.searchsorted(source, target)
    return np.where(np.append(source, NONE)[places] == target, places, NONE)


def table_of(users: Sequence[np.ndarray], spaces: Sequence[Space], settings: Settings, threads: int) -> pa.Table:
    """The communities of all target users."""
    (source_users, target_users), (source, target) = users, spaces
    own, most, floor = own_places(source_users, target_users), settings.neighbours, settings.floor
    if len(source) <= settings.exact_up_to:
        found = nearest(source, target, own, most, floor)
    else:
        found = nearest_by_index(source, target, own, most, floor, settings.probes, threads)
    parts = []
    for chunk, near in found if len(source) else ():
        row, column = np.nonzero(near.place != NONE)
        neighbour = source_users[near.place[row, column]]
        parts.append((target_users[chunk][row], column + 1, neighbour, near.similarity[row, column]))
    names = ("user", "place", "neighbour", "similarity")
    columns = zip(*parts, strict=True) if parts else [[np.zeros(0, np.int32)]] * len(names)
    return pa.table({name: np.concatenate(column) for name, column in zip(names, columns, strict=True)})


def arguments(argv: Sequence[str] | None) -> argparse.Namespace:
    """The stage's command line."""
    cli = parser(__doc__)
    cli.add_argument("--personas", type=Path, required=True, help="personas.parquet")
    cli.add_argument("--vectors", type=Path, required=True, help="vectors.parquet")
    cli.add_argument("--output", type=Path, required=True, help="communities.parquet")
    add_flags(cli, Settings, Options)
    return cli.parse_args(argv)


def main(argv: Sequence[str] | None = None) -> None:
    """Run the stage."""
    args = arguments(argv)
    settings, options = from_flags(args, Settings, "communities"), from_flags(args, Options, "communities")
    users, spaces, meta = read_spaces(args, settings)
    table = table_of(users, spaces, settings, options.threads)
    meta = tables.write(table, args.output, "communities", meta)
    having = len(table["user"].unique())
    similar = pc.mean(table["similarity"]).as_py() or 0.0
    counts = f"{having:,} of {len(users[1]):,} target users have a community"
    log.info("%s, of %.1f source users, mean similarity %.3f", counts, len(table) / max(having, 1), similar)
    log.info("peak memory %.0f MB", peak_mb())
    if having < len(users[1]):
        log.warning("%s target users have no source user above the floor", f"{len(users[1]) - having:,}")


if __name__ == "__main__":
    run(main)

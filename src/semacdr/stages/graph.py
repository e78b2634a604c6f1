"""Graph: the item and user-item graphs of one direction, built from training events only.

Reads   interactions.parquet, items.parquet, split.parquet.
Writes  source.parquet, target.parquet: items of a domain are joined if one user interacted with both.
        source_counted.parquet, target_counted.parquet: the same, but an edge counts the users who have both items.
        mixed.parquet: the bipartite graph of users and all items; the items come first, then the users.
        source_sequence.parquet, target_sequence.parquet, mixed_sequence.parquet: items are joined if one directly
        follows the other in a user's sequence (the ablation SimpGraph, section 3.3); users have no edges.
        source.bin, target.bin, mixed.bin: the first three as DGL graphs, only where the package dgl is installed.

The graphs are those of the paper's section 2.3.4, with binary edges. A table holds the symmetrically normalised
adjacency with self-loops, D^-1/2 (A + I) D^-1/2, as rows (row, column, weight) sorted by row and column. Training
events are those strictly before a user's validation event; of a cold user, source events before the test event; with a
split by time, all events before the date of validation.
"""

import argparse
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from scipy import sparse

from semacdr.data.history import History, load_history
from semacdr.errors import UserError
from semacdr.runtime.cli import log, parser, run
from semacdr.runtime.settings import Count, add_flags, from_flags, setting
from semacdr.storage import files, tables

USER_ITEM, ITEM_USER = ("user", "interacts", "item"), ("item", "interacted", "user")


@dataclass(frozen=True)
class Settings:
    """Which events join items."""

    max_history: Count = setting(100, "a user's last events of a domain that join its items")


@dataclass(frozen=True)
class Options:
    """Options that change no table."""

    dgl: bool = setting(True, "also write DGL's own files, if the package dgl is installed")


def incidence(users: np.ndarray, items: np.ndarray, shape: tuple[int, int]) -> sparse.csr_array:
    """(items, users) matrix of ones where the user interacted with the item."""
    matrix = sparse.coo_array((np.ones(len(users), np.int32), (items, users)), shape=shape).tocsr()
    matrix.data[:] = 1  # an event that occurs twice is one edge
    return matrix


def shared_users(events: sparse.csr_array) -> sparse.csr_array:
    """(items, items) adjacency without self-loops: how many users interacted with both items."""
    product = (events @ events.T).tocsr()
    return (product - sparse.diags_array(product.diagonal(), dtype=product.dtype, format="csr")).tocsr()


def binary(graph: sparse.csr_array) -> sparse.csr_array:
    """The same edges, each with the value 1."""
    return sparse.csr_array((np.ones_like(graph.data), graph.indices, graph.indptr), graph.shape)


def bipartite(events: sparse.csr_array) -> sparse.csr_array:
    """(items + users, items + users) adjacency of the user-item graph; the items come first."""
    return sparse.block_array([[None, events], [events.T, None]], format="csr") if events.nnz else _empty(events)


def _empty(events: sparse.csr_array) -> sparse.csr_array:
    return sparse.csr_array((sum(events.shape), sum(events.shape)), dtype=np.int32)


def successor_graph(users: np.ndarray, items: np.ndarray, nodes: int) -> sparse.csr_array:
    """(nodes, nodes) adjacency: items are joined if one directly follows the other among a user's events.

    The events are sorted by user, and by time within each user.
    """
    same = (users[1:] == users[:-1]) & (items[1:] != items[:-1])
    before, after = items[:-1][same], items[1:][same]
    row, column = np.append(before, after), np.append(after, before)
    return binary(sparse.coo_array((np.ones(len(row), np.int32), (row, column)), shape=(nodes, nodes)).tocsr())


def normalised(graph: sparse.csr_array) -> pa.Table:
    """D^-1/2 (A + I) D^-1/2 of an adjacency as columns row, column, weight (f64), sorted; D: the row sums of A + I."""
    looped = (graph + sparse.eye_array(graph.shape[0], dtype=graph.dtype, format="csr")).tocsr()
    looped.sort_indices()
    row, column = np.repeat(np.arange(looped.shape[0]), np.diff(looped.indptr)), looped.indices
    degree = looped.sum(axis=1).astype(np.float64)
    weight = looped.data / np.sqrt(degree[row] * degree[column])
    return pa.table({"row": row, "column": column, "weight": weight})


def latest(history: History, chosen: np.ndarray, limit: int) -> np.ndarray:
    """(E,) bool: those of the chosen events that are among the last `limit` chosen events of their user."""
    user = history.user()
    reversed_rank = np.cumsum(chosen[::-1])[::-1]  # chosen events from here to the end, of this and later users
    after = np.append(reversed_rank, 0)[history.start[1:]][user]
    return chosen & (reversed_rank - after <= limit)


def build(history: History, limit: int) -> Iterator[tuple[str, sparse.csr_array]]:
    """Yield name and adjacency, without self-loops, of each graph.

    One at a time, as all of them together take gigabytes. A UserError if there is no training event.
    """
    user, training = history.user(), history.training()
    if not training.any():
        raise UserError("no user has an event before the validation event; lower split.cold_users")
    for name, is_target, items in (
        ("source", False, history.source_items),
        ("target", True, history.target_items),
    ):
        chosen = latest(history, training & (history.is_target == is_target), limit)
        users, own_items = user[chosen], history.item[chosen] - items.start
        counted = shared_users(incidence(users, own_items, (len(items), history.users)))
        yield name, binary(counted)
        yield f"{name}_counted", counted
        yield f"{name}_sequence", successor_graph(users, own_items, len(items))
    count = len(history.source_items) + len(history.target_items)
    users, all_items = user[training], history.item[training]
    yield "mixed", bipartite(incidence(users, all_items, (count, history.users)))
    yield "mixed_sequence", successor_graph(users, all_items, count + history.users)


def load_dgl() -> Any | None:
    """The module dgl, or None, with a line in the log, if it cannot be imported."""
    os.environ.setdefault("DGLBACKEND", "pytorch")  # otherwise dgl writes a file into the home directory
    try:
        import dgl
        import torch  # noqa: F401 (DGL's backend)
    except (ImportError, OSError) as error:  # OSError: a shared library is missing
        log.info("the DGL files are left out, as dgl cannot be imported: %s", error)
        return None
    return dgl


def write_dgl(dgl: Any, graph: sparse.csr_array, items: int | None, path: Path) -> None:
    """Write a graph in DGL's binary format; with `items`, as a bipartite graph whose first nodes are the items."""
    row, column = (part.astype(np.int64) for part in graph.nonzero())
    if items is None:
        stored = dgl.graph((row, column), num_nodes=graph.shape[0])
    else:
        item, user = row[row < items], column[row < items] - items
        edges = {USER_ITEM: (user, item), ITEM_USER: (item, user)}
        stored = dgl.heterograph(edges, num_nodes_dict={"item": items, "user": graph.shape[0] - items})
    with files.replacing(path) as temporary:
        try:
            dgl.save_graphs(str(temporary), stored)
            dgl.load_graphs(str(temporary))  # DGL does not report a disk that is full at the end
        except dgl.DGLError as error:
            reason = str(error).strip().splitlines()[0]
            raise UserError(f"{path}: cannot be written; is there no space left on device? DGL: {reason}") from error
        with temporary.open("r+b") as file:  # the reserved part of the header holds random memory contents: blank it
            file.seek(32)  # after magic number, version, type and number of graphs
            file.write(bytes(4096 - 32))


def arguments(argv: Sequence[str] | None) -> argparse.Namespace:
    """The stage's command line."""
    cli = parser(__doc__)
    cli.add_argument("--interactions", type=Path, required=True)
    cli.add_argument("--items", type=Path, required=True)
    cli.add_argument("--split", type=Path, required=True)
    cli.add_argument("--output", type=Path, required=True, help="folder for the graphs")
    add_flags(cli, Settings, Options)
    return cli.parse_args(argv)


def main(argv: Sequence[str] | None = None) -> None:
    """Run the stage."""
    args = arguments(argv)
    settings, options = from_flags(args, Settings, "graph"), from_flags(args, Options, "graph")
    history = load_history(args.interactions, args.items, args.split)
    dgl = load_dgl() if options.dgl else None
    made_from = tables.made_from(split=history.meta)
    items = len(history.source_items) + len(history.target_items)
    for name, graph in build(history, settings.max_history):
        path = args.output / f"{name}.parquet"
        meta = history.meta | made_from | {"nodes": str(graph.shape[0]), "norm": "D^-1/2 (A + I) D^-1/2"}
        tables.write(normalised(graph), path, "adjacency", meta)
        if name in ("source", "target", "mixed") and dgl:
            write_dgl(dgl, graph, items if name == "mixed" else None, path.with_suffix(".bin"))
        log.info("%s graph: %s nodes, %s edges", name, f"{graph.shape[0]:,}", f"{graph.nnz:,}")
        del graph  # before the next one is made


if __name__ == "__main__":
    run(main)

"""Graph: the three graphs of one direction, from what each user did strictly before the validation event (a cold user,
who has none: before the test event, in the source domain alone).

Reads   interactions.parquet, items.parquet, split.parquet.
Writes  source.bin, target.bin: DGL graphs of the items of a domain, joined where one user interacted with both;
        mixed.bin: the bipartite DGL graph of users and all items (paper, section 2.3.4; all edges binary);
        source.parquet, target.parquet, mixed.parquet: the same, as the symmetrically normalised adjacency with
        self-loops, D^-1/2 (A + I) D^-1/2, one row, column, weight a line. In mixed the items come first, then users.
        source_counted.parquet, target_counted.parquet: A counts the users who interacted with both items.
        source_sequence.parquet, target_sequence.parquet, mixed_sequence.parquet: items are joined where one directly
        follows the other in a user's own sequence (the ablation SimpGraph, section 3.3); users stand alone.
"""

import argparse
import os
from collections.abc import Iterator, Sequence
from pathlib import Path

os.environ.setdefault("DGLBACKEND", "pytorch")  # else dgl writes a file into the home directory

import dgl
import numpy as np
import pyarrow as pa
import torch
from scipy.sparse import coo_array

from semacdr.data.history import History, load_history
from semacdr.errors import UserError
from semacdr.runtime.cli import log, parser, run
from semacdr.storage import tables

INTERACTS, INTERACTED = ("user", "interacts", "item"), ("item", "interacted", "user")


def bipartite(users: np.ndarray, items: np.ndarray, counts: dict[str, int]) -> dgl.DGLGraph:
    """The user-item graph with an edge in both directions for each event."""
    users, items = torch.from_numpy(users), torch.from_numpy(items)
    return dgl.heterograph({INTERACTS: (users, items), INTERACTED: (items, users)}, num_nodes_dict=counts)


def co_interaction(graph: dgl.DGLGraph) -> dgl.DGLGraph:
    """The item graph of a bipartite one: i and j are joined where at least one user interacted with both."""
    return dgl.remove_self_loop(dgl.metapath_reachable_graph(graph, ["interacted", "interacts"]))


def shared_users(users: np.ndarray, items: np.ndarray, counts: dict[str, int]) -> dgl.DGLGraph:
    """The item graph of co-interaction whose edge data `count` say how many users interacted with both."""
    events = coo_array((np.ones(len(users)), (items, users)), shape=(counts["item"], counts["user"])).tocsr()
    product = (events @ events.T).tocoo()
    apart = product.row != product.col
    graph = dgl.graph((product.row[apart], product.col[apart]), num_nodes=counts["item"])
    graph.edata["count"] = torch.from_numpy(product.data[apart])
    return graph


def following(users: np.ndarray, items: np.ndarray, nodes: int) -> dgl.DGLGraph:
    """Items joined where one directly follows the other among a user's events (in order, a user's side by side)."""
    same = (users[1:] == users[:-1]) & (items[1:] != items[:-1])
    before, after = items[:-1][same], items[1:][same]
    pairs = np.unique(np.stack([np.append(before, after), np.append(after, before)]), axis=1)
    return dgl.graph((pairs[0], pairs[1]), num_nodes=nodes)


def normalised(graph: dgl.DGLGraph) -> pa.Table:
    """D^-1/2 (A + I) D^-1/2 of a homogeneous graph as row, column, weight, sorted; D are the row sums of A + I.

    A holds the edge data `count` where the graph has them, else ones.
    """
    column, row = (end.numpy() for end in graph.edges())
    value = graph.edata["count"].numpy() if "count" in graph.edata else np.ones(len(row))
    nodes = np.arange(graph.num_nodes())
    row, column = np.append(row, nodes), np.append(column, nodes)
    value = np.append(value, np.ones(len(nodes))).astype(np.float64)
    order = np.lexsort((column, row))
    row, column, value = row[order], column[order], value[order]
    degree = np.bincount(row, value)
    return pa.table({"row": row, "column": column, "weight": value / np.sqrt(degree[row] * degree[column])})


def latest(history: History, chosen: np.ndarray, limit: int) -> np.ndarray:
    """Those of the chosen events that are among the last `limit` chosen ones of their user."""
    user = history.user()
    reversed_rank = np.cumsum(chosen[::-1])[::-1]  # chosen events from here to the end, of this and later users
    after = np.append(reversed_rank, 0)[history.start[1:]][user]
    return chosen & (reversed_rank - after <= limit)


def build(history: History, limit: int) -> Iterator[tuple[str, dgl.DGLGraph | None, dgl.DGLGraph]]:
    """Name, the graph as stored with DGL, or None, and the homogeneous graph whose adjacency is normalised.

    One at a time, as all of them fill gigabytes. A UserError where there is nothing to train on.
    """
    user, training = history.user(), history.training()
    if not training.any():
        raise UserError("no user has an event before the validation event; lower split.cold_users")
    for name, is_target, items in (
        ("source", False, history.source_items),
        ("target", True, history.target_items),
    ):
        events = latest(history, training & (history.is_target == is_target), limit)
        counts = {"user": history.users, "item": len(items)}
        pairs = user[events], history.item[events] - items.start
        yield name, *[co_interaction(bipartite(*pairs, counts))] * 2
        yield f"{name}_counted", None, shared_users(*pairs, counts)
        yield f"{name}_sequence", None, following(*pairs, len(items))
    counts = {"user": history.users, "item": len(history.source_items) + len(history.target_items)}
    mixed = bipartite(user[training], history.item[training], counts)
    yield "mixed", mixed, dgl.to_homogeneous(mixed)  # node types in alphabetical order: items, then users
    yield "mixed_sequence", None, following(user[training], history.item[training], sum(counts.values()))


def store(graph: dgl.DGLGraph, path: Path) -> None:
    """Save as DGL's binary format; DGL leaves what was in memory in the reserved part of its header: blank that."""
    dgl.save_graphs(str(path), graph)
    with path.open("r+b") as file:
        file.seek(32)  # after magic number, version, type and number of graphs
        file.write(bytes(4096 - 32))


def arguments(argv: Sequence[str] | None) -> argparse.Namespace:
    """The stage's command line."""
    cli = parser(__doc__)
    cli.add_argument("--interactions", type=Path, required=True)
    cli.add_argument("--items", type=Path, required=True)
    cli.add_argument("--split", type=Path, required=True)
    cli.add_argument("--max-history", type=int, default=100, help="a user's last events that join items to each other")
    cli.add_argument("--output", type=Path, required=True, help="folder for the graphs")
    return cli.parse_args(argv)


def main(argv: Sequence[str] | None = None) -> None:
    """Run the stage."""
    args = arguments(argv)
    history = load_history(args.interactions, args.items, args.split)
    args.output.mkdir(parents=True, exist_ok=True)
    for name, graph, homogeneous in build(history, args.max_history):
        if graph is not None:
            store(graph, args.output / f"{name}.bin")
        nodes, edges = homogeneous.num_nodes(), homogeneous.num_edges()
        meta = history.meta | {"nodes": str(nodes), "norm": "D^-1/2 (A + I) D^-1/2"}
        tables.write(normalised(homogeneous), args.output / f"{name}.parquet", "adjacency", meta)
        log.info("%s graph: %s nodes, %s edges", name, f"{nodes:,}", f"{edges:,}")
        del graph, homogeneous  # before the next one is made


if __name__ == "__main__":
    run(main)

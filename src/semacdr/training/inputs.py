"""From the stages' tables to a Problem: what a system is built from, in training and in ranking alike."""

import argparse
from pathlib import Path

import numpy as np
import pyarrow as pa
import torch

from semacdr.data.history import load_history
from semacdr.errors import UserError
from semacdr.models.base import Problem, Semantics
from semacdr.models.sparse import csr
from semacdr.storage import tables

GRAPHS = ("source", "target", "mixed")
KINDS = {  # the files of each kind of edges, in the order of GRAPHS
    "co_interaction": GRAPHS,
    "counted": ("source_counted", "target_counted", "mixed"),  # a user interacts with an item once
    "sequence": ("source_sequence", "target_sequence", "mixed_sequence"),
    "none": (),
}


def add_arguments(cli: argparse.ArgumentParser) -> None:
    """The input paths that train and rank have in common."""
    cli.add_argument("--interactions", type=Path, required=True)
    cli.add_argument("--items", type=Path, required=True)
    cli.add_argument("--split", type=Path, required=True)
    cli.add_argument("--embeddings", type=Path, help="embeddings.parquet, where the system takes text vectors")
    cli.add_argument("--agnostic", type=Path, help="agnostic.parquet, where the system takes categories")
    cli.add_argument("--graphs", type=Path, help="folder of the graphs, where the system takes them")


def load_problem(args: argparse.Namespace, needs: tuple[str, ...], max_length: int, settings: object = None) -> Problem:
    """The Problem of the paths in `args` with what `needs` names, and graphs of the kind that `settings.graph` names.

    A UserError names a path that is missing. A system whose settings have no `graph` gets co-interaction.
    """
    graph = getattr(settings, "graph", "co_interaction")
    if graph not in KINDS:
        raise UserError(f"there are graphs of the kinds {', '.join(KINDS)}, not '{graph}'")
    for need in needs:
        if getattr(args, need) is None:
            raise UserError(f"this system needs --{need}")
    history = load_history(args.interactions, args.items, args.split)
    items = len(history.source_items) + len(history.target_items)
    return Problem(
        history=history,
        max_length=max_length,
        text=load_text(args.embeddings, items) if "embeddings" in needs else None,
        semantics=load_semantics(args.agnostic, items) if "agnostic" in needs else None,
        graphs=load_graphs(args.graphs, graph) if "graphs" in needs else None,
    )


def load_text(path: Path, items: int) -> torch.Tensor:
    """(items, width) text vectors by item."""
    table, _ = tables.read(path, "embeddings")
    if not np.array_equal(table["item"].to_numpy(), np.arange(items)):
        raise UserError(f"{path}: its items are not the scenario's {items} items in order; run encode again")
    vectors = tables.matrix(table["vector"])
    if not np.isfinite(vectors).all():
        wrong = int(np.argmin(np.isfinite(vectors).all(1)))
        raise UserError(f"{path}: the vector of item {wrong} is not finite; delete the file and run encode again")
    return torch.from_numpy(vectors.copy())


def load_semantics(path: Path, items: int) -> Semantics:
    """The assignments as a membership matrix; an item without any in a category is in the unknown subcategory."""
    table, _ = tables.read(path, "agnostic")
    item = table["item"].to_numpy()
    if not len(item):
        raise UserError(f"{path}: holds no assignment; run semantics again")
    if item.max() >= items:
        raise UserError(f"{path}: assigns item {item.max()}, the scenario has {items} items; run semantics again")
    category, subcategory = (_encoded(table[name]) for name in ("category", "subcategory"))
    blocks = []
    for k in range(category.max() + 1):
        own = np.unique(subcategory[category == k], return_inverse=True)[1]
        block = np.zeros((items, own.max() + 2), np.float32)
        block[item[category == k], own + 1] = 1
        block[:, 0] = block.sum(1) == 0
        blocks.append(block / block.sum(1, keepdims=True))
    return Semantics(tuple(block.shape[1] for block in blocks), torch.from_numpy(np.concatenate(blocks, 1)))


def _encoded(column: pa.ChunkedArray) -> np.ndarray:
    """Numbers of the names in alphabetical order."""
    return np.unique(column.to_numpy(zero_copy_only=False).astype(str), return_inverse=True)[1]


def load_graphs(folder: Path, kind: str) -> dict[str, torch.Tensor]:
    """The source, target and mixed graph of a kind (a key of KINDS), by name."""
    files = dict(zip(GRAPHS, KINDS[kind], strict=bool(KINDS[kind])))
    return {name: load_graph(folder / f"{file}.parquet") for name, file in files.items()}


def load_graph(path: Path) -> torch.Tensor:
    """A stored normalised adjacency as a sparse CSR tensor (nodes, nodes)."""
    table, meta = tables.read(path, "adjacency")
    nodes = int(meta["nodes"])
    rows = np.searchsorted(table["row"].to_numpy(), np.arange(nodes + 1)).astype(np.int32)
    column, weight = (table[name].to_numpy().copy() for name in ("column", "weight"))
    return csr(*(torch.from_numpy(part) for part in (rows, column, weight)), (nodes, nodes))

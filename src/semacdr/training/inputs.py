"""Load a model's inputs from the stages' tables, for training and for ranking.

Every table must belong to the split's scenario (graphs and personas: to its direction) and must have been made from the
given tables; otherwise a UserError names the file.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import torch

from semacdr.data.history import History, load_history
from semacdr.errors import UserError
from semacdr.models.base import ModelInputs, Semantics
from semacdr.models.sparse import csr
from semacdr.storage import tables
from semacdr.training.personas import PERSONA_FILES, load_personas, persona_files, personas_without_source, without_part
from semacdr.training.visibility import graphs_without_source, without_source

SCENARIO = ("release", "scenario")
DIRECTION = (*SCENARIO, "source", "target")
GRAPHS = ("source", "target", "mixed")
FROM = ("agnostic", "personas", "persona_vectors")  # tables that those of personas may have been made from
GRAPH_FILES = {  # the files of each kind of edges, in the order of GRAPHS
    "co_interaction": GRAPHS,
    "counted": ("source_counted", "target_counted", "mixed"),  # a user interacts with an item once
    "sequence": ("source_sequence", "target_sequence", "mixed_sequence"),
    "none": (),
}


@dataclass(frozen=True)
class DirectionPaths:
    """The tables of one direction; None for those that no model of the run reads."""

    interactions: Path
    items: Path
    split: Path
    embeddings: Path | None = None  # text vectors
    agnostic: Path | None = None  # categories of items
    graphs: Path | None = None  # folder of the graphs
    personas: Path | None = None  # folder of the personas


def load_inputs(
    paths: DirectionPaths,
    needs: tuple[str, ...],
    max_length: int,
    settings: object = None,
    visibility: str = "causal",
    history: History | None = None,
) -> ModelInputs:
    """A model's inputs: the tables named in `needs`, with graphs of the kind `settings.graph`.

    With a `history`, no events are read: then interactions and split may be missing. Settings without `graph` get
    co-interaction graphs. With visibility `none` history and graphs are without source events. A UserError names
    a path that is missing, a file that does not belong to the others, or graphs that cannot be had without source
    events.
    """
    kind = getattr(settings, "graph", "co_interaction")
    for need in needs:
        if getattr(paths, need) is None:
            raise UserError(f"this model needs --{need}")
    own = ("interactions", "items", "split") if history is None else ("items",)
    files = _files(paths, (*own, *needs), kind)
    history = history or load_history(paths.interactions, paths.items, paths.split)
    metas = {name: metadata(path) for name, path in files.items()}
    for name, path in files.items():
        whole, part = without_part(name)
        directed = name.endswith("_graph") or whole in PERSONA_FILES  # like the split; other tables: of the scenario
        check_same(path, metas[name], history.meta, DIRECTION if directed else SCENARIO)
        made_from = ("interactions", "items", "split", *FROM) if directed else ("interactions", "items")
        known = {other: metas.get(f"{other}{part}", metas.get(other)) for other in made_from}
        tables.check_made_from(path, metas[name], _stage(whole), **{k: meta for k, meta in known.items() if meta})
    items = len(history.source_items) + len(history.target_items)
    graphs = _load_graphs(files, history) if "graphs" in needs else None
    of_personas = {name: path for name, path in files.items() if without_part(name)[0] in PERSONA_FILES}
    personas = load_personas(of_personas, history) if of_personas else None
    if visibility == "none":
        history, graphs = without_source(history), graphs and graphs_without_source(graphs, history, kind)
        personas = personas and personas_without_source(personas)
    return ModelInputs(
        history=history,
        max_length=max_length,
        text=load_text(files["embeddings"], items) if "embeddings" in needs else None,
        semantics=load_semantics(files["agnostic"], items) if "agnostic" in needs else None,
        graphs=graphs,
        personas=personas,
        digests={name: meta["digest"] for name, meta in metas.items() if "digest" in meta},
    )


def _files(paths: DirectionPaths, names: tuple[str, ...], kind: str) -> dict[str, Path]:
    """The files of these names; instead of a folder its files, of graphs those with this kind of edges."""
    files = {name: getattr(paths, name) for name in names}
    folder = files.pop("graphs", None)
    if folder is not None:
        named = zip(GRAPHS, GRAPH_FILES[kind], strict=bool(GRAPH_FILES[kind]))
        files |= {f"{name}_graph": folder / f"{file}.parquet" for name, file in named}
    folder = files.pop("personas", None)
    return files | (persona_files(folder) if folder is not None else {})


def _stage(name: str) -> str:
    """The stage that writes a table."""
    stages = {"embeddings": "encode", "agnostic": "semantics", "split": "split"} | {
        name: name for name in PERSONA_FILES
    }
    return stages.get(name, "graph" if name.endswith("_graph") else "preprocess")


def metadata(path: Path) -> dict[str, str]:
    """The metadata of a table without its rows; a UserError for a file that cannot be read."""
    try:
        found = pq.read_metadata(path).metadata or {}
    except (OSError, pa.ArrowInvalid) as error:
        raise UserError(f"{path}: cannot be read as a table: {error}") from error
    return {key.decode(): value.decode() for key, value in found.items() if key != b"ARROW:schema"}


def check_same(path: Path, meta: Mapping[str, Any], wanted: Mapping[str, Any], names: tuple[str, ...]) -> None:
    """Raise a UserError if a file's metadata name another release, scenario or direction than the split's."""
    for name in names:
        if name in meta and name in wanted and meta[name] != wanted[name]:
            raise UserError(f"{path}: its {name} is '{meta[name]}', but the split's is '{wanted[name]}'")


def origin(history: History) -> dict[str, str]:
    """Metadata of a history for the tables made with it: scenario, direction, share of cold users."""
    return {
        name: value for name, value in history.meta.items() if name != "digest" and not name.startswith("made_from_")
    }


def load_text(path: Path, items: int) -> torch.Tensor:
    """(items, width) text vectors by item; a UserError if items are missing or a number is not finite."""
    table, _ = tables.read(path, "embeddings")
    if not np.array_equal(table["item"].to_numpy(), np.arange(items)):
        raise UserError(f"{path}: its items are not the scenario's {items} items in order; run stage encode again")
    vectors = tables.matrix(table["vector"]).copy()
    if not np.isfinite(vectors).all():
        item = int(np.flatnonzero(~np.isfinite(vectors).all(1))[0])
        raise UserError(f"{path}: the vector of item {item} is not finite; run stage encode again")
    return torch.from_numpy(vectors)


def load_semantics(path: Path, items: int) -> Semantics:
    """The assignments as a membership matrix; an item without one in a category is in its unknown subcategory."""
    table, _ = tables.read(path, "agnostic")
    item = table["item"].to_numpy()
    if not len(item):
        raise UserError(f"{path}: contains no assignment; run semantics again")
    if item.min() < 0 or item.max() >= items:
        wrong = item.min() if item.min() < 0 else item.max()
        raise UserError(f"{path}: assigns item {wrong}, the scenario has {items} items; run semantics again")
    category, subcategory = (_encoded(table[name]) for name in ("category", "subcategory"))
    blocks = []
    for number in range(category.max() + 1):
        chosen = category == number
        columns = np.unique(subcategory[chosen], return_inverse=True)[1]
        block = np.zeros((items, columns.max() + 2), np.float32)
        block[item[chosen], columns + 1] = 1
        block[:, 0] = block.sum(1) == 0
        blocks.append(block / block.sum(1, keepdims=True))
    return Semantics(tuple(block.shape[1] for block in blocks), torch.from_numpy(np.concatenate(blocks, 1)))


def _encoded(column: pa.ChunkedArray) -> np.ndarray:
    """Numbers of the names in alphabetical order."""
    return np.unique(column.to_numpy(zero_copy_only=False).astype(str), return_inverse=True)[1]


def _load_graphs(files: Mapping[str, Path], history: History) -> dict[str, torch.Tensor]:
    """The graphs among the files, by name; a UserError if the nodes of one are other items or users."""
    source, target = len(history.source_items), len(history.target_items)
    nodes, graphs = {"source": source, "target": target, "mixed": source + target + history.users}, {}
    for name, wanted in nodes.items():
        if (path := files.get(f"{name}_graph")) is not None:
            graphs[name] = load_graph(path)
            if len(graphs[name]) != wanted:
                raise UserError(f"{path}: has {len(graphs[name])} nodes instead of {wanted}; run stage graph again")
    return graphs


def load_graph(path: Path) -> torch.Tensor:
    """A stored normalised adjacency as a sparse CSR tensor (nodes, nodes); a UserError for rows out of order."""
    table, meta = tables.read(path, "adjacency")
    if "nodes" not in meta:
        raise UserError(f"{path}: does not say how many nodes it has; run stage graph again")
    nodes = int(meta["nodes"])
    begins = np.searchsorted(table["row"].to_numpy(), np.arange(nodes + 1)).astype(np.int32)
    column, weight = (table[name].to_numpy().copy() for name in ("column", "weight"))
    if not np.isfinite(weight).all():
        raise UserError(f"{path}: a weight is not finite; run stage graph again")
    try:
        rows, columns, values = (torch.from_numpy(part) for part in (begins, column, weight))
        return csr(rows, columns, values, (nodes, nodes))
    except RuntimeError as error:
        raise UserError(f"{path}: is not a sorted adjacency of {nodes} nodes; run stage graph again") from error

"""Visibility `none`: the history and the graphs of a direction as if no user had a source event.

Users, target events, their roles, items and candidates stay the same, so that ranks can be compared user by user.
"""

import numpy as np
import torch

from semacdr.data.history import History
from semacdr.errors import UserError
from semacdr.models.sparse import csr


def without_source(history: History) -> History:
    """The history without its source events; its items are the same."""
    return history.keeping(history.is_target)


def graphs_without_source(graphs: dict[str, torch.Tensor], history: History, kind: str) -> dict[str, torch.Tensor]:
    """The graphs (`semacdr.stages.graph`) as if no user had a source event.

    A source item keeps only its self-loop. A UserError for `kind` sequence with a graph of both domains: which target
    events would follow each other cannot be read from it.
    """
    if kind == "sequence":
        raise UserError(
            "graph: sequence cannot be had with visibility: none: in the stored graph of the mixed sequence a source "
            "event separates target events; choose another graph"
        )
    found = dict(graphs)
    if "source" in graphs:
        found["source"] = _self_loops(graphs["source"])
    if "mixed" in graphs:
        found["mixed"] = _without_nodes(graphs["mixed"], history.source_items)
    return found


def _self_loops(graph: torch.Tensor) -> torch.Tensor:
    """D^-1/2 (A + I) D^-1/2 of a graph with the same nodes and no edge: the identity."""
    nodes = torch.arange(len(graph) + 1, dtype=graph.crow_indices().dtype)
    return csr(nodes, nodes[:-1], graph.values().new_ones(len(graph)), (len(graph), len(graph)))


def _without_nodes(graph: torch.Tensor, nodes: range) -> torch.Tensor:
    """D^-1/2 (A + I) D^-1/2 of a graph with binary edges, without the edges of some nodes."""
    begins, column = graph.crow_indices().numpy(), graph.col_indices().numpy()
    row = np.repeat(np.arange(len(graph)), np.diff(begins))
    own = [(ends >= nodes.start) & (ends < nodes.stop) for ends in (row, column)]
    kept = (row == column) | ~(own[0] | own[1])
    row, column = row[kept], column[kept]
    degree = np.bincount(row, minlength=len(graph)).astype(np.float64)
    weight = torch.from_numpy(1 / np.sqrt(degree[row] * degree[column])).to(graph.values().dtype)
    rows = np.searchsorted(row, np.arange(len(graph) + 1)).astype(begins.dtype)
    return csr(torch.from_numpy(rows), torch.from_numpy(column.copy()), weight, (len(graph), len(graph)))

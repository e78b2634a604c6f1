"""Sparse CSR tensors without torch's beta warning, and the graph of users and items."""

import warnings

import numpy as np
import torch

from semacdr.data.history import History


def csr(rows: torch.Tensor, columns: torch.Tensor, values: torch.Tensor, size: tuple[int, int]) -> torch.Tensor:
    """The sparse CSR tensor with the entries rows[i] to rows[i + 1] in row i; a RuntimeError if invalid."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Sparse CSR tensor support is in beta")
        return torch.sparse_csr_tensor(rows, columns, values, size, check_invariants=True)


def bipartite(history: History) -> torch.Tensor:
    """`user_item_graph` of the training events of both domains; items of the scenario, then the users."""
    items, training = len(history.source_items) + len(history.target_items), history.training()
    return user_item_graph(history.item[training], history.user()[training], items, history.users)


def user_item_graph(item: np.ndarray, user: np.ndarray, items: int, users: int) -> torch.Tensor:
    """D^-1/2 A D^-1/2 (items and users, items and users) of events (E,) of items and users, without self-loops.

    The items come first, then the users; an edge is binary. A node without an event has no edge.
    """
    nodes, item_nodes, user_nodes = items + users, torch.from_numpy(item), torch.from_numpy(user + items)
    edges = torch.unique(torch.cat([item_nodes * nodes + user_nodes, user_nodes * nodes + item_nodes]))
    rows, columns = edges // nodes, edges % nodes
    degree = torch.bincount(rows, minlength=nodes).double()
    values = (degree[rows] * degree[columns]).rsqrt().float()
    begins = torch.searchsorted(rows, torch.arange(nodes + 1))
    return csr(begins.int(), columns.int(), values, (nodes, nodes))

"""Sparse CSR tensors, made without the notes that torch prints at each first use of them."""

import warnings

import torch


def csr(rows: torch.Tensor, columns: torch.Tensor, values: torch.Tensor, size: tuple[int, int]) -> torch.Tensor:
    """The sparse CSR tensor whose row i holds the entries rows[i] to rows[i + 1]; a broken layout is an error."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Sparse CSR tensor support is in beta")
        return torch.sparse_csr_tensor(rows, columns, values, size, check_invariants=True)

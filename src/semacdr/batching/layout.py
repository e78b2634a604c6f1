"""Layouts for attention over packed sequences: sequences of similar length are padded together.

Everything else in a model works on packed (tokens, d) tensors without padding. Only attention needs rectangles, and a
single one as long as the longest history would be mostly padding: histories have 10 to 25 events on average.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch

WIDTHS = np.array([4, 8, 16, 32, 64, 128, 256, 512, 1024])


@dataclass(frozen=True)
class Layout:
    """The indices that turn packed queries and keys into rectangles, one for each bucket, and the results back."""

    shapes: tuple[tuple[int, int, int], ...]  # by bucket: rows b, longest query sequence Lq, longest keys Lk
    query: torch.Tensor  # (sum of b * Lq,) packed index of each query; padding repeats a token, its results are dropped
    key: torch.Tensor  # (sum of b * Lk,) packed index of each key
    restore: torch.Tensor  # (tokens,) place of each query token in the flattened rectangles


class Upload:
    """Integer arrays that are copied to the device together; each `add` returns a function that returns its tensor."""

    def __init__(self) -> None:
        self.arrays: list[np.ndarray] = []
        self.size = 0
        self.tensor: torch.Tensor | None = None

    def add(self, array: np.ndarray) -> Callable[[], torch.Tensor]:
        """Add an array. After `send`, the returned function returns it as an int32 tensor on the device."""
        begin, self.size = self.size, self.size + array.size

        def sent() -> torch.Tensor:
            assert self.tensor is not None
            return self.tensor[begin : begin + array.size].view(array.shape)

        self.arrays.append(array.ravel())
        return sent

    def send(self, device: torch.device) -> None:
        """Copy all arrays to the device."""
        flat = np.concatenate(self.arrays, dtype=np.int32, casting="unsafe") if self.arrays else np.zeros(0, np.int32)
        tensor, self.arrays = torch.from_numpy(flat), []
        if device.type == "cuda":  # only copies from pinned memory are asynchronous
            tensor = tensor.pin_memory()
        self.tensor = tensor.to(device, non_blocking=True)


def plan_layout(upload: Upload, queries: np.ndarray, keys: np.ndarray | None = None) -> Callable[[], Layout]:
    """Plan the layout of a batch from the lengths (rows,) of its query sequences, and of other key sequences.

    Returns a function that returns the Layout once `upload` has been sent. Rows without a query are left out.
    """
    keys = queries if keys is None else keys
    query_start, key_start = np.cumsum(queries) - queries, np.cumsum(keys) - keys
    rows = np.flatnonzero(queries)
    group = np.searchsorted(WIDTHS, np.maximum(queries[rows], keys[rows]))
    shapes, query_parts, key_parts, restore, base = [], [], [], np.empty(queries.sum(), np.int64), 0
    for width in np.unique(group):
        members = rows[group == width]
        query, real = _rectangle(query_start[members], queries[members])
        key = query if keys is queries else _rectangle(key_start[members], keys[members])[0]
        restore[query[real]] = base + np.flatnonzero(real)
        base += query.size
        shapes.append((len(members), query.shape[1], key.shape[1]))
        query_parts.append(query.ravel())
        key_parts.append(key.ravel())
    none = [np.zeros(0, np.int64)]
    sent_query = upload.add(np.concatenate(query_parts or none))
    sent_key = sent_query if keys is queries else upload.add(np.concatenate(key_parts or none))
    sent_restore = upload.add(restore)
    return lambda: Layout(tuple(shapes), sent_query(), sent_key(), sent_restore())


def _rectangle(start: np.ndarray, lengths: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Packed indices (rows, longest) and which of them are real; padding repeats the sequence's first token."""
    position = np.arange(lengths.max())
    real = position < lengths[:, None]
    return start[:, None] * (lengths > 0)[:, None] + position * real, real

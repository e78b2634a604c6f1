"""The next item of each event in a training batch: labels of losses over more events than the target steps."""

import torch

from semacdr.batching.batches import Batch, Sequence


def is_followed(sequence: Sequence) -> torch.Tensor:
    """(N,) bool: the tokens that are not the last one of their row."""
    return sequence.positions + 1 < sequence.lengths[sequence.row]


def next_item_labels(batch: Batch, target: range) -> torch.Tensor:
    """(N_m,) the item after each mixed event, numbered in the scenario; after a row's last event, the positive."""
    ends = batch.mixed.lengths.cumsum(0) - 1
    return batch.mixed.items.roll(-1).index_copy(0, ends, batch.positives[batch.last] + target.start)


def followed_by(following: torch.Tensor, items: range) -> torch.Tensor:
    """(n,) the places at which the next item (N,) is one of `items`."""
    return ((following >= items.start) & (following < items.stop)).nonzero()[:, 0]

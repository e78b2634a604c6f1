"""The batch that every model reads: packed sequences of target, source and mixed events, on the device.

Several batches are planned on the host, from lengths only, and copied to the device together; batches are slices of
this copy. The next batches are planned while a GPU works on these, and memory never holds the plans of a whole epoch.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from semacdr.batching.layout import Layout, Upload, plan_layout
from semacdr.batching.negatives import NegativeSampler, SharedNegatives
from semacdr.batching.windows import BLANK, Ragged, Windows

PLANNED = 16  # batches at a time
Sampler = NegativeSampler | SharedNegatives


@dataclass(frozen=True)
class Sequence:
    """The packed sequences of a batch's rows: N tokens in total, each row's in order of time."""

    items: torch.Tensor  # (N,) int32; BLANK where no event precedes a target step, see semacdr.models.layers.embed
    positions: torch.Tensor  # (N,) int32, from 0 at the first event of the window
    row: torch.Tensor  # (N,) int32, the row of the batch
    lengths: torch.Tensor  # (B,) int32, 0 for a row without events
    layout: Layout  # for causal self-attention
    blank: bool = False  # whether an item is blank; in training only with first steps (semacdr.batching.windows)


@dataclass(frozen=True)
class Batch:
    """B users. The step of each of the N_t target tokens predicts the next target event from the events before it."""

    users: torch.Tensor  # (B,) int32
    target: Sequence  # items numbered within the target domain
    source: Sequence  # items numbered within the source domain
    mixed: Sequence  # items numbered within the scenario
    positives: torch.Tensor  # (N_t,) int32, the next target item
    negatives: torch.Tensor  # (N_t, k) int32, not among the user's training items; k = 0 when evaluating
    source_visible: torch.Tensor  # (N_t,) int32, how many of the row's source tokens precede the positive
    mixed_last: torch.Tensor  # (N_t,) int32, token of `mixed` just before the positive plus 1; 0 if there is none
    target_place: torch.Tensor  # (N_t,) int32, token of `mixed` of the same event plus 1; 0 if there is none
    source_place: torch.Tensor  # (N_s,) int32, the same for source tokens
    target_before: torch.Tensor  # (N_s,) int32, how many of the row's target tokens precede each source token
    cross: Layout  # target tokens as queries, source tokens as keys
    last: torch.Tensor  # (B,) int32, each row's last target token
    source_items: torch.Tensor  # the distinct source items of the batch, at most `distinct` of them
    target_items: torch.Tensor  # the distinct target items of the batch, positives included, at most `distinct`


class Batches:
    """Batches over the rows of some windows: shuffled for training, in order for evaluation."""

    def __init__(self, windows: Windows, batch_size: int, device: torch.device, distinct: int = 0) -> None:
        self.windows, self.batch_size, self.device, self.distinct = windows, batch_size, device, distinct

    def shuffled(self, rng: np.random.Generator, sampler: Sampler) -> Iterator[Batch]:
        """Yield the batches of one epoch: every row once in random order, with fresh negatives."""
        return self._batches(rng.permutation(len(self.windows.users)), rng, sampler)

    def ordered(self) -> Iterator[Batch]:
        """Yield every row once, in order, without negatives."""
        return self._batches(np.arange(len(self.windows.users)), None, None)

    def __len__(self) -> int:
        return -(-len(self.windows.users) // self.batch_size)

    def _batches(self, order: np.ndarray, rng: np.random.Generator | None, sampler: Sampler | None) -> Iterator[Batch]:
        parts = [order[begin : begin + self.batch_size] for begin in range(0, len(order), self.batch_size)]
        for begin in range(0, len(parts), PLANNED):
            upload = Upload()
            planned = [self._plan(upload, rows, rng) for rows in parts[begin : begin + PLANNED]]
            upload.send(self.device)
            for plan in planned:
                yield self._batch(plan, sampler)

    def _plan(self, upload: Upload, rows: np.ndarray, rng: np.random.Generator | None) -> dict[str, Any]:
        """The fields of one batch, each as a function that returns its tensor after the upload."""
        windows = self.windows
        plan: dict[str, Any] = {}
        taken: dict[str, np.ndarray] = {}
        lengths: dict[str, np.ndarray] = {}
        items: dict[str, np.ndarray] = {}
        for name in ("target", "source", "mixed"):
            ragged: Ragged = getattr(windows, name)
            lengths[name], taken[name] = ragged.take(rows)
            items[name] = ragged.values[taken[name]]
            plan[name] = self._plan_sequence(upload, items[name], lengths[name])
        steps = taken["target"]
        mixed_start = np.cumsum(lengths["mixed"]) - lengths["mixed"]

        def token(position: np.ndarray, of: str) -> np.ndarray:
            """Tokens plus 1 from positions in the mixed window; 0 for a negative position."""
            return np.where(position < 0, 0, np.repeat(mixed_start, lengths[of]) + position + 1)

        positives = windows.positives[steps]
        target_items = np.append(items["target"], positives)
        return plan | {
            "users": upload.add(windows.users[rows]),
            "positives": upload.add(positives),
            "source_visible": upload.add(windows.source_visible[steps]),
            "mixed_last": upload.add(token(windows.mixed_last[steps], "target")),
            "target_place": upload.add(token(windows.target_place[steps], "target")),
            "source_place": upload.add(token(windows.source_place[taken["source"]], "source")),
            "target_before": upload.add(windows.target_before[taken["source"]]),
            "cross": plan_layout(upload, lengths["target"], lengths["source"]),
            "last": upload.add(np.cumsum(lengths["target"]) - 1),
            "source_items": upload.add(self._distinct(items["source"], rng)),
            "target_items": upload.add(self._distinct(target_items, rng)),
        }

    def _plan_sequence(self, upload: Upload, items: np.ndarray, lengths: np.ndarray) -> dict[str, Any]:
        start, blank = np.repeat(np.cumsum(lengths) - lengths, lengths), bool((items == BLANK).any())
        return {
            "items": upload.add(items),
            "positions": upload.add(np.arange(len(items)) - start),
            "row": upload.add(np.repeat(np.arange(len(lengths)), lengths)),
            "lengths": upload.add(lengths),
            "layout": plan_layout(upload, lengths),
            "blank": lambda: blank,
        }

    def _distinct(self, items: np.ndarray, rng: np.random.Generator | None) -> np.ndarray:
        if rng is None or not self.distinct:
            return items[:0]
        items = np.unique(items)
        return items if len(items) <= self.distinct else rng.choice(items, self.distinct, replace=False)

    def _batch(self, plan: dict[str, Any], sampler: Sampler | None) -> Batch:
        given: dict[str, Any] = {
            name: Sequence(**{part: get() for part, get in value.items()}) if isinstance(value, dict) else value()
            for name, value in plan.items()
        }
        users = torch.index_select(given["users"], 0, given["target"].row)
        negatives = sampler.draw(users) if sampler else users.new_zeros(len(users), 0)
        return Batch(**given, negatives=negatives)

"""Score the target catalogue for queries, and pick the best items."""

import dataclasses
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import torch

from semacdr.batching.batches import Batch, Batches
from semacdr.batching.windows import evaluation_windows
from semacdr.errors import UserError
from semacdr.serving.queries import Queries
from semacdr.training.trained import Trained
from semacdr.training.visibility import without_source

VALUES = 1 << 26  # scores at a time: 512 MB


@dataclass(frozen=True)
class Scorer:
    """A trained model that scores queries in batches; what all batches share is computed once."""

    trained: Trained
    batch_size: int = 512  # at most; fewer if the scores of a batch would need more than VALUES

    @cached_property
    def prepared(self) -> Any:
        """What the model computes once for all batches."""
        with torch.inference_mode():
            return self.trained.model.prepare()

    def batches(self, queries: Queries) -> Iterator[tuple[slice, Batch]]:
        """The rows of each batch, and the batch, in the order of the queries."""
        training = self.trained.system.training
        size = max(1, min(self.batch_size, VALUES // max(1, len(queries.history.target_items))))
        history = queries.history if training.visibility != "none" else without_source(queries.history)
        windows = evaluation_windows(history, "test", training.max_length, training.visibility)
        windows = dataclasses.replace(windows, users=queries.users)
        for number, batch in enumerate(Batches(windows, size, self.trained.device).ordered()):
            yield slice(number * size, min((number + 1) * size, len(queries.users))), batch

    @torch.inference_mode()
    def scores(self, queries: Queries, keep_seen: bool = True) -> Iterator[tuple[slice, torch.Tensor]]:
        """By batch its rows and the scores (rows, target items); without `keep_seen`, those of seen items are -inf.

        A UserError if a score is not finite.
        """
        for rows, batch in self.batches(queries):
            scores = self.trained.model.scores(self.prepared, batch)
            if not torch.isfinite(scores).all():
                raise UserError("a score is not finite: training diverged; lower the learning rate and train again")
            if not keep_seen:
                lengths, taken = queries.seen.take(np.arange(rows.start, rows.stop))
                row = torch.from_numpy(np.repeat(np.arange(len(lengths)), lengths))
                places = row.to(scores.device), torch.from_numpy(queries.seen.values[taken]).to(scores.device)
                scores = scores.index_put(places, scores.new_full((), -torch.inf))
            yield rows, scores

    def top(self, queries: Queries, count: int, keep_seen: bool = False) -> tuple[np.ndarray, np.ndarray]:
        """The `count` best items and their scores, (queries, count) each, the best first.

        Items are numbered within the target domain. Of equal scores the item with the smaller number comes first. With
        fewer than `count` items left, the scores at the end are -inf.
        """
        found = [top_of(scores, count) for _, scores in self.scores(queries, keep_seen)]
        if not found:
            return np.zeros((0, count), np.int64), np.zeros((0, count))
        items, scores = zip(*found, strict=True)
        return np.concatenate(items), np.concatenate(scores)

    @torch.inference_mode()
    def user_vectors(self, queries: Queries) -> np.ndarray:
        """(queries, d) float32: the states whose inner products with `item_vectors` are the scores."""
        model = self._with_vectors()
        parts = [
            model.states(self.prepared, batch).index_select(0, batch.last).float() for _, batch in self.batches(queries)
        ]
        return torch.cat(parts).cpu().numpy()

    @torch.inference_mode()
    def item_vectors(self) -> np.ndarray:
        """(target items, d) float32; a UserError for a model whose scores are no inner products."""
        return self._with_vectors().item_vectors(self.prepared).float().cpu().numpy()

    def _with_vectors(self) -> Any:
        model = self.trained.model
        if not model.scores_are_inner_products:
            name = self.trained.system.name
            raise UserError(f"{name} has no user and item vectors: its scores are not inner products")
        return model


def top_of(scores: torch.Tensor, count: int) -> tuple[np.ndarray, np.ndarray]:
    """The `count` best columns of each row and their scores; of equal scores the smaller column comes first.

    `topk` is several times faster than a sort of all columns, but leaves ties in any order. So rows in which the last
    kept score ties with one that is not kept are sorted, and the kept ones are put in order.
    """
    kept = min(count, scores.shape[1])
    best = torch.topk(scores, min(kept + 1, scores.shape[1]), dim=1)
    columns = best.indices[:, :kept].sort(dim=1).values
    values = scores.gather(1, columns)
    order = torch.sort(values, dim=1, descending=True, stable=True)
    columns, values = columns.gather(1, order.indices), order.values
    if best.values.shape[1] > kept:
        tied = best.values[:, kept - 1] == best.values[:, kept]
        if tied.any():
            whole = torch.sort(scores[tied], dim=1, descending=True, stable=True)
            columns[tied], values[tied] = whole.indices[:, :kept], whole.values[:, :kept]
    return columns.cpu().numpy(), values.cpu().numpy()

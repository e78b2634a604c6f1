"""The rank of each user's positive, among the whole target catalogue and among the stored candidates.

Rank = 1 + #(higher scores) + 1/2 #(ties), the expected rank if ties are broken at random. Full ranking leaves out the
user's earlier target items, including those that are hidden from the models: so a cold user's positive is ranked among
the same items as without hiding. A score that is not finite is an error.
"""

import numpy as np
import torch

from semacdr.batching.batches import Batches
from semacdr.batching.windows import Ragged, evaluation_windows
from semacdr.data.history import History
from semacdr.errors import UserError
from semacdr.models.base import Model


def ranks_of(scores: torch.Tensor, positive: torch.Tensor) -> torch.Tensor:
    """(B,) float64 ranks from the scores (B, n) of others (-inf: not a candidate) and of the positive (B,)."""
    above = (scores > positive[:, None]).sum(1)
    ties = (scores == positive[:, None]).sum(1)
    return 1 + above.double() + ties.double() / 2


class Ranker:
    """Ranks the positives of one split ('valid' or 'test') for all users with one, in batches on a device."""

    def __init__(
        self,
        history: History,
        split: str,
        max_length: int,
        batch_size: int,
        device: torch.device,
        candidates: np.ndarray | None = None,
        visibility: str = "causal",
    ) -> None:
        """`candidates` (users, negatives): the stored negatives, numbered within the target domain; None: full only."""
        self.split, self.device = split, device
        windows = evaluation_windows(history, split, max_length, visibility)
        self.batches = Batches(windows, batch_size, device)
        users, last = history.ranked(split)
        positives, end = np.zeros(history.users, np.int64), history.start[:-1].copy()
        positives[users], end[users] = history.item[last] - history.target_items.start, last
        self.positives = torch.from_numpy(positives).to(device)
        earlier = history.is_target & (np.arange(len(history.item)) < np.repeat(end, np.diff(history.start)))
        user = np.append(history.user()[earlier], history.hidden[0])
        items = np.append(history.item[earlier], history.hidden[1]) - history.target_items.start
        counts = np.bincount(user, minlength=history.users)
        excluded = Ragged(items[np.argsort(user, kind="stable")], np.append(0, np.cumsum(counts)))
        lengths, taken = excluded.take(windows.users)
        self.earlier = self._by_batch(lengths, taken, excluded.values, batch_size)
        self.candidates = None if candidates is None else torch.from_numpy(candidates).to(device).long()

    @torch.no_grad()
    def rank(self, model: Model, learned: bool = False) -> dict[str, np.ndarray]:
        """By ranking ('full', and 'sampled' where there are candidates) the ranks float64 of the users of the split.

        With `learned`, by the scores that training improves (`Model.learned_scores`).
        """
        model.eval()
        size, total, prepared = self.batches.batch_size, len(self.batches.windows.users), model.prepare()
        # Allocated first: otherwise the results of each batch would fragment memory between large blocks.
        found = {name: torch.empty(total, dtype=torch.float64, device=self.device) for name in ("full", "sampled")}
        finite = torch.empty(total, dtype=torch.bool, device=self.device)
        for number, (batch, earlier) in enumerate(zip(self.batches.ordered(), self.earlier, strict=True)):
            rows, users = slice(number * size, (number + 1) * size), batch.users.long()
            scores = (model.learned_scores if learned else model.scores)(prepared, batch)
            finite[rows] = torch.isfinite(scores).all(1)
            positive = scores.gather(1, self.positives[users, None])
            if self.candidates is not None:
                found["sampled"][rows] = ranks_of(scores.gather(1, self.candidates[users]), positive[:, 0])
            masked = _without(scores, earlier).scatter_(1, self.positives[users, None], -torch.inf)
            found["full"][rows] = ranks_of(masked, positive[:, 0])
        self._check(finite)  # once, at the end: a check of each batch would make a GPU wait
        names = ("full",) if self.candidates is None else ("full", "sampled")
        return {name: found[name].cpu().numpy() for name in names}

    def _by_batch(
        self, lengths: np.ndarray, taken: np.ndarray, items: np.ndarray, size: int
    ) -> list[tuple[torch.Tensor, torch.Tensor]]:
        """For each batch the places of earlier items in its scores: row and item, on the device."""
        row = np.repeat(np.arange(len(lengths)) % size, lengths)
        bounds = np.append(0, np.cumsum(lengths))
        sizes = np.diff(bounds[np.append(np.arange(0, len(lengths), size), len(lengths))]).tolist()
        parts = (torch.from_numpy(part).to(self.device).split(sizes) for part in (row, items[taken]))
        return list(zip(*parts, strict=True))

    def _check(self, finite: torch.Tensor) -> None:
        if not finite.all():
            user = self.batches.windows.users[int((~finite).nonzero()[0])]
            raise UserError(
                f"{self.split}: a score of user {user} is not finite: training diverged; lower the learning rate"
            )


def _without(scores: torch.Tensor, earlier: tuple[torch.Tensor, torch.Tensor]) -> torch.Tensor:
    """A copy of the scores in which the users' earlier items, given by row and item, are -inf."""
    return scores.index_put(earlier, scores.new_full((), -torch.inf))

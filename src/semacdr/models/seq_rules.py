"""Sequential rules: the items of a user's history vote for the items that followed them in other histories.

Directed pairs of items within a window, weighted by their distance, as SR of Ludewig & Jannach (2018, session-based
recommendation). Nothing is learned. The weight of a rule i → j is the sum of distance^-distance_power over the
training events of j that follow one of i in the same history, at most `window` events later, divided by (training
events of i)^normalisation.

Differences from SR: all events of the history vote, with weight decay^age, and not only the last one; the history may
have the events of both domains; items with the same votes are ordered by popularity.
"""

from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch

from semacdr.batching.batches import Batch
from semacdr.data.history import History
from semacdr.models import base, votes
from semacdr.runtime.settings import Count, NonNegative, Share, setting

INPUTS = ()
LOSS = None
TIE = 1e-6  # what popularity adds at most; votes are of the order of 0.01 to 10


@dataclass(frozen=True)
class Settings:
    """Settings of sequential rules."""

    history: Literal["target", "mixed"] = setting("mixed", "events that vote: of the target, or of both domains")
    window: Count = setting(20, "distance of the two events of a rule, at most; 1 is the next event")
    distance_power: NonNegative = setting(0.5, "a pair of events at distance d adds d^-distance_power to its rule")
    normalisation: NonNegative = setting(0.5, "power of the first item's training events that divides a rule's weight")
    decay: Share = setting(0.6, "weight of an event's votes relative to the next event's; 0: only the last event votes")


class Model(base.Model):
    """The rules by first item, as a sparse matrix (items of the scenario, target items), and popularity."""

    reads_events = True

    begins: torch.Tensor
    after: torch.Tensor
    weights: torch.Tensor
    popularity: torch.Tensor

    def __init__(self, inputs: base.ModelInputs, settings: Settings) -> None:
        super().__init__()
        history = inputs.history
        self.settings, self.target = settings, history.target_items
        before, after, weights = rules(history, settings)
        items = len(history.source_items) + len(self.target)
        self.register_buffer("begins", torch.from_numpy(np.searchsorted(before, np.arange(items + 1))))
        self.register_buffer("after", torch.from_numpy(after.astype(np.int32)))
        self.register_buffer("weights", torch.from_numpy(weights.astype(np.float32)))
        own = history.item[history.training() & history.is_target] - self.target.start
        popularity = np.bincount(own, minlength=len(self.target))
        self.register_buffer("popularity", torch.from_numpy(TIE * popularity / (popularity.max() + 1)).float())

    def scores(self, prepared: None, batch: Batch) -> torch.Tensor:
        """(B, target items) f64: the votes of the user's window, plus at most TIE for popularity."""
        settings = self.settings
        events = votes.events_of(batch, settings.history == "mixed", self.target, settings.decay)
        found = votes.count_votes(events, self.begins, self.after, self.weights, len(self.target))
        return found + self.popularity


def rules(history: History, settings: Settings) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """First item (in the scenario), second item (in the target domain) and weight f64 of each rule, sorted by both."""
    target = history.target_items
    chosen = history.training() & (history.is_target | (settings.history == "mixed"))
    user, item, is_target = (column[chosen] for column in (history.user(), history.item, history.is_target))
    pairs, distances = [np.empty(0, np.int64)], [np.empty(0)]
    for distance in range(1, settings.window + 1):
        same = user[distance:] == user[:-distance]
        if not same.any():
            break  # no history is that long
        first = np.flatnonzero(same & is_target[distance:])
        pairs.append(item[first] * len(target) + item[first + distance] - target.start)
        distances.append(np.full(len(first), float(distance)))
    found, rule = np.unique(np.concatenate(pairs), return_inverse=True)
    weights = np.bincount(rule, np.concatenate(distances) ** -settings.distance_power, len(found))
    before, after = np.divmod(found, len(target))
    return before, after, weights / np.bincount(item)[before] ** settings.normalisation

"""Terms that are added to the scores of a trained model in ranking: sequential rules, and profiles of categories.

Nothing of them is learned, and training does not see them: the rules of the training events contain each training
step's own positive. Validation chooses the epoch without them, so the checkpoint is that of the model without terms.
"""

import torch
from torch import nn

from semacdr.batching.batches import Batch
from semacdr.errors import UserError
from semacdr.models import base, seq_rules, votes

OFFSET = 0.01  # what is added to votes before their logarithm; an item without votes has this much
PROFILE_DECAY = 0.9  # weight of an event in a profile relative to the next event's
PRIOR = 2.0  # events that the catalogue's shares count for in a profile


class ScoreTerms(nn.Module):
    """The weighted sum of the terms whose weight is not zero."""

    def __init__(self, inputs: base.ModelInputs, rules: float, profile: float) -> None:
        """`rules` and `profile`: weights of the terms. A UserError for profiles without the shared categories."""
        super().__init__()
        self.rules_weight, self.profile_weight = rules, profile
        self.rules = seq_rules.Model(inputs, seq_rules.Settings()) if rules else None
        self.profile = CategoryProfile(inputs) if profile else None

    def forward(self, batch: Batch) -> torch.Tensor | float:
        """(B, target items) f64 for the events before each row's last positive; 0 without terms."""
        total: torch.Tensor | float = 0.0
        if self.rules is not None:
            total = total + self.rules_weight * (self.rules.scores(None, batch) + OFFSET).log()
        if self.profile is not None:
            total = total + self.profile_weight * self.profile(batch)
        return total


class CategoryProfile(nn.Module):
    """Whether the user's events of both domains have an item's categories more often than the catalogue's events have.

    In each category, an item's score is the logarithm of the share of its subcategory among the user's events, later
    ones weighing more, over the share among the target domain's training events; the scores of categories are added
    up. An item with several subcategories has their mean, and an unknown one counts nothing.
    """

    membership: torch.Tensor
    shares: torch.Tensor
    category: torch.Tensor
    known: torch.Tensor

    def __init__(self, inputs: base.ModelInputs) -> None:
        super().__init__()
        semantics, history = inputs.semantics, inputs.history
        if semantics is None:
            raise UserError("profiles of categories need the shared categories (agnostic: true)")
        self.target = history.target_items
        sizes = torch.tensor(semantics.sizes)
        membership, category = semantics.membership.double(), torch.repeat_interleave(torch.arange(len(sizes)), sizes)
        events = torch.from_numpy(history.item[history.training() & history.is_target])
        counts = membership[events].sum(0) + 1
        self.register_buffer("membership", membership, persistent=False)
        self.register_buffer("category", category, persistent=False)
        self.register_buffer(
            "shares", counts / torch.zeros(len(sizes)).double().index_add(0, category, counts)[category]
        )
        first = torch.cumsum(sizes, 0) - sizes  # each category's first subcategory is `unknown`
        self.register_buffer("known", torch.ones(len(counts)).double().index_fill(0, first, 0.0), persistent=False)

    def forward(self, batch: Batch) -> torch.Tensor:
        """(B, target items) f64; 0 for a user without events."""
        events = votes.events_of(batch, True, self.target, PROFILE_DECAY)
        own = self.shares.new_zeros(events.rows, len(self.shares))
        own.index_add_(0, events.row, events.weight[:, None].to(own) * self.membership[events.item])
        total = own.new_zeros(events.rows, int(self.category[-1]) + 1).index_add(1, self.category, own)
        share = (own + PRIOR * self.shares) / (total[:, self.category] + PRIOR)
        odds = (share / self.shares).log() * self.known
        return odds @ self.membership[self.target.start : self.target.stop].T

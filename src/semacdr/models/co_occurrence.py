"""How many users have both of two items among their training events."""

import torch

from semacdr.data.history import History
from semacdr.models.sparse import csr


class CoOccurrence:
    """The binary matrix of users and the items of their training events, of the target or of both domains."""

    def __init__(self, history: History, mixed: bool) -> None:
        training = history.training() & (history.is_target | mixed)
        self.users, self.items = history.users, len(history.source_items) + len(history.target_items)
        user, item = torch.from_numpy(history.user()[training]), torch.from_numpy(history.item[training])
        pairs = torch.unique(item * self.users + user)  # sorted by item; a user who repeats an item counts once
        self.user, self.item = pairs % self.users, pairs // self.users
        self.begins = torch.searchsorted(self.item, torch.arange(self.items + 1))
        self.by_item = csr(self.begins, self.user, torch.ones(len(self.user)), (self.items, self.users))

    @property
    def counts(self) -> torch.Tensor:
        """(items,) f32: users who have an item."""
        return self.begins.diff().float()

    def columns(self, begin: int, end: int) -> torch.Tensor:
        """(items, end - begin) f32: users who have an item and one of those from `begin` to `end`."""
        own = slice(self.begins[begin], self.begins[end])
        chosen = torch.zeros(self.users, end - begin)
        chosen[self.user[own], self.item[own] - begin] = 1
        return self.by_item @ chosen

"""Training negatives, drawn on the device: separate for each step and outside the user's training items, or shared."""

import torch

from semacdr.data.history import History


class SharedNegatives:
    """Draws `count` items uniformly from the target catalogue, which all steps of a batch share."""

    def __init__(self, history: History, count: int, seed: int, device: torch.device) -> None:
        self.items, self.count = len(history.target_items), count
        self.generator = torch.Generator(device).manual_seed(seed)

    def draw(self, users: torch.Tensor) -> torch.Tensor:
        """(count,) int32 negatives, independent of the users."""
        return torch.randint(
            self.items, (self.count,), generator=self.generator, device=users.device, dtype=torch.int32
        )


class NegativeSampler:
    """Draws `count` uniform negatives for each step without rejection.

    The r-th item that is not in a user's sorted history h_0 < h_1 < … is r + k, where k is the number of h_j - j <= r;
    so one uniform number and one search give an exactly uniform negative. Only training items are excluded: validation
    and test items must occur as negatives, otherwise the model would learn which items are held out.
    """

    def __init__(self, history: History, count: int, seed: int, device: torch.device) -> None:
        items = len(history.target_items)
        chosen = torch.from_numpy(history.training() & history.is_target)
        user = torch.from_numpy(history.user())[chosen]
        key = torch.unique(user * items + torch.from_numpy(history.item)[chosen] - history.target_items.start)
        sizes = torch.bincount(key // items, minlength=history.users)  # of distinct items: a user may repeat one
        begin = torch.cumsum(sizes, 0) - sizes
        gaps = key - torch.arange(len(key)) + torch.repeat_interleave(begin, sizes)  # user * items + h_j - j
        self.items, self.count = items, count
        self.gaps, self.begin, self.free = gaps.to(device), begin.to(device), (items - sizes).to(device)
        self.generator = torch.Generator(device).manual_seed(seed)

    def draw(self, users: torch.Tensor) -> torch.Tensor:
        """Negatives (len(users), count) int32 for the users (N,) of the steps."""
        users = users.long()[:, None]
        uniform = torch.rand(
            (len(users), self.count), generator=self.generator, device=users.device, dtype=torch.float64
        )
        r = (uniform * self.free[users]).long()
        k = torch.searchsorted(self.gaps, users * self.items + r, right=True) - self.begin[users]
        return (r + k).int()

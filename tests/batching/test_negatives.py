"""Training negatives: never training items of the user, possibly held-out ones, and uniform over the rest."""

import numpy as np
import pytest
import torch
from tiny_dataset import World

from semacdr.batching.negatives import NegativeSampler, SharedNegatives

ITEMS = 10
TRAINED = {0: [0], 1: [2, 3, 7], 2: [9, 0, 1, 5, 6, 8, 4], 3: [4, 5]}  # user 2 has all but 2, 3 and 7
HELD_OUT = {0: [1, 2], 1: [4, 9], 2: [2, 7], 3: [0, 9]}
CRITICAL = {2: 15.2, 6: 24.1, 7: 26.0, 8: 27.9}  # chi-square of p = 0.0005 by degrees of freedom


@pytest.fixture(params=["book", "film"])
def history(request, tmp_path):
    """Users with a history on consecutive days, in either domain; source items that must not matter."""
    target, source = request.param, {"book": "film", "film": "book"}[request.param]
    events = [
        (user, target, item, day)
        for user, items in TRAINED.items()
        for day, item in enumerate([*items, *HELD_OUT[user]])
    ]
    events += [(user, source, item, 0) for user in TRAINED for item in range(user)]
    return World(events, ITEMS, ITEMS, target).history(tmp_path)


def sampler(history, count, seed=1):
    return NegativeSampler(history, count, seed, torch.device("cpu"))


@pytest.mark.parametrize("user", TRAINED)
def test_negatives_are_uniform_over_what_the_user_does_not_train_on(history, user):
    drawn = sampler(history, 4000).draw(torch.tensor([user]))
    counts = np.bincount(drawn.numpy().ravel(), minlength=ITEMS)
    assert len(counts) == ITEMS
    free = np.setdiff1d(np.arange(ITEMS), TRAINED[user])
    assert counts[TRAINED[user]].sum() == 0
    assert set(HELD_OUT[user]) <= set(free)
    expected = 4000 / len(free)
    assert ((counts[free] - expected) ** 2 / expected).sum() < CRITICAL[len(free) - 1]


def test_many_users_in_one_draw_keep_their_own_histories(history):
    users = torch.tensor([2, 0, 3, 1, 2, 2, 0], dtype=torch.int32)
    drawn = sampler(history, 300).draw(users)
    assert (drawn.shape, drawn.dtype) == ((7, 300), torch.int32)
    for user, row in zip(users.tolist(), drawn.tolist(), strict=True):
        assert set(row) == set(range(ITEMS)) - set(TRAINED[user])


def test_rows_of_a_user_are_independent_draws(history):
    one, two = sampler(history, 500).draw(torch.tensor([3, 3])).numpy()
    assert abs(np.mean(one == two) - 1 / 8) < 0.06


def test_a_seed_decides_the_draws(history):
    users = torch.tensor([0, 1, 2, 3])
    first, same, other = (sampler(history, 50, seed) for seed in (5, 5, 6))
    for _ in range(3):
        drawn = first.draw(users)
        assert torch.equal(drawn, same.draw(users))
        assert not torch.equal(drawn, other.draw(users))
    assert not torch.equal(drawn, first.draw(users))


def test_the_ends_of_the_catalogue_are_reached(history, monkeypatch):
    """With the smallest and the largest uniform number the first and the last free item come."""
    for value, pick in ((0.0, min), (1 - 2**-53, max)):
        monkeypatch.setattr(torch, "rand", lambda size, value=value, **_: torch.full(size, value, dtype=torch.float64))
        drawn = sampler(history, 1).draw(torch.tensor([0, 1, 2, 3]))
        free = [pick(set(range(ITEMS)) - set(TRAINED[user])) for user in TRAINED]
        assert drawn[:, 0].tolist() == free


def test_shared_negatives_are_uniform_and_follow_the_seed(history):
    draw = [SharedNegatives(history, 20_000, seed, torch.device("cpu")) for seed in (1, 1, 2)]
    users = torch.zeros(3, dtype=torch.int32)
    first, again, other = (sampler.draw(users) for sampler in draw)
    assert first.shape == (20_000,) and first.dtype == torch.int32
    assert torch.equal(first, again) and not torch.equal(first, other)
    assert not torch.equal(first, draw[0].draw(users))
    counts = np.bincount(first.numpy(), minlength=ITEMS)
    assert len(counts) == ITEMS
    assert ((counts - 2000) ** 2 / 2000).sum() < 29.7  # chi-square of p = 0.0005, 9 degrees of freedom

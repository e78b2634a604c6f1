"""Item-kNN against loops over users and items."""

import numpy as np
import pytest
import torch
from direction_world import build

from semacdr.evaluation.ranks import Ranker


def seen_by(history, user, kind, length):
    """The items of a user's test window, the latest first."""
    own = slice(history.start[user], history.test[user])
    known = history.item[own][history.is_target[own] | (kind == "mixed")]
    return known[-length:][::-1].tolist()  # source events do not shorten the target window


@pytest.mark.parametrize(
    ("kind", "length", "shrinkage", "decay"),
    [("target", 100, 0.0, 1.0), ("mixed", 100, 3.5, 0.7), ("target", 3, 1.0, 0.4), ("mixed", 5, 0.0, 0.0)],
)
def test_scores_sum_the_similarities_of_the_users_items(world, kind, length, shrinkage, decay):
    model, inputs = build(world, "item_knn", history=kind, neighbours=5, shrinkage=shrinkage, decay=decay)
    history = inputs.history
    allowed = history.training() & (history.is_target | (kind == "mixed"))
    users = [set(history.user()[allowed & (history.item == item)]) for item in range(55)]
    similar = np.zeros((55, 55))
    for one in range(55):
        for other in range(55):
            if users[one] and users[other] and one != other:
                root = (len(users[one]) * len(users[other])) ** 0.5
                similar[one, other] = len(users[one] & users[other]) / (root + shrinkage)
    found = model.scores(
        model.prepare(), next(Ranker(history, "test", length, 64, torch.device("cpu")).batches.ordered())
    )
    for item in range(30):
        best = np.sort(similar[item])[::-1][:5]
        assert np.sort(model.similarities[item])[::-1] == pytest.approx(best, abs=1e-5)
        mine = dict(zip(model.neighbours[item].tolist(), model.similarities[item].tolist(), strict=True))
        assert all(value == pytest.approx(similar[item, j], abs=1e-5) for j, value in mine.items())
        for user in range(history.users):
            seen = seen_by(history, user, kind, length)
            expected = sum(decay**age * mine.get(one, 0.0) for age, one in enumerate(seen))
            assert found[user, item].item() == pytest.approx(expected, abs=1e-5)

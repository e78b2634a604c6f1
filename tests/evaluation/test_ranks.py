"""Ranks against a plain count, and which items are not candidates."""

import numpy as np
import pyarrow as pa
import pytest
import torch
from direction_world import build
from hypothesis import given
from hypothesis import strategies as st

from semacdr.errors import UserError
from semacdr.evaluation.candidates import load_candidates
from semacdr.evaluation.measures import hit_rate
from semacdr.evaluation.ranks import Ranker, ranks_of
from semacdr.models import base
from semacdr.storage import tables


class Fixed(base.Model):
    """Scores every user's catalogue by one table (users, items)."""

    def __init__(self, table):
        super().__init__()
        self.table = table

    def scores(self, prepared, batch):
        return self.table[batch.users.long()]


@given(st.lists(st.integers(-3, 3), min_size=1, max_size=30), st.integers(-3, 3))
def test_rank_is_the_expected_place_under_random_tie_breaking(others, positive):
    rank = ranks_of(torch.tensor([others]).double(), torch.tensor([positive]).double()).item()
    above, ties = sum(o > positive for o in others), sum(o == positive for o in others)
    places = range(above + 1, above + ties + 2)
    assert rank == sum(places) / len(places)


@pytest.fixture
def setting(world):
    history = world.model_inputs("popularity").history
    negatives = np.random.default_rng(0).integers(0, 30, (history.users, 10))
    return history, lambda split: Ranker(history, split, 20, 16, torch.device("cpu"), negatives), negatives


@pytest.mark.parametrize("split", ["valid", "test"])
def test_ranks_equal_a_plain_count_over_the_catalogue_without_earlier_items(setting, split):
    history, ranker, negatives = setting
    table = torch.randn(history.users, 30, generator=torch.Generator().manual_seed(1)).round(decimals=1).double()
    found = ranker(split).rank(Fixed(table))
    for user in range(history.users):
        own = slice(history.start[user], {"valid": history.valid, "test": history.test}[split][user])
        earlier = set(history.item[own][history.is_target[own]])
        positive = int(history.item[own.stop])
        others = [i for i in range(30) if i not in earlier and i != positive]
        for ranking, candidates in (("full", others), ("sampled", negatives[user])):
            scores = table[user][candidates]
            expected = 1 + (scores > table[user, positive]).sum() + (scores == table[user, positive]).sum() / 2
            assert found[ranking][user] == expected.item()


def test_an_oracle_is_first_and_a_constant_scorer_is_in_the_middle(setting):
    history, ranker, _ = setting
    oracle = torch.zeros(history.users, 30).double()
    oracle[torch.arange(history.users), torch.from_numpy(history.item[history.test])] = 1
    assert (ranker("test").rank(Fixed(oracle))["full"] == 1).all()
    constant = ranker("test").rank(Fixed(torch.zeros(history.users, 30).double()))
    assert (constant["sampled"] == 6).all() and hit_rate(constant["full"], 10).mean() < 0.5


@pytest.mark.parametrize("users", [[7], [39], [39, 20]])  # of the first batch of 16, and of later ones
def test_a_score_that_is_not_finite_is_an_error_that_names_the_first_user(setting, users):
    history, ranker, _ = setting
    table = torch.zeros(history.users, 30)
    table[users, 3] = torch.nan
    with pytest.raises(UserError, match=f"user {min(users)} "):
        ranker("test").rank(Fixed(table))


def test_popularity_counts_training_events_alone(world):
    model, inputs = build(world, "popularity")
    history = inputs.history
    assert model.counts.sum() == (history.training() & history.is_target).sum()
    items = history.item[history.training() & history.is_target] - history.target_items.start
    assert model.counts.tolist() == np.bincount(items, minlength=len(history.target_items)).tolist()


def candidates_of(world, folder, change, **meta):
    """A copy of the world's candidates with rows changed by `change`."""
    table, found = tables.read(world.folder / "candidates.parquet", "candidates")
    table = table.set_column(3, "negatives", pa.array(change(table["negatives"].to_pylist()), pa.list_(pa.int32())))
    tables.write(table, folder / "candidates.parquet", "candidates", found | meta)
    return folder / "candidates.parquet"


@pytest.mark.parametrize(
    ("change", "meta", "message"),
    [
        (lambda rows: rows, {"scenario": "large"}, "its scenario is 'large', but the split's is 'small'"),
        (lambda rows: rows, {"source": "book"}, "its source is 'book', but the split's is 'movie'"),
        (lambda rows: rows, {"made_from_split": "0"}, "was made from another split table"),
        (lambda rows: [[40, *row[1:]] for row in rows], {}, "a negative is not an item of the target domain"),
        (lambda rows: [rows[0][:-1], *rows[1:]], {}, "users have different numbers of negatives"),
    ],
)
def test_candidates_that_are_none_of_the_split_are_refused(world, tmp_path, change, meta, message):
    history = world.model_inputs("popularity").history
    with pytest.raises(UserError, match=rf"candidates\.parquet: {message}"):
        load_candidates(candidates_of(world, tmp_path, change, **meta), history, "test")

"""Runs at the level of popularity on validation events."""

import pytest

from semacdr.errors import UserError
from semacdr.evaluation.validation import Plateau, read_plateau, read_plateaus, seeds_at_popularity

BEST = {"best_epoch": 2}


def flagged(write_run, best, popularity, **how):
    cost = BEST | {"popularity_valid_ndcg_10": popularity}
    return read_plateau(write_run({1: 1}, cost=cost, epochs=[0.0, best, 0.9], **how))


def test_the_best_epoch_counts_and_it_must_be_clearly_above(write_run):
    assert flagged(write_run, 0.02, 0.021) == Plateau("movie", "book", "1", 0.02, 0.021)
    assert flagged(write_run, 0.024, 0.02) is not None  # 1.2 times
    assert flagged(write_run, 0.0241, 0.02) is None
    assert flagged(write_run, 0.0, 0.0) is not None


def test_baselines_without_training_and_runs_that_do_not_know_popularity_have_none(write_run):
    assert flagged(write_run, 0.02, 0.03, loss=None) is None
    assert read_plateau(write_run({1: 1}, cost=BEST, epochs=[0.0, 0.0])) is None


@pytest.mark.parametrize("wrong", ["0.1", True, None, float("nan")])
def test_a_value_that_is_no_number_is_refused(write_run, wrong):
    with pytest.raises(UserError, match=r"seed1/cost\.json: popularity_valid_ndcg_10 must be a number"):
        flagged(write_run, 0.1, wrong)


def test_a_history_without_the_best_epoch_is_refused(write_run):
    folder = write_run({1: 1}, cost={"best_epoch": 5, "popularity_valid_ndcg_10": 0.1}, epochs=[0.1])
    with pytest.raises(UserError, match=r"history\.tsv has no epoch 5"):
        read_plateau(folder)


def test_seeds_of_a_direction(write_run):
    cost = BEST | {"popularity_valid_ndcg_10": 0.5}
    low = [write_run({1: 1}, cost=cost, epochs=[0, 0.1], seed=seed) for seed in "13"]
    back = write_run({1: 1}, cost=cost, epochs=[0, 0.1], source="book", target="movie")
    found = read_plateaus([*low, *low, back, write_run({1: 1}, cost=cost, epochs=[0, 0.61], seed="2")])
    assert seeds_at_popularity(found, "movie", "book") == "1, 3"
    assert seeds_at_popularity(found, "book", "movie") == "1"
    assert seeds_at_popularity(found, "book", "food") is None

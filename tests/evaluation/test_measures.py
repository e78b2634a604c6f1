"""The measures: values by hand, properties, and two independent oracles."""

from math import log2

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import ndcg_score

from semacdr.evaluation.bounds import broken_bound
from semacdr.evaluation.measures import hit_rate, ndcg, reciprocal_rank

steady = settings(deadline=None)  # a busy machine must not fail the test
whole_ranks = st.lists(st.integers(1, 101), min_size=1, max_size=60)
half_ranks = st.lists(st.integers(2, 202).map(lambda twice: twice / 2), min_size=1, max_size=60)
scores_without_ties = st.lists(st.integers(-1000, 1000), min_size=2, max_size=40, unique=True)
scores_with_ties = st.lists(st.integers(0, 3), min_size=1, max_size=12)


def rank_of_first(scores):
    others = np.asarray(scores[1:])
    return 1 + np.sum(others > scores[0]) + np.sum(others == scores[0]) / 2


# values by hand


def test_hit_rate_by_hand():
    assert hit_rate([1, 5, 5.5, 6, 10, 10.5, 11], 5).tolist() == [1, 1, 0, 0, 0, 0, 0]
    assert hit_rate([1, 5, 5.5, 6, 10, 10.5, 11], 10).tolist() == [1, 1, 1, 1, 1, 0, 0]


def test_ndcg_by_hand():
    expected = [1.0, 0.7564707974, 0.6309297536, 0.5, 0.4306765581, 0.0, 0.0]
    assert ndcg([1, 1.5, 2, 3, 4, 4.5, 5], 4) == pytest.approx(expected, abs=1e-10)


def test_reciprocal_rank_by_hand():
    assert reciprocal_rank([1, 1.5, 2, 4, 1000]) == pytest.approx([1, 2 / 3, 0.5, 0.25, 0.001])


def test_the_arrays_are_float64_one_value_per_user():
    for values in (hit_rate([1, 2], 1), ndcg([1, 2], 1), reciprocal_rank([1, 2]), hit_rate([], 1)):
        assert values.dtype == np.float64
    assert hit_rate([], 5).shape == ndcg([], 5).shape == reciprocal_rank([]).shape == (0,)


@pytest.mark.parametrize("rank", [0.5, 0, -1, np.nan, np.inf, -np.inf])
def test_a_rank_that_is_none_is_refused(rank):
    for measure in (lambda r: hit_rate(r, 5), lambda r: ndcg(r, 5), reciprocal_rank):
        with pytest.raises(ValueError, match="1 are not"):
            measure([1.0, rank])


@pytest.mark.parametrize("measure", [hit_rate, ndcg])
def test_a_cutoff_below_one_is_refused(measure):
    with pytest.raises(ValueError, match="cut-off"):
        measure([1.0], 0)


# oracles


@steady
@given(scores_without_ties, st.integers(1, 45))
def test_a_loop_down_the_sorted_list_agrees(scores, k):
    hit = gain = reciprocal = 0.0
    for position, index in enumerate(sorted(range(len(scores)), key=lambda i: -scores[i]), 1):
        if index == 0:  # the first candidate is the relevant one
            reciprocal = 1 / position
            if position <= k:
                hit, gain = 1.0, 1 / log2(1 + position)
    rank = [rank_of_first(scores)]
    assert hit_rate(rank, k)[0] == hit
    assert ndcg(rank, k)[0] == pytest.approx(gain)
    assert reciprocal_rank(rank)[0] == pytest.approx(reciprocal)


@steady
@given(scores_with_ties)
def test_the_rank_is_the_mean_position_over_all_tie_breaks(scores):
    """The measure of the mean position is between those of the best and the worst tie break."""
    above = sum(score > scores[0] for score in scores[1:])
    positions = [above + slot for slot in range(1, scores.count(scores[0]) + 1)]
    rank = rank_of_first(scores)
    assert rank == np.mean(positions)
    assert ndcg([max(positions)], 5) <= ndcg([rank], 5) <= ndcg([min(positions)], 5)
    assert hit_rate([max(positions)], 5) <= hit_rate([rank], 5) <= hit_rate([min(positions)], 5)


@steady
@given(scores_without_ties, st.integers(1, 45))
def test_scikit_learn_agrees(scores, k):
    relevant = np.zeros((1, len(scores)))
    relevant[0, 0] = 1
    assert ndcg([rank_of_first(scores)], k)[0] == pytest.approx(ndcg_score(relevant, [scores], k=k))


# properties


@steady
@given(whole_ranks)
def test_the_bounds_hold_for_whole_ranks(ranks):
    (hr5, hr10), (ndcg5, ndcg10) = ([measure(ranks, k).mean() for k in (5, 10)] for measure in (hit_rate, ndcg))
    tiny = 1e-12
    assert (hr10 - hr5) / log2(11) - tiny <= ndcg10 - ndcg5 <= (hr10 - hr5) / log2(7) + tiny
    assert hr5 / log2(6) - tiny <= ndcg5 <= hr5 + tiny
    assert broken_bound({5: hr5, 10: hr10}, {5: ndcg5, 10: ndcg10}) is None


@steady
@given(half_ranks, st.sets(st.integers(1, 120), min_size=1, max_size=5))
def test_the_wider_bounds_hold_for_half_ranks_and_any_cutoffs(ranks, ks):
    hr, gain = ({k: measure(ranks, k).mean() for k in ks} for measure in (hit_rate, ndcg))
    assert broken_bound(hr, gain, step=0.5) is None


def test_a_half_rank_just_beyond_a_cutoff_breaks_the_bounds_of_whole_ranks_only():
    hr, gain = ({k: measure([5.5], k)[0] for k in (5, 10)} for measure in (hit_rate, ndcg))
    assert broken_bound(hr, gain) is not None
    assert broken_bound(hr, gain, step=0.5) is None


@pytest.mark.parametrize(
    ("hr", "gain", "why"),
    [
        ({5: 0.5, 10: 0.6}, {5: 0.3, 10: 0.34}, "more gain from 5 to 10 than rank 6 gives"),
        ({5: 0.5, 10: 0.6}, {5: 0.3, 10: 0.32}, "less gain from 5 to 10 than rank 10 gives"),
        ({5: 0.5, 10: 0.6}, {5: 0.51, 10: 0.54}, "more gain than hits at 5"),
        ({5: 0.5, 10: 0.6}, {5: 0.19, 10: 0.22}, "less gain at 5 than rank 5 gives"),
        ({5: 0.5, 10: 0.4}, {5: 0.3, 10: 0.27}, "HR falls"),
    ],
)
def test_numbers_that_no_ranks_give_are_found(hr, gain, why):
    assert broken_bound(hr, gain) is not None, why


def test_rounding_is_allowed_for():
    hr, gain = ({k: measure([6] * 3 + [11] * 4, k).mean() for k in (5, 10)} for measure in (hit_rate, ndcg))
    rounded = {k: round(v, 4) for k, v in hr.items()}, {k: round(v, 4) for k, v in gain.items()}
    assert broken_bound(*rounded) is not None
    assert broken_bound(*rounded, rounding=0.5e-4) is None


@steady
@given(half_ranks, st.integers(1, 100), st.integers(0, 30))
def test_a_larger_cutoff_never_takes_away(ranks, k, more):
    for measure in (hit_rate, ndcg):
        assert (measure(ranks, k) <= measure(ranks, k + more)).all()


@steady
@given(half_ranks, st.integers(1, 100), st.randoms(use_true_random=False))
def test_the_order_of_users_moves_values_and_changes_none(ranks, k, random):
    order = random.sample(range(len(ranks)), len(ranks))
    shuffled = [ranks[i] for i in order]
    for measure in (lambda r: hit_rate(r, k), lambda r: ndcg(r, k), reciprocal_rank):
        assert measure(shuffled).tolist() == measure(ranks)[order].tolist()


@steady
@given(half_ranks, st.integers(1, 100))
def test_values_lie_between_zero_and_one_and_ndcg_below_the_hit_rate(ranks, k):
    assert (ndcg(ranks, k) >= 0).all()
    assert (ndcg(ranks, k) <= hit_rate(ranks, k)).all()
    assert ((reciprocal_rank(ranks) > 0) & (reciprocal_rank(ranks) <= 1)).all()


def test_random_scores_with_100_negatives_hit_as_often_as_chance():
    users = 20_000
    scores = np.random.default_rng(7).random((users, 101), dtype=np.float64)
    ranks = 1 + (scores[:, 1:] > scores[:, :1]).sum(1) + (scores[:, 1:] == scores[:, :1]).sum(1) / 2
    four_errors = 4 * np.sqrt(10 / 101 * 91 / 101 / users)
    assert hit_rate(ranks, 10).mean() == pytest.approx(10 / 101, abs=four_errors)
    assert ndcg(ranks, 10).mean() == pytest.approx(sum(1 / log2(1 + r) for r in range(1, 11)) / 101, abs=four_errors)

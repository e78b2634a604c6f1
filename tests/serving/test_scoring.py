"""Scores outside evaluation: of known users those of evaluation, of new histories those that events alone give."""

import dataclasses

import numpy as np
import pytest
import torch
from direction_world import FORMS, INNER, build
from hypothesis import given
from hypothesis import strategies as st

from semacdr.batching.batches import Batches
from semacdr.batching.windows import evaluation_windows
from semacdr.data.history import NONE
from semacdr.errors import UserError
from semacdr.serving.queries import NOW, as_of, of_items, of_users
from semacdr.serving.scoring import Scorer, top_of
from semacdr.training.settings import Training
from semacdr.training.system import system_of
from semacdr.training.trained import Trained

CPU = torch.device("cpu")


def trained_of(world, name, settings):
    model, inputs = build(world, name, **settings)
    system = system_of(name, {}, Training(max_length=20))
    return Trained(model.double().eval(), system, inputs.history, CPU, {})


def all_scores(scorer, queries):
    return torch.cat([scores for _, scores in scorer.scores(queries)])


def events_before_test(history, user):
    return history.item[history.start[user] : history.test[user]].tolist()


@pytest.mark.parametrize(("name", "settings"), FORMS)
def test_scores_of_known_users_are_those_of_evaluation(name, settings, world):
    trained = trained_of(world, name, settings)
    users = np.array([7, 0, 3])
    queries = of_users(trained.history, users)
    windows = evaluation_windows(trained.history, "test", 20)
    batch = next(Batches(windows, 64, CPU).ordered())
    with torch.no_grad():
        expected = trained.model.scores(trained.model.prepare(), batch)[users]
    torch.testing.assert_close(all_scores(Scorer(trained), queries), expected, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize(("name", "settings"), [*FORMS, ("semacdr", {"graph": "none", "user_vector": "none"})])
def test_only_models_that_say_so_depend_on_who_the_user_is(name, settings, world):
    """Known users given as lists of items have their own scores if the model serves unseen users, else others."""
    trained = trained_of(world, name, settings)
    history, users = trained.history, np.arange(1, 6)
    known = all_scores(Scorer(trained), of_users(history, users))
    listed = all_scores(Scorer(trained), of_items(history, [events_before_test(history, user) for user in users]))
    assert torch.allclose(known, listed, rtol=1e-9, atol=1e-12) == trained.model.serves_unseen_users


def test_a_run_without_source_events_ignores_those_of_a_history(world):
    trained = trained_of(world, "semacdr", {"graph": "none", "user_vector": "none"})
    system = dataclasses.replace(trained.system, training=Training(max_length=20, visibility="none"))
    blind = Scorer(dataclasses.replace(trained, system=system))
    both, target = (of_items(trained.history, [history]) for history in ([3, 40, 7, 51], [3, 7]))
    torch.testing.assert_close(all_scores(blind, both), all_scores(blind, target))
    assert not torch.allclose(all_scores(Scorer(trained), both), all_scores(Scorer(trained), target))


def test_a_history_without_events_is_scored(world):
    scores = all_scores(
        Scorer(trained_of(world, "semacdr", {"user_vector": "none"})), of_items(history_of(world), [[]])
    )
    assert scores.shape == (1, 30) and torch.isfinite(scores).all()


def history_of(world):
    return world.model_inputs("popularity").history


def test_seen_items_are_left_out_unless_kept(world):
    trained = trained_of(world, "popularity", {})
    queries = of_items(trained.history, [[3, 35, 4], [50]])
    items, scores = Scorer(trained).top(queries, 30)
    assert set(items[0][scores[0] > -np.inf]) == set(range(30)) - {3, 4}
    assert set(items[1]) == set(range(30)) and (scores[1] > -np.inf).all()
    assert (Scorer(trained).top(queries, 30, keep_seen=True)[1] > -np.inf).all()


def test_hidden_items_of_cold_users_are_seen(cold_world):
    history = history_of(cold_world)
    users = np.arange(history.users)
    seen = of_users(history, users).seen
    for user in users:
        events = events_before_test(history, user)
        expected = [item for item in events if item < 30] + history.hidden[1][history.hidden[0] == user].tolist()
        assert sorted(seen.values[seen.offsets[user] : seen.offsets[user + 1]]) == sorted(expected)


def test_with_nothing_held_out_all_events_count(world):
    history = history_of(world)
    none = np.full(history.users, NONE)
    history = dataclasses.replace(history, valid=none, test=none, training_end=history.start[1:])
    assert as_of(history) == NOW
    queries = of_users(history, np.array([2]))
    own = slice(history.start[2], history.start[3])
    assert queries.history.item[:-1].tolist() == history.item[own].tolist()
    assert queries.history.test.tolist() == [len(queries.history.item) - 1]


def test_a_user_without_a_test_event_is_refused(world):
    history = history_of(world)
    test = history.test.copy()
    test[4] = NONE
    with pytest.raises(UserError, match="user 4 has no test event"):
        of_users(dataclasses.replace(history, test=test), np.array([4]))


def test_a_model_whose_scores_are_counts_has_no_vectors(world):
    scorer = Scorer(trained_of(world, "item_knn", {}))
    with pytest.raises(UserError, match="item_knn has no user and item vectors"):
        scorer.item_vectors()


@pytest.mark.parametrize(("name", "settings"), INNER)
def test_vectors_give_the_scores(name, settings, world):
    trained = trained_of(world, name, settings)
    assert trained.model.scores_are_inner_products
    scorer, queries = Scorer(trained), of_users(trained.history, np.arange(4))
    scores = scorer.user_vectors(queries) @ scorer.item_vectors().T
    np.testing.assert_allclose(scores, all_scores(scorer, queries), rtol=1e-4, atol=1e-5)


@given(st.integers(0, 10_000), st.integers(1, 12), st.integers(1, 9), st.integers(1, 4))
def test_the_best_come_first_and_of_equal_scores_the_smaller_number(seed, columns, count, levels):
    rng = np.random.default_rng(seed)
    scores = rng.integers(0, levels, (5, columns)).astype(float)
    scores[rng.random((5, columns)) < 0.2] = -np.inf
    items, values = top_of(torch.from_numpy(scores), count)
    for row in range(5):
        expected = sorted((-scores[row, item], item) for item in range(columns))[:count]
        assert items[row].tolist() == [item for _, item in expected]
        assert values[row].tolist() == [-score for score, _ in expected]

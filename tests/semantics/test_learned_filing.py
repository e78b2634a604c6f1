"""The classifier that learns from answers: a world where it must be right, and answers that are few or one-sided."""

import numpy as np
import pytest

from semacdr.semantics.categories import Category
from semacdr.semantics.learned_filing import Learner

COLOURS = Category("Colour", "", (("Red", ""), ("Green", ""), ("Blue", ""), ("Other", "")))
AXES = np.eye(4)


def learner(true, most=2, noise=0.05, texts=None):
    """A learner whose vectors point to the true subcategories (indices by item), with noise."""
    rng = np.random.default_rng(1)
    vectors = np.array([AXES[own].sum(0) for own in true]) + rng.normal(0, noise, (len(true), 4))
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    texts = texts or [f"word{n}" for n in range(len(true))]
    return Learner(vectors.astype(np.float32), texts, ["film", "book"] * (len(true) // 2), most)


def names(own):
    return [COLOURS.subcategories[place][0] for place in own]


def filed(learned):
    found = {}
    for item, name in learned.rows:
        found.setdefault(item, []).append(name)
    return found


def test_where_vectors_say_it_all_each_item_is_filed_right():
    true = [[n % 3] for n in range(120)]
    given = {item: names(true[item]) for item in range(60)}
    result = learner(true).file(COLOURS, given, range(60, 120))
    assert filed(result) == {item: names(true[item]) for item in range(60, 120)}
    assert (result.checked, result.agreeing) == (60, 60)


def test_second_subcategories_are_given_as_often_as_the_answers_give_them():
    true = [[n % 3] if n % 4 else [n % 3, (n + 1) % 3] for n in range(240)]
    given = {item: names(true[item]) for item in range(120)}
    found = filed(learner(true).file(COLOURS, given, range(120, 240)))
    right = [set(found[item]) == set(names(true[item])) for item in range(120, 240)]
    assert np.mean(right) > 0.95
    one = filed(learner(true, most=1).file(COLOURS, given, range(120, 240)))
    assert all(len(own) == 1 and own[0] in names(true[item]) for item, own in one.items())


def test_words_are_learned_where_vectors_say_nothing():
    rng = np.random.default_rng(0)
    vectors = np.tile(AXES[:1], (120, 1)).astype(np.float32)
    texts = [f"{rng.choice(['a fine', 'the new'])} {('ruby', 'leaf', 'sky')[n % 3]} thing" for n in range(120)]
    found = Learner(vectors, texts, ["film"] * 120, 2).file(
        COLOURS, {item: names([item % 3]) for item in range(60)}, range(60, 120)
    )
    assert filed(found) == {item: names([item % 3]) for item in range(60, 120)} and found.agreeing == 60


def test_agreement_is_measured_on_answers_that_the_model_did_not_see():
    """Labels at random: a model that had seen them would agree; held out, it is near chance."""
    rng = np.random.default_rng(3)
    texts = [f"unique{n} unique{n}x" for n in range(200)]
    world = learner([[int(rng.integers(4))] for _ in range(200)], noise=2.0, texts=texts)
    given = {item: names([int(rng.integers(4))]) for item in range(200)}
    result = world.file(COLOURS, given, [])
    assert result.rows == [] and result.checked == 200 and result.agreeing < 0.4 * 200


@pytest.mark.parametrize("count", [1, 3, 60])
def test_answers_of_one_subcategory_alone_file_all_items_there(count):
    true = [[2]] * 120
    result = learner(true).file(COLOURS, {item: ["Blue"] for item in range(count)}, range(60, 120))
    assert filed(result) == {item: ["Blue"] for item in range(60, 120)}
    assert (result.checked, result.agreeing) == ((60, 60) if count == 60 else (0, 0))


@pytest.mark.parametrize(("times", "learned"), [(1, False), (8, True)])
def test_a_subcategory_of_few_answers_disturbs_no_other_and_one_of_no_answer_is_never_given(times, learned):
    """With one answer, a fold is learned without the subcategory, and the prior keeps items from it; eight suffice."""
    true = [[0] if n % 2 else [2] for n in range(60)] + [[1]] * times + [[1], [0], [2]] + [[3]] * 57
    true = true[: len(true) - len(true) % 2]
    asked = 60 + times
    found = filed(
        learner(true, noise=0.01).file(
            COLOURS, {item: names(true[item]) for item in range(asked)}, range(asked, len(true))
        )
    )
    assert (found[asked] == ["Green"]) is learned
    assert found[asked + 1] == ["Red"] and found[asked + 2] == ["Blue"]
    assert {name for own in found.values() for name in own} <= {"Red", "Green", "Blue"}


def test_two_runs_give_the_same_rows_in_the_order_of_the_items():
    true = [[n % 3] if n % 5 else [0, 3] for n in range(200)]
    given = {item: names(true[item]) for item in range(80)}
    one, two = (learner(true, noise=0.4).file(COLOURS, given, range(80, 200)) for _ in range(2))
    assert one == two and [item for item, _ in one.rows] == sorted(item for item, _ in one.rows)

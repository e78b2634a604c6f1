"""Parts of users' training events that personas for training leave out."""

import numpy as np
import pytest
from direction_world import PARTS

from semacdr.data.persona_parts import parts_of, without_part


@pytest.fixture
def history(world):
    return world.model_inputs("popularity").history


@pytest.mark.parametrize("parts", [0, 1, 2, 3])
def test_a_users_training_events_take_turns(history, parts):
    found = parts_of(history, parts)
    training = history.training() & history.is_target
    assert not found[~training].any()
    for user in range(history.users):
        own = found[training & (history.user() == user)]
        expected = [place % parts + 1 for place in range(len(own))] if parts else [0] * len(own)
        assert own.tolist() == expected


def test_a_repeat_is_in_the_part_of_the_first(history):
    training = np.flatnonzero(history.training() & history.is_target)
    user = history.user()[training]
    longest = np.bincount(user).argmax()
    own = training[user == longest]
    history.item[own[3]] = history.item[own[0]]
    assert parts_of(history, 2)[own][:5].tolist() == [1, 2, 1, 1, 2]


@pytest.mark.parametrize("part", range(1, PARTS + 1))
def test_without_a_part_only_its_events_are_missing(history, part):
    found, left_out = without_part(history, part, PARTS), parts_of(history, PARTS) == part
    assert np.array_equal(found.item, history.item[~left_out])
    assert np.array_equal(found.user(), history.user()[~left_out])
    for name in ("valid", "test"):
        assert np.array_equal(found.item[getattr(found, name)], history.item[getattr(history, name)])
    assert np.array_equal(found.training(), history.training()[~left_out])
    assert without_part(history, 0, PARTS) is history

"""Settings of models and of training: choices, bounds, and settings that cannot be tuned."""

import dataclasses

import pytest
from direction_world import SYSTEMS

from semacdr.errors import UserError
from semacdr.models import load
from semacdr.runtime.settings import resolve, untunable
from semacdr.training.settings import Training


@pytest.mark.parametrize(
    ("name", "settings", "message"),
    [
        ("sasrec", {"norm": "none"}, "sasrec.norm: must be one of original, pre, post, not 'none'"),
        ("sasrec", {"dim": 0}, "sasrec.dim: must be a whole number of at least 1, not 0"),
        ("sasrec", {"dropout": 1.0}, "sasrec.dropout: must be a number of at least 0 and below 1, not 1.0"),
        ("markov", {"history": "source"}, "markov.history: must be one of target, mixed"),
        ("item_knn", {"neighbours": "many"}, "item_knn.neighbours: must be a whole number of at least 1, not 'many'"),
        ("cd_sasrec", {"fuse": "gate"}, "cd_sasrec.fuse: must be one of add, concat, not 'gate'"),
        ("cl4srec", {"mask": 1.5}, "cl4srec.mask: must be a number of at least 0 and of at most 1, not 1.5"),
        ("c2dsr", {"transitions": "all"}, "c2dsr.transitions: must be one of binary, counted, not 'all'"),
        ("semacdr", {"views": "gate"}, "semacdr.views: there is no setting 'views'"),
        ("semacdr", {"categories": 0}, "semacdr.categories: must be a whole number of at least 1"),
    ],
)
def test_what_is_no_setting_of_a_model_is_refused(name, settings, message):
    with pytest.raises(UserError, match=message):
        resolve(load(name).Settings, settings, name)


@pytest.mark.parametrize(
    ("name", "value"),
    [("epochs", 0), ("batch_size", 0), ("max_length", 0), ("max_length", "50"), ("patience", -1), ("loss", "mse"),
     ("learning_rate", 0.0), ("learning_rate", float("nan")), ("train_negatives", 0), ("calibration", 2),
     ("precision", "float16"), ("visibility", "some")],
)  # fmt: skip
def test_what_is_no_setting_of_training_is_refused(name, value):
    with pytest.raises(UserError, match=f"train.{name}: must be"):
        resolve(Training, {name: value}, "train")


def test_the_budget_and_what_is_measured_are_not_tuned():
    assert untunable(Training) == {
        *("epochs", "patience", "plateau_epochs", "visibility", "evaluation_batch", "deterministic"),
    }


@pytest.mark.parametrize("name", SYSTEMS)
def test_default_settings_are_valid(name):
    settings = load(name).Settings()
    assert resolve(type(settings), dataclasses.asdict(settings), name) == settings

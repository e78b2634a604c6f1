"""Sections of tuning and files of tuned settings that cannot be, refused before a trial."""

import json

import pytest
from tuned_files import MADE, SPACE, USED, entry, write

pytestmark = pytest.mark.slow


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"experiment": "fields"}, "tune takes experiment 'fields'; there are field, ablation"),
        ({"space": SPACE | {"semacd": {}}}, "tune.space has 'semacd'; it has `common` and systems of field: sasrec,"),
        ({"space": SPACE | {"full": {}}}, "tune.space has 'full'; it has `common` and systems of field: sasrec,"),
        ({"space": {"common": {"dim": {"low": 8, "high": 64}}}}, "chooses dim of sasrec, which sets it itself"),
        (
            {"space": {"common": {}, "sasrec": {"loss": {"choices": ["bce", "ce"]}}}},
            "of a system with `loss: tuned` it can be",
        ),
        ({"space": {"common": {}, "semacdr": {"epochs": {"low": 1, "high": 2}}}}, "tune.space has 'epochs' of semacdr"),
        ({"space": {"common": {}, "sasrec": {"droput": {"low": 0.1, "high": 1}}}}, "tune.space has 'droput' of sasrec"),
        ({"space": {"common": {"dropout": {"low": 0.1}}}}, "dropout"),
        ({"budget": 3}, "budget"),
    ],
)
def test_a_section_that_cannot_be(tuning, change, words):
    tuning.configure(lambda config: config["tune"].update(change))
    status, text = tuning.call("-n", MADE)
    assert status != 0 and words in text, text


@pytest.mark.parametrize("key", ["learning_rate", "weight_decay"])
def test_what_a_system_sets_itself_is_not_chosen(tuning, key):
    def change(config):
        config["compare"]["field"]["variants"]["sasrec"][key] = 0.001
        config["tune"]["space"]["common"]["weight_decay"] = {"choices": [0.0, 0.01]}

    tuning.configure(change)
    status, text = tuning.call("-n", MADE)
    assert status != 0 and f"tune.space chooses {key} of sasrec, which sets it itself" in text, text


def test_a_file_of_tuned_settings_that_is_none(tuning):
    (tuning / USED).parent.mkdir(exist_ok=True)
    (tuning / USED).write_text('{"directions": {"movie_to_book": {"sasrec-bce": {"training": {}}}}}')
    status, text = tuning.call("-n")
    assert status != 0 and f"{USED}: not what target {MADE} makes" in text
    for wrong in ({"domains": ("kitchen", "food")}, {"domains": ("kitchen", "food"), "scenario": "movie_book"}):
        write(tuning, used="movie_book", **wrong, **{"sasrec-bce": entry()})
        status, text = tuning.call("-n")
        assert status != 0 and f"{USED}: of scenario " in text and "it is to be of movie_book" in text


def test_what_was_chosen_on_another_release_is_refused_unless_switched_off(tuning):
    write(tuning, **{"sasrec-bce": entry()})
    (tuning / USED).write_text(json.dumps(json.loads((tuning / USED).read_text()) | {"release": "amazon2018"}))
    status, text = tuning.call("-n")
    assert status != 0 and f"{USED}: chosen on release amazon2018, the scenario is of " in text, text
    tuning.configure(lambda config: config["train"].update(tuned=False))
    assert tuning.plan() == {}


def test_what_has_one_place_for_two_is_refused_before_a_trial(tuning):
    def field(config):
        return config["compare"]["field"]["variants"]

    tuning.configure(lambda config: field(config).update(more={"loss": "bce", "settings": {"dim": 16, "blocks": 1}}))
    status, text = tuning.call("-n", MADE)
    assert status != 0 and "sasrec and more of field are both sasrec-bce" in text, text
    tuning.configure(lambda config: field(config)["more"].update(tuned=False))
    assert tuning.plan(MADE) == {"tune": 4, "confirm": 8, "tuned": 1}

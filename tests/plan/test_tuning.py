"""Which tuned settings are used, in which order, on which data; what is tuned, and within which ranges."""

import json

import pytest
from plans import example, plan_of

from semacdr.errors import UserError
from semacdr.plan import plan as plans
from semacdr.plan.models import needs
from semacdr.plan.systems import parse
from semacdr.plan.tune import TunePlan
from semacdr.plan.tuning import tuning_key

FILTERS = {"min_item_interactions": 3, "min_user_interactions": 3, "filter": "iterated"}  # of the sample
PLACE = ("movie_book", "movie_to_book")


@pytest.fixture
def tuned(tmp_path, monkeypatch):
    """A function that writes a file of tuned settings and returns the plan of the shipped config with changes."""
    (tmp_path / "resources/tuned").mkdir(parents=True)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(plans, "SOURCES", tmp_path / "src")

    def make(kinds, *changes, scenario="movie_book", directions=("movie_to_book",), release="sample", filters=FILTERS):
        content = {"scenario": scenario, "directions": dict.fromkeys(directions, kinds)}
        content |= {"release": release, "preprocess": filters}
        (tmp_path / f"resources/tuned/{scenario}.json").write_text(json.dumps(content))
        return plan_of(*changes)

    return make


def entry(settings=None, **training):
    return {"training": training, "settings": settings or {}}


def trained(plan, place=PLACE, **system):
    record = plan.record(*place, parse({"model": "sasrec", "loss": "ce", **system}, "x"))
    return json.loads(record.training) | json.loads(record.settings), json.loads(record.tuned)


def test_tuned_settings_come_after_the_system_and_before_all_else(tuned):
    plan = tuned({"sasrec-ce": entry({"dropout": 0.4, "norm": "post"}, learning_rate=0.007, weight_decay=0.1)})
    settings, disclosed = trained(plan, learning_rate=0.001, settings={"norm": "pre"})
    assert (settings["learning_rate"], settings["weight_decay"]) == (0.001, 0.1)
    assert (settings["norm"], settings["dropout"]) == ("pre", 0.4)
    assert disclosed == {"names": ["dropout", "learning_rate", "norm", "weight_decay"], "other_data": None}
    assert trained(plan, ("movie_book", "book_to_movie"))[1] is None
    assert trained(plan, loss="bpr")[1] is None


@pytest.mark.parametrize(
    ("change", "used"),
    [
        ({}, True),
        ({"scenarios": {"movie_book": {"preprocess": {"min_item_interactions": 6}}}}, False),
        ({"scenarios": {"movie_book": {"preprocess": {"filter": "once"}}}}, False),
        ({"scenarios": {"movie_book": {"preprocess": {"filter": "once"}}}, "train": {"tuned": True}}, True),
        ({"train": {"tuned": False}}, False),
        ({"scenarios": {"movie_book": {"train": {"tuned": False}}}}, False),
    ],
)
def test_they_apply_by_themselves_only_to_the_data_that_they_were_tuned_on(tuned, change, used):
    settings, disclosed = trained(tuned({"sasrec-ce": entry(learning_rate=0.007)}, change))
    assert (settings["learning_rate"] == 0.007) is used is (disclosed is not None)
    if used:
        other = FILTERS if "preprocess" in change.get("scenarios", {}).get("movie_book", {}) else None
        assert disclosed["other_data"] == other


def test_another_release_leaves_them_out_and_asking_for_them_is_refused(tuned):
    kinds = {"sasrec-ce": entry(learning_rate=0.007)}
    assert trained(tuned(kinds, release="amazon2014"))[1] is None
    with pytest.raises(UserError, match="tuned on release amazon2014, but scenario movie_book has release sample"):
        tuned(kinds, {"train": {"tuned": True}}, release="amazon2014")


def test_a_system_can_switch_them_off(tuned):
    plan = tuned({"sasrec-ce": entry(learning_rate=0.007)})
    assert trained(plan, tuned=False)[1] is None


def test_a_damaged_file_is_named(tuned, tmp_path):
    tuned({})
    path = tmp_path / "resources/tuned/movie_book.json"
    for text in ("{", "[]", '{"scenario": "x", "directions": {"a": {"b": {}}}}'):
        path.write_text(text)
        with pytest.raises(UserError, match=r"resources/tuned/movie_book\.json: is not a copy of"):
            plan_of()
    with pytest.raises(UserError, match="holds scenario movie_book, x_to_y; it must hold"):
        tuned({}, directions=("x_to_y",))


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        (
            entry(learning_rat=0.1),
            "movie_book.json: movie_to_book.sasrec-ce.training.learning_rat: there is no setting",
        ),
        (entry({"dropout": 2}), "movie_book.json: movie_to_book.sasrec-ce.settings.dropout: must be a number"),
    ],
)
def test_a_wrong_setting_in_the_file_is_named_there(tuned, wrong, words):
    with pytest.raises(UserError) as refused:
        tuned({"sasrec-ce": wrong})
    assert words in str(refused.value)


def test_the_full_kitchen_food_is_not_trained_with_settings_of_an_extract():
    plan = plan_of()
    assert not plan.tuned.same_data("kitchen_food")
    assert plan_of(example("kitchen_food")).tuned.same_data("kitchen_food")


def test_a_key_names_model_inputs_group_and_loss():
    assert tuning_key(parse({"model": "sasrec"}, "x")) == "sasrec-bce"
    enhanced = {"model": "c2dsr", "loss": "ce", "settings": {"semantics": True, "dropout": 0.1}}
    assert tuning_key(parse(enhanced, "x")) == "c2dsr-semantics-ce"
    assert tuning_key(parse({"model": "semacdr", "loss": "ce", "tuning_group": "plus"}, "x")) == "semacdr-plus-ce"
    assert tuning_key(parse({"model": "popularity"}, "x")) == "popularity"


def test_a_loss_left_to_tuning_is_the_chosen_one_or_refused(tuned):
    plan = tuned({"sasrec-tuned": entry(loss="bpr")})
    assert trained(plan, loss="tuned")[0]["loss"] == "bpr"
    with pytest.raises(UserError, match="'cl4srec-tuned' has `loss: tuned`, but movie_to_book has no tuned settings"):
        trained(plan, model="cl4srec", loss="tuned")


def test_every_system_of_the_experiment_that_has_ranges_is_tuned_within_them():
    tune = TunePlan(plan_of())
    systems = tune.systems("kitchen_food")
    assert {"sasrec", "semacdr", "plus", "item_knn", "markov", "seq_rules", "ease"} <= systems.keys()
    assert "popularity" not in systems  # it has no settings
    for system in systems.values():
        space = json.loads(tune.space("kitchen_food", tuning_key(system)))
        assert ("learning_rate" in space) == system.learns and "loss" not in space
    assert json.loads(tune.space("kitchen_food", "sasrec-ce"))["norm"] == {"choices": ["original", "pre"]}
    assert json.loads(tune.space("kitchen_food", "markov")) == {"history": {"choices": ["target", "mixed"]}}


def test_a_non_learned_system_whose_ranges_are_removed_is_not_tuned():
    tune = TunePlan(plan_of({"tune": {"space": {"markov": {"history": None}}}}))
    assert "markov" not in tune.systems("kitchen_food")


def test_tuned_settings_of_a_non_learned_system_apply_in_tables_and_experiments(tuned):
    plan = tuned({"seq_rules": entry({"window": 7})})
    systems = [plan.experiments["baselines"].variants["seq_rules"].system, parse({"model": "seq_rules"}, "x")]
    for record in (plan.record(*PLACE, system) for system in systems):
        assert json.loads(record.settings)["window"] == 7
        assert json.loads(record.tuned) == {"names": ["window"], "other_data": None}


def test_each_form_of_the_text_experiment_is_tuned_by_itself_with_the_ranges_of_sasrec():
    tune = TunePlan(plan_of(example("tune_text")))
    systems = tune.systems("kitchen_food")
    assert len(systems) == 21 and tuning_key(systems["project_categories"]) == "sasrec-text-shared_categories-target-ce"
    wanted = json.loads(tune.space("kitchen_food", "sasrec-ce"))
    for system in systems.values():
        space = json.loads(tune.space("kitchen_food", tuning_key(system)))
        assert space == wanted or system.model == "semacdr"


def test_text_none_needs_no_text_and_another_form_does():
    assert needs("sasrec", {}) == needs("sasrec", {"text": "none", "shared_categories": False}) == []
    assert needs("sasrec", {"text": "init", "shared_categories": True}) == ["agnostic", "embeddings"]


def test_an_open_loss_is_part_of_the_space():
    tune = TunePlan(plan_of(example("tune_loss")))
    assert json.loads(tune.space("kitchen_food", "sasrec-tuned"))["loss"] == {
        "choices": ["bpr", "bce", "sampled_softmax", "ce"]
    }
    start = tune.start("kitchen_food", "kitchen_to_food", "sasrec-tuned")
    assert json.loads(start.training)["loss"] == "bce"


@pytest.mark.parametrize(
    ("space", "message"),
    [
        ({"sasrek": {}}, "tune.space.sasrek: there is no system 'sasrek'; did you mean 'sasrec'?"),
        ({"common": {"dmi": {"low": 1, "high": 2}}}, "'dmi'; did you mean 'dim'?"),
        ({"common": {"visibility": {"choices": ["causal", "all"]}}}, "visibility: is the same for all systems"),
        ({"markov": {"learning_rate": {"low": 0.1, "high": 0.2}}}, "there is no setting of markov 'learning_rate'"),
        ({"sasrec": {"loss": {"choices": ["ce", "bpr"]}}}, "only a system with `loss: tuned` leaves its loss open"),
        ({"plus": {"graph": {"choices": ["none", "sequence"]}}}, "plus sets graph itself; set it to null here"),
    ],
)
def test_a_range_that_cannot_be_used_is_refused(space, message):
    tune = TunePlan(plan_of({"tune": {"space": space}}))
    with pytest.raises(UserError) as refused:
        for system in tune.systems("kitchen_food").values():
            tune.space("kitchen_food", tuning_key(system))
    assert message in str(refused.value)


def test_two_systems_of_one_key_are_refused():
    twins = {"system": {"model": "sasrec"}, "variants": {"a": {}, "b": {"settings": {"blocks": 1}}}}
    tune = TunePlan(plan_of({"compare": {"twins": twins}, "tune": {"experiment": "twins"}}))
    with pytest.raises(UserError, match="a and b would both be tuned as sasrec-bce; give one a `tuning_group`"):
        tune.systems("movie_book")


def test_the_training_without_tuning_is_an_ordinary_run():
    plan = plan_of()
    folders = TunePlan(plan).retrained("movie_book")
    table = {run.folder for runs in plan.experiment_runs("movie_book", "baselines").values() for run in runs}
    assert any(folder in table for folder in folders)
    assert any("/tune/sasrec-ce/proposed/seed1" in folder for folder in folders)


@pytest.mark.parametrize("change", [{}, {"tuned": True}])
def test_settings_of_another_scenario_are_used_by_the_place_of_the_direction(tuned, change):
    kinds = {"sasrec-ce": entry(learning_rate=0.007)}
    other = {"scenarios": {"movie_book": {"train": {"tuned_from": "kitchen_food", **change}}}}
    plan = tuned(kinds, other, scenario="kitchen_food", directions=("kitchen_to_food",), release="amazon2014")
    settings, disclosed = trained(plan)
    assert settings["learning_rate"] == 0.007
    assert disclosed == {"names": ["learning_rate"], "other_data": {"scenario": "kitchen_food", **FILTERS}}
    assert trained(plan, ("movie_book", "book_to_movie"))[1] is None  # food_to_kitchen has none
    assert trained(plan, tuned=False)[1] is None


def test_a_scenario_without_tuned_settings_cannot_be_named(tuned):
    for name, words in (
        ("kitchen_food", "has no tuned settings: there is no"),
        ("nope", "there is no scenario 'nope'"),
    ):
        with pytest.raises(UserError, match=words):
            tuned({}, {"scenarios": {"movie_book": {"train": {"tuned_from": name}}}})

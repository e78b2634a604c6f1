"""`train: settings:`, what a scenario sets of every system that has it."""

import json
import re

import pytest
import yaml

pytestmark = pytest.mark.slow


def laid(folder, config):
    """A file to lay over the config, as options of the command line."""
    path = folder / "laid.yaml"
    path.write_text(yaml.safe_dump(config))
    return "--configfile", path


def settings_of(text):
    """By folder of a planned training the settings that it is told."""
    found = re.findall(r"semacdr\.train .*?--settings '(.*?)' .*?--output \S+?/(\w+_to_\w+/\S+)/seed1 ", text)
    return {folder: json.loads(settings) for settings, folder in found}


@pytest.mark.parametrize("longer", [False, True])
def test_a_scenario_sets_what_a_system_has(checkout, longer):
    file = ("--configfile", "examples/longer.yaml") if longer else ()
    status, text = checkout.call("-n", "-p", *file, "--", "results/movie_book/metrics.tsv")
    assert status == 0, text
    shipped = yaml.safe_load((checkout / ("examples/longer.yaml" if longer else "config.yaml")).read_text())
    common = shipped["scenarios"]["movie_book"]["train"]["settings"]
    assert common.keys() == {"dropout", "pretraining"}
    told = settings_of(text)
    assert told["movie_to_book/popularity"] == {}
    assert told["movie_to_book/sasrec"] == told["book_to_movie/semacdr"] == {"dropout": common["dropout"]}
    assert told["movie_to_book/tri_cdr-enhanced"] == common | {"semantics": True}


def test_what_a_system_or_tuning_says_comes_before_it(project):
    project.configure(lambda config: config["train"].update(settings={"dropout": 0.2, "norm": "pre", "blocks": 3}))
    chosen = {"sasrec-bce": {"training": {}, "settings": {"norm": "post"}}}
    tuned = {"scenario": "movie_book", "directions": {"movie_to_book": chosen}}
    (project / "resources/tuned/movie_book.json").write_text(json.dumps(tuned))
    own = {"model": "sasrec", "settings": {"dim": 16, "dropout": 0.7}}
    project.configure(lambda config: config["train"]["systems"].update(sasrec=own))
    status, text = project.call("-n", "-p", "results/movie_book/metrics.tsv")
    assert status == 0, text
    told = settings_of(text)
    assert told["book_to_movie/sasrec"] == {"blocks": 3, "dim": 16, "dropout": 0.7, "norm": "pre"}
    assert told["movie_to_book/sasrec"] == {"blocks": 3, "dim": 16, "dropout": 0.7, "norm": "post"}


def test_tuning_starts_from_it_too(checkout):
    status, text = checkout.call("-n", "-p", "--", "results/movie_book/movie_to_book/tune/field-tri_cdr.json")
    assert status == 0, text
    (told,) = re.findall(r"semacdr\.tune .*?--settings '(.*?)'", text)
    shipped = yaml.safe_load((checkout / "config.yaml").read_text())
    assert json.loads(told) == shipped["scenarios"]["movie_book"]["train"]["settings"]


def test_a_variant_of_the_published_value_is_another_system_where_the_scenario_sets_another(checkout, tmp_path):
    """Dropout 0.5 is SemaCDR's default, but not what it is trained with on the sample."""
    sweep = {"system": {"model": "semacdr", "loss": "ce"}, "directions": 1, "sweep": {"dropout": [0.2, 0.5]}}
    file = laid(tmp_path, {"compare": {"sweep_dropout": sweep}})
    status, text = checkout.call("-n", "-p", *file, "--", "results/movie_book/sweep_dropout.tsv")
    assert status == 0, text
    told = settings_of(text)
    assert told == {
        "movie_to_book/semacdr-ce": {"dropout": 0.2},
        "movie_to_book/sweep_dropout-0.5": {"dropout": 0.5},
    }


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"drop": 0.2}, "train.settings has 'drop', which no system has"),
        ({"semantics": True}, "train.settings has 'semantics', which makes another system; name it in train.systems"),
    ],
)
def test_what_no_system_has_or_makes_another_one_is_refused(checkout, tmp_path, settings, message):
    file = laid(tmp_path, {"scenarios": {"movie_book": {"train": {"settings": settings}}}})
    status, text = checkout.call("-n", *file, "--", "results/movie_book/metrics.tsv")
    assert status != 0 and message in text, text

"""The error for a wrong config is one line: file, line, key, what is allowed, and the nearest known name."""

from datetime import date

import pytest
import yaml
from hypothesis import given as given_by
from hypothesis import settings
from hypothesis import strategies as st
from plans import ROOT, SHIPPED, overlaid

from semacdr.errors import UserError
from semacdr.plan.config import Config
from semacdr.plan.config_files import in_order, locate, refuse_doubles
from semacdr.plan.start import load_plan
from semacdr.runtime.setting_errors import SettingError

SAMPLE, SASREC = {"release": "sample"}, {"model": "sasrec"}
MOVIE = {"movie": "Movies_and_TV", "book": "Books"}


def paths_of(node, path=()):
    """The paths of keys and indices to all entries of a config."""
    for key, value in node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, list) else ():
        yield (*path, key)
        yield from paths_of(value, (*path, key))


def refusal(change):
    with pytest.raises(UserError) as refused:
        load_plan(overlaid(change), [ROOT / "config.yaml"])
    text = str(refused.value)
    assert "\n" not in text
    return text


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"trian": {}}, ["trian", "there is no section 'trian'; did you mean 'train'?"]),
        ({"train": {"dim": 128}}, ["train.dim", "model's own setting", "train.settings"]),
        ({"train": {"learning_rat": 1}}, ["train.learning_rat", "did you mean 'learning_rate'?"]),
        ({"train": {"epochs": 0}}, ["train.epochs: must be a whole number of at least 1, not 0"]),
        ({"train": {"epochs": 3.0}}, ["train.epochs: must be a whole number of at least 1, not 3.0"]),
        ({"train": {"epochs": True}}, ["train.epochs: must be a whole number", "not True"]),
        ({"train": {"visibility": "caustal"}}, ["one of causal, all, none, not 'caustal'; did you mean 'causal'?"]),
        ({"split": {"seconds": 3}}, ["split.seconds: there is no setting 'seconds'", "known: by, valid_share"]),
        ({"split": {"valid_from": date(2013, 7, 1)}}, ["valid_from: must be text or null; put the date in quotes"]),
        ({"split": {"test_share": 1}}, ["split.test_share: must be a number above 0 and below 1, not 1"]),
        ({"compare": {"loss_ties": {}}}, ["'loss_ties' is the name of a table of another experiment; rename one"]),
        ({"split": {"trials": 3}}, ["split.trials", "section tune has it"]),
        ({"split": 3}, ["split: must be a mapping, not 3"]),
        ({"run": ["movie_bok"]}, ["there is no scenario 'movie_bok'; did you mean 'movie_book'?"]),
        ({"scenarios": {"a b": {}}}, ["'a b' is not a valid name: use letters, digits, '_' and '-'"]),
        ({"scenarios": {"x": {**SAMPLE, "domains": {"a": "A", "b": "B", "c": "C"}}}}, ["two domains, not 3"]),
        ({"scenarios": {"x": {**SAMPLE, "domains": {True: "A", "b": "B"}}}}, ["put the name in quotes"]),
        ({"scenarios": {"x": {**SAMPLE, "domains": {"a": "A", "b": "A"}}}}, ["both domains are the category A"]),
        ({"scenarios": {"x": {**SAMPLE, "domains": {"a": "A", "b": 3.0}}}}, ["x.domains.b", "3.0"]),
        ({"scenarios": {"x": {"release": "samples", "domains": MOVIE}}}, ["'samples'; did you mean 'sample'?"]),
        ({"scenarios": {"x": {"release": "sample"}}}, ["scenarios.x: needs domains"]),
        ({"raw": {"mine": {"source": "local"}}}, ["raw.mine: source local needs folder"]),
        ({"raw": {"mine": {"source": "local", "folder": "resources/raw/mine"}}}, ["keep your files elsewhere"]),
        ({"raw": {"mine": {"source": "local", "folder": "a{x}"}}}, ["raw.mine.folder: Snakemake reads braces"]),
        ({"raw": {"mine": {"source": "remote"}}}, ["raw.mine.source: must be one of sample, local, download"]),
        ({"raw": {"mine": {"folder": "x"}}}, ["raw.mine: needs source"]),
        ({"raw": {"mine": {"source": "sample", "split": {"seeed": 3}}}}, ["raw.mine.split.seeed", "'seed'"]),
        ({"train": {"systems": {"x": {"model": "sasrek"}}}}, ["train.systems.x.model", "did you mean 'sasrec'?"]),
        ({"train": {"systems": {"x": {}}}}, ["train.systems.x.model: needs a model"]),
        ({"train": {"systems": {"x": {"model": "sasrec", "dim": 3}}}}, ["it is a setting of sasrec: put it under"]),
        ({"train": {"systems": {"x": {**SASREC, "settings": {"dmi": 3}}}}}, ["x.settings.dmi", "'dim'?"]),
        ({"train": {"systems": {"x": {**SASREC, "settings": {"norm": "best"}}}}}, ["one of original, pre, post"]),
        ({"train": {"systems": {"x": {"model": "sasrec"}}}}, ["sasrec and x would both be the row sasrec/full"]),
        ({"train": {"settings": {"drop": 0.1}}}, ["train.settings.drop", "there is no model setting 'drop'"]),
        ({"train": {"settings": {"semantics": True}}}, ["makes another system"]),
        ({"compare": {"x": {"variants": {}}}}, ["compare.x: needs system"]),
        ({"compare": {"metrics": SHIPPED["compare"]["loss"]}}, ["'metrics' is the name of another table"]),
        ({"compare": {"loss": {"variants": {"ce": {"los": "ce"}}}}}, ["compare.loss.variants.ce.los", "'loss'?"]),
        ({"compare": {"sweep_rate": {"sweep": {"learning_rate": [0.1]}}}}, ["two different numbers"]),
        ({"semantics": {"llm": {"max_word": 3}}}, ["semantics.llm.max_word: there is no", "'max_words'?"]),
        ({"semantics": {"llm": {"max_words": "many"}}}, ["semantics.llm.max_words: must be a whole number"]),
        ({"metrics": {"ks": [5, "x"]}}, ["metrics.ks[1]: must be a whole number of at least 1, not 'x'"]),
        ({"metrics": {"ks": [5, 5]}}, ["metrics.ks: names a value twice: 5, 5"]),
        ({"metrics": {"systems": ["sasrec", 3]}}, ["metrics.systems[1]: must be text, not 3"]),
        ({"scenarios": {"movie_book": {"cold_start": {"seeds": 1}}}}, ["movie_book.cold_start.seeds", "there is no"]),
        ({"scenarios": {"movie_book": {"train": {"systems": {}}}}}, ["movie_book.train.systems: there is no setting"]),
        ({"scenarios": {"x": {**SAMPLE, "domains": {"a": "A", "a_to_a": "B"}}}}, ["both directions would be"]),
        ({"scenarios": {1: {}}}, ["scenarios.1: 1 is not a valid name", "in quotes"]),
        ({"scenarios": None}, ["scenarios: must be a mapping, not None"]),
        ({"compare": None}, ["compare: must be a mapping, not None"]),
        ({"compare": {"loss": {"directions": "x"}}}, ["compare.loss.directions: must be one of 1, 2, not 'x'"]),
        ({"compare": {"loss": {"variants": {True: {}}}}}, ["loss.variants: YAML reads a key as true; put the name in"]),
        ({"compare": {"loss": {"variants": {"ce": {"settings": 3}}}}}, ["ce.settings: must be a mapping, not 3"]),
        ({"compare": {"sweep_rate": {"sweep": {"learning_rate": [0.1, 0.10000001]}}}}, ["two different numbers"]),
        ({"train": {"systems": None}}, ["train.systems: must be a mapping, not None"]),
        ({"train": {"systems": {True: SASREC}}}, ["train.systems: YAML reads a key as true"]),
        ({"train": {"systems": {"x": {**SASREC, "variant": "a/b"}}}}, ["x.variant", "'a/b' is not a valid name"]),
        ({"train": {"systems": {"x": {**SASREC, "tuning_group": "a b"}}}}, ["x.tuning_group", "is not a valid name"]),
        ({"run": ["movie_book", "movie_book"]}, ["run: names a value twice"]),
    ],
)  # fmt: skip
def test_a_wrong_entry_is_one_line(change, words):
    text = refusal(change)
    assert text.startswith("config") and all(word in text for word in words), text


def test_the_file_and_the_line_are_those_of_the_entry(tmp_path):
    over = tmp_path / "mine.yaml"
    over.write_text("# mine\ntrain:\n  epochs: 3\n  patiense: 2\n")
    given = overlaid(yaml.safe_load(over.read_text()))
    with pytest.raises(UserError, match=rf"^{over}, line 4: train\.patiense: .*did you mean 'patience'"):
        load_plan(given, [ROOT / "config.yaml", over])


def test_a_missing_entry_is_located_at_the_deepest_key_there_is(tmp_path):
    file = tmp_path / "c.yaml"
    file.write_text("a:\n  b:\n    c: 1\n")
    assert locate(["a", "b", "x"], [file]) == f"{file}, line 2"
    assert locate(["z"], [file]) == "config"


@pytest.mark.parametrize("name", ["Movie-Book_2", "A", "0x", "a-b"])
def test_names_may_have_capitals_digits_and_both_dashes(name):
    scenario = {"release": "sample", "domains": {name: "Movies_and_TV", "b": "Books"}}
    config = Config(overlaid({"scenarios": {name: scenario}, "raw": {name: {"source": "download"}}}))
    assert list(config.scenarios[name].directions) == [f"{name}_to_b", f"b_to_{name}"]


def test_a_setting_comes_from_scenario_then_release_then_section_then_class():
    layers = [
        {
            "scenarios": {"movie_book": {"split": {"seed": 1}}},
            "raw": {"sample": {"split": {"seed": 2, "cold_users": 0.2}}},
        },
        {"split": {"seed": 3, "cold_users": 0.3, "candidates": 30}},
    ]
    config = Config(overlaid(*layers))
    split = config.settings("split", "movie_book")
    assert (split.seed, split.cold_users, split.candidates) == (1, 0.2, 30)
    assert config.settings("split", "kitchen_food").seed == 3
    assert config.settings("split", "kitchen_food") != config.settings("split", "movie_book")
    assert Config(SHIPPED).settings("split", "movie_book").candidates == 100


def test_the_sample_on_real_data_needs_the_release_alone():
    config = Config(overlaid({"scenarios": {"movie_book": {"release": "amazon2014"}}}))
    for section in ("semantics", "encode", "split"):
        assert config.settings(section, "movie_book") == config.settings(section, "kitchen_food")
    assert config.values("train", "movie_book") == config.values("train", "kitchen_food")
    assert config.settings("train", "movie_book", "Training").max_length == 100


def test_an_overlay_keeps_the_order_of_the_shipped_config():
    shipped = {"a": {"x": 1, "y": 2}, "b": 3}
    assert list(in_order({"b": 3, "c": 4, "a": {"z": 0, "y": 2, "x": 1}}, shipped)) == ["a", "b", "c"]
    assert list(in_order({"a": {"z": 0, "y": 2, "x": 1}}, shipped)["a"]) == ["x", "y", "z"]


def test_an_error_keeps_the_path_of_its_entry():
    with pytest.raises(SettingError) as refused:
        Config(overlaid({"split": {"seed": -1}}))
    assert refused.value.path == ("split", "seed")


def test_an_entry_of_a_list_and_one_of_the_command_line_are_located(tmp_path):
    file = tmp_path / "c.yaml"
    file.write_text("metrics:\n  ks:\n  - 5\n  - x\n")
    assert locate(["metrics", "ks", 1], [file]) == f"{file}, line 4"
    assert locate(["metrics", "depth"], [file], {"metrics": {"depth": 3}}) == "--config"
    assert locate(["metrics", "ks", 1], [file], {"metrics": {"depth": 3}}) == f"{file}, line 4"
    assert locate(["trian"], [file], {"trian": 3}) == "--config"


def test_a_mapping_of_settings_is_looked_up_key_by_key():
    """A scenario that sets one of them keeps what its release and the config say of the others."""
    config = Config(overlaid({"scenarios": {"movie_book": {"semantics": {"llm": {"margin": 0.2}}}}}))
    found = config.settings("semantics", "movie_book").llm
    assert (found.margin, found.max_words) == (0.2, SHIPPED["raw"]["sample"]["semantics"]["llm"]["max_words"])


WRONG = [
    None,
    True,
    3,
    3.5,
    -1,
    "x",
    "",
    [],
    [1],
    ["a", None],
    {},
    {"x": 1},
    {1: 2},
    {"x": {"y": 1}},
    [[1]],
    {None: None},
]


@settings(deadline=None, max_examples=80)
@given_by(st.sampled_from(list(paths_of(SHIPPED))), st.sampled_from(WRONG))
def test_whatever_stands_somewhere_is_right_or_refused_in_one_line(path, value):
    given = overlaid()
    node = given
    for key in path[:-1]:
        node = node[key]
    node[path[-1]] = value
    try:
        load_plan(given, [ROOT / "config.yaml"])
    except UserError as error:
        assert "\n" not in str(error)


def test_a_key_given_twice_is_refused_with_both_lines(tmp_path):
    file = tmp_path / "mine.yaml"
    file.write_text("train:\n  epochs: 3\n  patience: 2\n  epochs: 4\n")
    with pytest.raises(UserError, match=rf"^{file}, line 4: epochs is given twice, first in line 2$"):
        refuse_doubles([ROOT / "config.yaml", file])
    refuse_doubles([ROOT / "config.yaml", *sorted((ROOT / "examples").glob("*.yaml"))])

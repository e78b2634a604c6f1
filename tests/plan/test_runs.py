"""Runs are records: equal records are one run, and other settings are another folder."""

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from plans import example, overlaid, plan_of

from semacdr.errors import UserError
from semacdr.plan import summaries
from semacdr.plan.config import Config
from semacdr.plan.plan import Plan
from semacdr.plan.systems import parse

DIRECTION = ("movie_book", "movie_to_book")


def record(plan, place=DIRECTION, **system):
    return plan.record(*place, parse(system, "x"))


@pytest.fixture(scope="module")
def plan():
    return plan_of()


def test_naming_a_default_makes_no_other_run(plan):
    plain = record(plan, model="sasrec", loss="ce")
    assert plain == record(plan, model="sasrec", loss="ce", settings={"blocks": 2}, learning_rate=0.002)
    assert plain == record(plan, model="sasrec", variant="other", loss="ce", seeds=[7])
    assert record(plan, model="sasrec") == record(plan, model="sasrec", loss="bce") != plain


def test_a_default_of_the_model_is_another_run_where_the_scenario_sets_another_value(plan):
    plain = record(plan, model="semacdr", loss="ce")
    published = record(plan, model="semacdr", loss="ce", learning_rate=0.001)
    assert json.loads(plain.training)["learning_rate"] == 0.002
    assert json.loads(published.training)["learning_rate"] == 0.001
    assert plain.folder != published.folder
    assert "learning_rate_0.001" in published.folder and "learning_rate" not in plain.folder


@settings(deadline=None, max_examples=20)
@given(st.floats(0.001, 0.5), st.integers(1, 4))
def test_records_are_equal_exactly_if_their_folders_are(rate, blocks):
    plan = plan_of()
    one = record(plan, model="sasrec", learning_rate=rate, settings={"blocks": blocks})
    other = record(plan, model="sasrec", learning_rate=0.01, settings={"blocks": 2})
    assert (one == other) == (one.folder == other.folder)


def test_a_folder_is_named_after_what_is_trained(plan):
    assert record(plan, model="popularity").folder.startswith("popularity-")
    assert record(plan, model="sasrec", loss="ce").folder.startswith("sasrec-ce-")
    ablated = record(plan, model="semacdr", loss="ce", settings={"inner": False}, visibility="all").folder
    assert ablated.startswith("semacdr-ce-visibility_all-inner_false-")
    assert all(len(word) == 8 for word in [ablated.rsplit("-", 1)[1]])


def test_an_experiment_shares_the_runs_of_the_table(plan):
    table = plan.table_runs("movie_book")["semacdr/full"]
    ablation = plan.experiment_runs("movie_book", "ablation")["full"]
    assert [run.folder for run in ablation] == [run.folder for run in table]
    names = {run.record.folder for run in plan.experiment_runs("movie_book", "visibility_cd_sasrec")["causal"]}
    assert all(name.startswith("cd_sasrec-ce-") for name in names)


def test_a_what_if_is_another_folder():
    before = plan_of().table_runs("movie_book")["sasrec/full"][0].folder
    after = (
        plan_of({"train": {"systems": {"sasrec": {"learning_rate": 0.01}}}})
        .table_runs("movie_book")["sasrec/full"][0]
        .folder
    )
    assert before != after and "learning_rate_0.01" in after


def test_options_make_no_other_run():
    one, other = plan_of(), plan_of({"train": {"threads": 2}, "rank": {"batch_size": 7}})
    assert one.table_runs("movie_book") == other.table_runs("movie_book")
    assert other.options("train", "movie_book").threads == 2


def test_the_order_of_the_config_names_no_run():
    config = overlaid()
    config["compare"] = dict(reversed(config["compare"].items()))
    turned, shipped = Plan(Config(config)), plan_of()
    assert turned.experiment_runs("movie_book", "loss") == shipped.experiment_runs("movie_book", "loss")


def test_a_baseline_without_training_has_one_run_for_all_seeds():
    plan = plan_of({"scenarios": {"movie_book": {"train": {"seeds": [5, 6]}}}})
    runs = plan.experiment_runs("movie_book", "baselines")
    assert [run.seed for run in runs["popularity"]] == [5, 5, 5, 5]
    assert [run.seed for run in runs["sasrec"]] == [5, 6, 5, 6]
    assert len(plan.table_runs("movie_book")["popularity/full"]) == 2  # one per direction


def test_an_experiment_takes_its_directions_and_seeds():
    plan = plan_of({"scenarios": {"movie_book": {"train": {"seeds": [1, 2, 3]}}}})
    assert {run.seed for run in plan.experiment_runs("movie_book", "ablation_glance")["full"]} == {1}
    swept = plan.experiment_runs("movie_book", "sweep_rate")
    assert list(swept) == ["0.0003", "0.001", "0.003", "0.01"]
    assert {run.direction for runs in swept.values() for run in runs} == {"movie_to_book"}


TWO = {"system": {"model": "sasrec"}, "variants": {"one": {}, "two": {"loss": "ce"}}}


def test_an_experiment_says_what_is_compared_with_what_and_at_which_cutoffs():
    three = TWO | {"variants": TWO["variants"] | {"more": {"loss": "bce", "against": "two"}}, "cutoffs": [10, 20]}
    plan = plan_of({"compare": {"pairs": three, "plain": TWO}})
    assert plan.experiments["pairs"].options == ["--against", "more", "two", "--cutoffs", "10", "20"]
    assert plan.experiments["plain"].options == [] == plan.experiments["cold_start"].options
    assert list(plan.experiment_runs("movie_book", "pairs")) == ["one", "two", "more"]
    plan = plan_of({"cold_start": {"cutoffs": [10, 5], "variants": {"sasrec": {"against": "semacdr"}}}})
    assert plan.experiments["cold_start"].options == ["--against", "sasrec", "semacdr", "--cutoffs", "10", "5"]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"variants": {"two": {"against": "tow"}}}, r"compare.pairs.variants.two.against.* no other variant 'tow'"),
        ({"variants": {"two": {"against": "two"}}}, r"no other variant 'two'; known: one"),
        ({"cutoffs": [10, 10]}, r"compare.pairs.cutoffs: names a value twice: 10, 10"),
        ({"cutoffs": [5, 20]}, r"must have 10 among them, which figures and the report show; they are 5, 20"),
        ({"cutoffs": []}, r"compare.pairs.cutoffs"),
    ],
)
def test_references_and_cutoffs_that_make_no_sense_are_refused(change, words):
    with pytest.raises(UserError, match=words):
        plan_of({"compare": {"pairs": TWO}}, {"compare": {"pairs": change}})


def test_an_unknown_run_is_refused_with_the_nearest(plan):
    name = record(plan, model="sasrec", loss="ce").folder
    assert plan.found(*DIRECTION, name).model == "sasrec"
    with pytest.raises(UserError, match=rf"is the run {name[:-1]}x; did you mean '{name}'\?"):
        plan.found(*DIRECTION, f"{name[:-1]}x")


def test_the_inputs_are_those_that_the_model_declares(plan):
    sasrec, semacdr = record(plan, model="sasrec"), record(plan, model="semacdr")
    assert plan.inputs(*DIRECTION, sasrec) == {}
    assert list(plan.inputs(*DIRECTION, semacdr)) == ["agnostic", "embeddings", "graphs"]
    enhanced = record(plan, model="c2dsr", settings={"semantics": True})
    assert "embeddings" in plan.inputs(*DIRECTION, enhanced)
    assert "embeddings" not in plan.inputs(*DIRECTION, record(plan, model="c2dsr"))


def test_variants_of_another_scenario_are_allowed_where_the_data_are_the_same():
    plan = plan_of(example("engines"))
    runs = plan.experiment_runs("movie_book", "engines")
    assert {run.scenario for run in runs["encoder"]} == {"movie_book_encoder"}
    other = plan_of(example("engines"), {"scenarios": {"movie_book_encoder": {"split": {"seed": 1}}}})
    with pytest.raises(UserError, match=r"compare\.engines: movie_book and movie_book_encoder differ in split"):
        other.experiment_runs("movie_book", "engines")
    other = plan_of(example("engines"), {"scenarios": {"movie_book_encoder": {"release": "amazon2014"}}})
    with pytest.raises(UserError, match="differ in release"):
        other.experiment_runs("movie_book", "engines")


def test_sweeps_share_the_runs_of_their_default_values():
    """The default of a sweep is a run of the table, and two sweeps of the same values share runs."""
    plan = plan_of({"scenarios": {"movie_book": {"train": {"learning_rate": 0.003, "semantic_learning_rate": 0.003}}}})
    folders = [run.folder for sweep in summaries.sweeps(plan, "movie_book") for run in all_runs(plan, sweep.name)]
    assert len(folders) == 5 + 6 + 4 + 4 and len(set(folders)) == 5 + 6 + 4 + 4 - 2
    table = {run.folder for run in plan.table_runs("movie_book")["semacdr/full"]}
    assert table & set(folders)


def all_runs(plan, experiment):
    return [run for runs in plan.experiment_runs("movie_book", experiment).values() for run in runs]


def test_the_report_of_the_sample_shares_the_runs_of_its_experiments():
    plan = plan_of()
    glance = {run.folder for run in all_runs(plan, "ablation_glance")}
    assert {run.folder for runs in summaries.mixing_runs(plan, "movie_book").values() for run in runs} <= glance


def test_the_report_needs_personas_and_gates_of_the_systems_that_read_personas():
    plan, scenario = plan_of(), "movie_book_disjoint"
    files = summaries.report_files(plan, scenario)
    own, other = plan.table_runs(scenario, ["sphere", "lightgcn"]).values()
    assert files["shown"] == [run.folder for run in (*own, *other)]
    assert files["gates"] == [f"{run.folder}/gate_weights.parquet" for run in own]
    assert files["personas"] == [f"results/{scenario}/{name}/personas" for name in ("movie_to_book", "book_to_movie")]
    words = summaries.report_options(plan, scenario)
    assert words[words.index("--gates") + 1 :][:2] == files["gates"] and "--personas" in words
    without = summaries.report_options(plan, "movie_book")
    assert "--shown" in without and not {"--gates", "--personas"} & {*without}


def test_an_experiment_has_its_own_seeds_and_not_those_of_a_table_s_system():
    plan = plan_of({"train": {"systems": {"semacdr": {"seeds": [1, 2, 3, 4]}}}})
    assert {run.seed for run in plan.experiment_runs("movie_book", "visibility")["causal"]} == {1}
    assert {run.seed for run in plan.table_runs("movie_book")["semacdr/full"]} == {1, 2, 3, 4}
    assert {run.seed for run in plan.table_runs("movie_book")["sasrec/full"]} == {1}


def test_without_texts_no_system_reads_what_is_made_of_them():
    plan = plan_of({"scenarios": {"movie_book": {"train": {"texts": False}}}})
    for systems in (plan.table_runs("movie_book"), plan.experiment_runs("movie_book", "baselines")):
        for run in [run for own in systems.values() for run in own]:
            assert not {"agnostic", "embeddings"} & plan.inputs(run.scenario, run.direction, run.record).keys()
    runs = plan.experiment_runs("movie_book", "baselines")
    settings = json.loads(runs["semacdr"][0].record.settings)
    assert (settings["inner"], settings["agnostic"], settings["graph"]) == (False, False, "co_interaction")
    assert runs["enhanced_c2dsr"][0].folder == runs["c2dsr"][0].folder  # without texts it is the same system
    ablation = plan.experiment_runs("movie_book", "ablation")
    assert ablation["full"] == ablation["without_inner"] == ablation["without_semantics"]
    assert {run.folder for run in ablation["full"]} == {run.folder for run in ablation["without_semantics"]}
    with_texts = plan_of().experiment_runs("movie_book", "baselines")
    assert runs["sasrec"][0].folder == with_texts["sasrec"][0].folder


def test_data_sets_join_the_experiments_on_all_scenarios_of_run():
    plan = plan_of(example("kitchen_food"), example("data_sets"))
    assert plan.config.run == ["kitchen_food", "kitchen_food_sparse", "art_office", "beauty_electronics"]
    runs = summaries.data_set_runs(plan)
    assert {place: {len(own) for own in found.values()} for place, found in runs.items()} == {
        (name, scenario): {6} for name in ("main_systems", "main_systems_tuned") for scenario in plan.config.run
    }
    for scenario in plan.config.run:  # the default settings are those of no tuning, anywhere
        assert {run.record.tuned for own in runs["main_systems", scenario].values() for run in own} == {"null"}
        tuned = json.loads(runs["main_systems_tuned", scenario]["c2dsr"][0].record.tuned)
        assert (tuned["other_data"] or {}).get("scenario", scenario) == "kitchen_food"
    for name in ("main_systems", "main_systems_tuned"):  # without texts, SASRec with texts is SASRec
        runs_there = runs[name, "beauty_electronics"]
        assert [run.folder for run in runs_there["sasrec_text"]] == [run.folder for run in runs_there["sasrec"]]
        assert runs[name, "art_office"]["sasrec_text"][0].folder != runs[name, "art_office"]["sasrec"][0].folder
    words = summaries.data_set_options(plan)
    assert words[:4] == ["--runs", "main_systems", "kitchen_food", "semacdr"]
    variants = [len(plan.experiments[name].variants) for name in ("main_systems", "main_systems_tuned")]
    assert words.count("--runs") == 4 * sum(variants)  # of four data sets


def test_a_system_that_is_not_listed_is_a_row_only_where_it_is_named(plan):
    assert not plan.systems["sphere"].listed and "sphere" not in plan.listed("movie_book")
    assert plan.listed("movie_book")[0] == "popularity" and len(plan.listed("movie_book")) == 12
    assert plan.listed("movie_book_disjoint") == ["popularity", "item_knn", "seq_rules", "lightgcn", "sphere"]

"""The search for settings: the search space, trials that survive a kill, the same budget for all."""

import json
import math
from pathlib import Path

import optuna
import pytest
from optuna.trial import TrialState

from semacdr import models
from semacdr.errors import UserError
from semacdr.stages import tune_search, tune_select
from semacdr.training.progress import Epoch
from semacdr.training.settings import Training
from semacdr.training.system import System, split_settings
from semacdr.tuning import space as spaces
from semacdr.tuning.study import Outcome, Settings, best, ended, identity, open_study, search

BUDGET = Settings(trials=7, trial_seconds=60.0, random_trials=3, prune_after_epoch=1, seed=5)
GIVEN = {
    "learning_rate": {"low": 0.0001, "high": 0.1, "log": True},
    "dropout": {"low": 0, "high": 0.9},
    "blocks": {"low": 1, "high": 4},
    "norm": {"choices": ["original", "pre"]},
}


def system(name="sasrec", **settings):
    return System(name, models.load(name).Settings(**settings), Training(loss="ce"))


SPACE = spaces.parse(GIVEN, system())


SHIPPED = sorted(Path("resources/tuned").glob("*.json"))


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.stem)
def test_the_tuned_settings_are_the_better_after_full_training_and_all_are_settings_of_the_model(path):
    directions = json.loads(path.read_text())["directions"].values()
    entries = [entry for kinds in directions for entry in kinds.values()]
    assert len(entries) > 20 and len({json.dumps(entry["found"]["budget"]) for entry in entries}) == 1
    for entry in entries:
        chosen, found = entry["training"] | entry["settings"], entry["found"]
        ends = {name: end["value"] for name, end in found["ends"].items()}
        assert found["chosen"] == max(("untuned", "proposed"), key=ends.get)
        assert chosen == (found["proposed"]["training"] | found["proposed"]["settings"] if chosen else {})
        assert bool(chosen) == (found["chosen"] == "proposed") and chosen.keys() <= found["space"].keys()
        training, own = split_settings(chosen)
        assert training.keys() == entry["training"].keys()
        models.load(entry["model"]).Settings(**own)


def quality(params):
    return 1 - abs(math.log10(params["learning_rate"]) + 2) / 4 - 0.1 * params["dropout"]


class Toy:
    """Trials of three epochs that need no training; the process may be interrupted in one, a setting may fail."""

    def __init__(self, interrupt_at=None, refuse=None):
        self.seen, self.interrupt_at, self.refuse = [], interrupt_at, refuse

    def __call__(self, trial):
        self.seen.append(dict(trial.params))
        if self.refuse and self.refuse(trial.params):
            raise UserError("training diverged")
        for epoch in range(1, 4):
            trial.report(quality(trial.params) * epoch, epoch)
            if len(self.seen) == self.interrupt_at:
                raise KeyboardInterrupt  # the trial is not recorded, as after kill -9
            if trial.should_prune():
                return Outcome(quality(trial.params) * epoch, True, {"epochs": epoch})
        return Outcome(quality(trial.params) * 3, False, {"epochs": 3})


def run(path, toy, budget=BUDGET, name="a"):
    with open_study(path, name, budget) as study:
        return search(study, SPACE, {"dropout": 0.5}, budget, toy)


def results_of(trials):
    return [(trial.params, trial.value, trial.state, trial.user_attrs) for trial in trials]


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """A search without interruption."""
    return run(tmp_path_factory.mktemp("whole") / "trials.sqlite", Toy())


@pytest.mark.parametrize("at", [1, 5])
def test_a_killed_search_goes_on_with_the_same_trials_and_loses_none(tmp_path, whole, at):
    with pytest.raises(KeyboardInterrupt):
        run(tmp_path / "trials.sqlite", Toy(interrupt_at=at))
    with open_study(tmp_path / "trials.sqlite", "a", BUDGET) as study:
        assert results_of(ended(study)) == results_of(whole)[: at - 1]
    toy = Toy()
    assert results_of(run(tmp_path / "trials.sqlite", toy)) == results_of(whole)
    assert toy.seen == [trial.params for trial in whole[at - 1 :]]


def test_the_search_is_one(whole):
    """The search does not repeat one point and it learns: it prunes, and its best value is good."""
    assert len({json.dumps(trial.params) for trial in whole}) == BUDGET.trials
    assert {TrialState.PRUNED, TrialState.COMPLETE} == {trial.state for trial in whole}
    assert all(trial.state == TrialState.COMPLETE for trial in whole[: BUDGET.random_trials])
    found = best(whole, "toy")
    assert found.value == max(trial.value for trial in whole if trial.state == TrialState.COMPLETE) > 2.4
    assert {type(trial.params["blocks"]) for trial in whole} == {int}


def test_the_first_trial_has_the_settings_that_are_there(whole):
    assert whole[0].params["dropout"] == 0.5
    assert spaces.current(SPACE, system(blocks=9)) == {"learning_rate": 0.001, "dropout": 0.5, "norm": "original"}


def test_more_trials_go_on_from_those_that_are_there_and_fewer_take_the_first(tmp_path, whole):
    fewer = Settings(**vars(BUDGET) | {"trials": 4})
    assert results_of(run(tmp_path / "trials.sqlite", Toy(), fewer)) == results_of(whole)[:4]
    toy = Toy()
    assert results_of(run(tmp_path / "trials.sqlite", toy)) == results_of(whole)
    assert len(toy.seen) == 3
    toy = Toy()
    assert results_of(run(tmp_path / "trials.sqlite", toy, fewer)) == results_of(whole)[:4] and toy.seen == []


def test_another_study_in_the_same_file_has_its_own_trials(tmp_path, whole):
    two = Settings(**vars(BUDGET) | {"trials": 2})
    run(tmp_path / "trials.sqlite", Toy(), two, name="a")
    toy = Toy()
    assert results_of(run(tmp_path / "trials.sqlite", toy, two, name="b")) == results_of(whole)[:2]
    assert len(toy.seen) == 2


def test_a_study_is_named_by_all_that_decides_its_trials(tmp_path):
    file = tmp_path / "split.parquet"
    file.write_text("a")
    names = [identity({"seconds": 1}, [file]), identity({"seconds": 2}, [file]), identity({"seconds": 1}, [])]
    assert identity({"seconds": 1}, [file]) == names[0]
    file.write_text("b")
    assert len({*names, identity({"seconds": 1}, [file])}) == 4
    with pytest.raises(UserError, match=r"none.py: cannot be read"):
        identity({}, [tmp_path / "none.py"])


def test_a_trial_that_fails_counts_and_is_never_the_best(tmp_path):
    trials = run(tmp_path / "trials.sqlite", toy := Toy(refuse=lambda params: params["norm"] == "pre"))
    failed = [trial for trial in trials if trial.state == TrialState.FAIL]
    assert len(toy.seen) == len(trials) == BUDGET.trials and failed
    assert {trial.user_attrs["error"] for trial in failed} == {"training diverged"}
    assert best(trials, "toy").params["norm"] == "original"
    trials = run(tmp_path / "none.sqlite", Toy(refuse=lambda params: True), Settings(**vars(BUDGET) | {"trials": 2}))
    with pytest.raises(UserError, match="toy: none of 2 trials finished; the last error: training diverged"):
        best(trials, "toy")


def test_two_processes_do_not_share_a_search(tmp_path):
    path = tmp_path / "trials.sqlite"
    with (
        open_study(path, "a", BUDGET),
        pytest.raises(UserError, match="another process"),
        open_study(path, "a", BUDGET),
    ):
        pass


def test_a_file_that_is_none_of_trials_is_refused(tmp_path):
    (tmp_path / "trials.sqlite").write_text("no database, but long enough to be read as the header of one" * 20)
    with (
        pytest.raises(UserError, match=r"trials.sqlite: cannot be opened"),
        open_study(tmp_path / "trials.sqlite", "a", BUDGET),
    ):
        pass


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"droput": {"low": 0, "high": 1}}, "there is no setting 'droput'"),
        ({"members": {"low": 1, "high": 2}}, "there is no setting 'members'"),
        ({"dropout": {"low": 0.5, "high": 0.5}}, "sasrec: dropout needs numbers, low below high"),
        ({"dropout": {"low": "a", "high": "b"}}, "sasrec.dropout: must be a number of at least 0 and below 1, not 'a'"),
        ({"dropout": {"low": 0.5}}, "sasrec.dropout: must be a number of at least 0"),
        ({"dropout": 0.5}, "sasrec: dropout must be"),
        ({"dropout": {"low": 0, "high": 0.9, "logarithmic": True}}, "sasrec: dropout must be"),
        ({"dropout": {"low": 0.0, "high": 0.9, "log": True}}, "sasrec: dropout is not a valid range"),
        ({"dropout": {"low": 0.1, "high": 0.9, "log": True, "step": 0.1}}, "sasrec: dropout is not a valid range"),
        ({"blocks": {"low": 1, "high": 2.5}}, "sasrec.blocks: must be a whole number of at least 1, not 2.5"),
        ({"blocks": {"low": 1, "high": 3, "step": 0.5}}, "blocks needs a step above 0, a whole number"),
        ({"dropout": {"low": 0.1, "high": 0.5, "step": -0.1}}, "dropout needs a step above 0"),
        ({"norm": {"low": "pre", "high": "post"}}, "sasrec: norm needs numbers"),
        ({"norm": {"choices": ["pre"]}}, "sasrec: norm needs at least two choices"),
        ({"norm": {"choices": ["pre", 1]}}, "sasrec.norm: must be one of original, pre, post, not 1"),
        (
            {"loss": {"choices": ["ce", "brp"]}},
            "sasrec.loss: must be one of bpr, bce, gbce, sampled_softmax, ce or null, not 'brp'",
        ),
        (
            {"precision": {"choices": ["float32", "float16"]}},
            "sasrec.precision: must be one of float32, bfloat16, not 'float16'",
        ),
        ({"epochs": {"low": 1, "high": 2}}, "sasrec: epochs is the same for all models"),
    ],
)
def test_a_space_that_cannot_be_is_refused(given, words):
    with pytest.raises(UserError) as refused:
        spaces.parse(given, system())
    assert words in str(refused.value)


def test_a_setting_that_makes_another_system_is_not_chosen():
    with pytest.raises(UserError, match="c2dsr: semantics changes the model's inputs"):
        spaces.parse({"semantics": {"choices": [True, False]}}, system("c2dsr"))


def test_chosen_settings_reach_training_and_system():
    found = system(norm="pre").choose({"learning_rate": 0.02, "dropout": 0.3, "blocks": 1})
    assert (found.training.learning_rate, found.training.loss) == (0.02, "ce")
    assert (found.settings.dropout, found.settings.blocks, found.settings.norm, found.settings.dim) == (
        0.3,
        1,
        "pre",
        64,
    )


def test_a_training_ends_with_the_epoch_in_which_its_seconds_are_used_up(monkeypatch):
    now = 100.0
    monkeypatch.setattr(tune_search.time, "monotonic", lambda: now)
    stopper, asked = tune_search.TrialStopper(10), []
    for number, value in enumerate((0.3, 0.5, 0.4), 1):
        now += 4
        asked.append(stopper(Epoch(number, 0.0, value, 0.0)))
    assert asked == [False, False, True] and (stopper.best, stopper.ended_by) == (0.5, "time")


def test_a_training_that_is_no_better_than_others_is_given_up(tmp_path):
    budget = Settings(trials=3, trial_seconds=60.0, random_trials=1, prune_after_epoch=1)
    qualities, stopperes = iter((0.5, 0.2, 0.9)), []

    def outcome(trial):
        stopper, level = tune_search.TrialStopper(60, trial), next(qualities)
        epochs = next((number for number in range(1, 6) if stopper(Epoch(number, 0.0, level, 0.0))), 5)
        stopperes.append((stopper.ended_by, epochs))
        return Outcome(stopper.best, stopper.ended_by == "pruner", {})

    with open_study(tmp_path / "trials.sqlite", "a", budget) as study:
        trials = search(study, SPACE, {}, budget, outcome)
    assert stopperes[0] == stopperes[2] == ("itself", 5)
    assert stopperes[1][0] == "pruner" and stopperes[1][1] < 5
    assert best(trials, "toy").number == 2 and isinstance(study, optuna.Study)


FILTER = {"min_item_interactions": 5, "min_user_interactions": 3, "filter": "iterated"}


def found(tmp_path, name, direction=("kitchen", "food"), key=None, seconds=120.0, ends=(0.05, 0.07)):
    """The files of stage tune_search for a system, and of stage train without tuning and with it."""
    budget = {"trials": 2, "trial_seconds": seconds, "seeds": [1, 2], "threads": 1, "device": "cpu"}
    counts = dict.fromkeys(tune_select.COUNTS, 1)
    written = {
        "release": "amazon2014", "scenario": "kitchen_food", "source": direction[0], "target": direction[1],
        "name": name, "key": key or f"{name}-ce", "model": name, "loss": "ce",
        "training": {"learning_rate": 0.0123456}, "settings": {"norm": "pre"},
        "untuned": {"training": {"epochs": 200, "patience": 10}, "settings": {}},
        "found": counts | {"first": None, "value": 0.0612345, "budget": budget},
    }  # fmt: skip
    path = tmp_path / f"{name}_{direction[0]}.json"
    path.write_text(json.dumps(written))
    for settings, value in zip(("untuned", "proposed"), ends, strict=True):
        for seed, by in ((1, -0.01), (2, 0.01)):
            folder = path.with_suffix("") / settings / f"seed{seed}"
            folder.mkdir(parents=True, exist_ok=True)
            (folder / "history.tsv").write_text(f"epoch\tvalid_ndcg_10\n1\t0.01\n2\t{value + by}\n3\t0.02\n")
            (folder / "cost.json").write_text('{"training_seconds": 7.0, "validation_seconds": 1.5}')
            run = {name: written[name] for name in ("source", "target", "model")} | {"seed": seed, "settings": {}}
            (folder / "settings.json").write_text(json.dumps(run | {"training": {"epochs": 80, "patience": 5}}))
    return path


def collect(tmp_path, *paths):
    outputs = {kind: tmp_path / name for kind, name in (
        ("output", "tuned.json"), ("tsv", "tune.tsv"), ("table", "tune.md"))}  # fmt: skip
    more = ["--preprocess", json.dumps(FILTER), "--retrained"]
    more += [str(folder) for path in paths for folder in path.with_suffix("").glob("*/seed*")]
    tune_select.main(
        ["--found", *map(str, paths), *more, *(part for k, v in outputs.items() for part in (f"--{k}", str(v)))]
    )
    return [path.read_text() for path in outputs.values()]


def test_the_chosen_settings_are_one_file_by_direction_and_kind_of_system(tmp_path):
    paths = [found(tmp_path, "sasrec"), found(tmp_path, "c2dsr"), found(tmp_path, "c2dsr", ("food", "kitchen"))]
    settings, table, page = collect(tmp_path, *paths)
    assert json.loads(settings)["preprocess"] == FILTER
    directions = json.loads(settings)["directions"]
    assert {name: [*own] for name, own in directions.items()} == {
        "kitchen_to_food": ["sasrec-ce", "c2dsr-ce"], "food_to_kitchen": ["c2dsr-ce"]}  # fmt: skip
    assert directions["food_to_kitchen"]["c2dsr-ce"]["settings"] == {"norm": "pre"}
    rows = [line.split("\t") for line in table.splitlines()]
    assert [row[2] for row in rows] == ["system", "sasrec", "c2dsr", "c2dsr"]
    assert "learning_rate 0.01235, norm pre" in table and "| c2dsr | learning_rate 0.01235, norm pre |" in page
    assert "at most 120 s" in page and "wall-clock time" in page


def test_what_is_better_trained_to_its_end_is_chosen(tmp_path):
    paths = [
        found(tmp_path, "sasrec", ends=(0.08, 0.07)), found(tmp_path, "c2dsr", ends=(0.07, 0.08)),
        found(tmp_path, "mgcl", ends=(0.07, 0.07)),
    ]  # fmt: skip
    settings, table, page = collect(tmp_path, *paths)
    kinds = json.loads(settings)["directions"]["kitchen_to_food"]
    proposal = {"training": {"learning_rate": 0.0123456}, "settings": {"norm": "pre"}}
    assert [kinds[name]["training"] for name in ("sasrec-ce", "c2dsr-ce", "mgcl-ce")] == [
        {}, proposal["training"], {}]  # fmt: skip
    assert kinds["sasrec-ce"]["settings"] == {} and kinds["c2dsr-ce"]["settings"] == proposal["settings"]
    assert all(kind["found"]["proposed"] == proposal for kind in kinds.values())
    assert kinds["sasrec-ce"]["found"]["ends"] == {
        "untuned": {"value": pytest.approx(0.08), "seconds": 17.0, "epochs": 80, "patience": 5},
        "proposed": {"value": pytest.approx(0.07), "seconds": 17.0, "epochs": 80, "patience": 5}}  # fmt: skip
    rows = [dict(zip(table.splitlines()[0].split("\t"), line.split("\t"), strict=True))
            for line in table.splitlines()[1:]]  # fmt: skip
    assert [row["chosen"] for row in rows] == ["untuned", "proposed", "untuned"]
    assert [(row["untuned_end"], row["proposed_end"], row["end_seconds"]) for row in rows[:1]] == [
        ("0.08", "0.07", "34")
    ]
    assert "|  | 0.0612 | 0.0800 | 0.0700 | untuned |" in page and "trained fully" in page


def test_the_loss_that_stands_there_is_of_what_was_chosen(tmp_path):
    paths = [found(tmp_path, "sasrec", ends=(0.08, 0.07)), found(tmp_path, "c2dsr")]
    for path in paths:
        written = json.loads(path.read_text())
        written["training"]["loss"] = "bpr"
        path.write_text(json.dumps(written))
    kinds = json.loads(collect(tmp_path, *paths)[0])["directions"]["kitchen_to_food"]
    assert [kind["loss"] for kind in kinds.values()] == ["ce", "bpr"]


def test_a_system_that_was_not_trained_to_its_end_is_refused(tmp_path):
    path = found(tmp_path, "sasrec")
    (path.with_suffix("") / "untuned/seed2/history.tsv").unlink()
    with pytest.raises(UserError, match=r"untuned/seed2/history.tsv: cannot be read as a table"):
        collect(tmp_path, path)
    (path.with_suffix("") / "untuned/seed1/cost.json").write_text("{}")
    with pytest.raises(UserError, match=r"sasrec_kitchen.json: this file or its full trainings were not written"):
        collect(tmp_path, path)


def test_other_budgets_and_two_systems_in_one_place_are_refused(tmp_path):
    with pytest.raises(UserError, match=r"(?s)c2dsr was tuned with .*60.*, sasrec with .*120.*; tune it again"):
        collect(tmp_path, found(tmp_path, "sasrec"), found(tmp_path, "c2dsr", seconds=60.0))
    with pytest.raises(UserError, match="mine and sasrec are both sasrec-ce"):
        collect(tmp_path, found(tmp_path, "sasrec"), found(tmp_path, "mine", key="sasrec-ce"))
    (tmp_path / "none.json").write_text("{}")
    with pytest.raises(UserError, match=r"none.json: this file or its full trainings were not written"):
        collect(tmp_path, found(tmp_path, "sasrec"), tmp_path / "none.json")

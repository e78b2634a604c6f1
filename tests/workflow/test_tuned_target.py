"""Tuned settings as data: made by a target, in force only where a person puts them, and never before explicit ones."""

import json

import pytest
from tuned_files import MADE, USED, count, entry, trainings, write

pytestmark = pytest.mark.slow

BOTH = {"train": 4, "rank": 4, "metrics": 1}  # sasrec and semacdr, in both directions
ONE = {"train": 2, "rank": 2, "metrics": 1}


def settings_of(project, system, direction="movie_to_book"):
    return json.loads((project / f"results/movie_book/{direction}/{system}/seed1/settings.json").read_text())


def test_what_tuning_chose_counts_once_a_person_puts_it_there(tuning):
    assert tuning.run(MADE) == {"tune": 4, "confirm": 8, "tuned": 1}
    assert tuning.plan() == {}  # no run changes what it starts from
    directions = json.loads((tuning / MADE).read_text())["directions"]
    check_choice(tuning, directions)
    assert [*directions] == ["movie_to_book", "book_to_movie"]
    assert all([*kinds] == ["sasrec-bce", "semacdr-bpr"] for kinds in directions.values())
    proposed = directions["movie_to_book"]["semacdr-bpr"]["found"]["proposed"]
    assert {*proposed["training"]} == {"learning_rate"} and not proposed["settings"]  # dropout is left out there
    for kinds in directions.values():  # whatever two epochs chose, so that there is something to see
        for kind in kinds.values():
            kind |= {"training": {"learning_rate": 0.0076543}}
        kinds["sasrec-bce"]["settings"] = {"dropout": 0.123}
    (tuning / USED).parent.mkdir(exist_ok=True)
    (tuning / USED).write_text(json.dumps({"scenario": "movie_book", "directions": directions}))
    assert tuning.plan(MADE) == {}  # tuning itself starts from what is not tuned
    assert tuning.run() == BOTH
    for direction in directions:
        found = settings_of(tuning, "sasrec", direction)
        assert (found["training"]["learning_rate"], found["settings"]["dropout"]) == (0.0076543, 0.123)
        assert (found["settings"]["dim"], found["training"]["epochs"]) == (16, 2)
    assert tuning.plan() == {}


def check_choice(project, directions):
    """What was chosen is, of two trainings like all others, that with the better validation."""
    for direction, kinds in directions.items():
        for system, kind in (("sasrec", kinds["sasrec-bce"]), ("semacdr", kinds["semacdr-bpr"])):
            settings, best = {}, {}
            for name in ("untuned", "proposed"):
                run = project / f"results/movie_book/{direction}/tune/{system}/{name}/seed1"
                settings[name] = json.loads((run / "settings.json").read_text())
                lines = [line.split("\t") for line in (run / "history.tsv").read_text().splitlines()]
                best[name] = max(float(line[lines[0].index("valid_ndcg_10")]) for line in lines[1:])
            proposed = kind["found"]["proposed"]
            assert settings["untuned"] == settings_of(project, system, direction)
            for part in ("training", "settings"):
                assert settings["proposed"][part] == settings["untuned"][part] | proposed[part]
            better = best["proposed"] > best["untuned"]
            assert (kind["training"], kind["settings"]) == (
                (proposed["training"], proposed["settings"]) if better else ({}, {})
            )


def test_the_loss_is_chosen_where_a_system_leaves_it_to_tuning(tuning):
    def change(config):
        config["compare"]["field"]["variants"]["free"] = {"loss": "tuned", "settings": {"dim": 16}}
        config["tune"]["space"]["common"]["loss"] = {"choices": ["ce", "sampled_softmax"]}

    tuning.configure(change)
    assert tuning.plan() == {}
    _, text = tuning.call("-n", "-p", MADE)
    jobs = {name: [line for line in text.splitlines() if f" --name {name} " in line] for name in ("free", "sasrec")}
    assert len(jobs["free"]) == len(jobs["sasrec"]) == 2
    assert count(jobs["free"], '"loss": {"choices": ["ce", "sampled_softmax"]}') == 2
    assert count(jobs["free"], "--loss bce ") == 2  # what its first trial has, as published
    assert count(jobs["free"], "--key sasrec-tuned ") == 2
    assert count(jobs["sasrec"], "--loss bce ") == 2 and not count(jobs["sasrec"], '"loss": ')
    field = "results/movie_book/field.tsv"
    alone = lambda commands: [line for line in commands if " --variant free " in line]  # noqa: E731
    status, text = tuning.call("-n", field)
    assert status != 0 and "field-free leaves its loss to tuning, and for 'sasrec-tuned', " in text, text
    write(tuning, **{"sasrec-tuned": entry()})
    assert not count(alone(trainings(tuning, field)), "--loss ")  # what it was published with was better
    chosen = entry()
    chosen["training"]["loss"] = "sampled_softmax"
    write(tuning, **{"sasrec-tuned": chosen})
    commands = alone(trainings(tuning, field))
    assert count(commands, "--loss sampled_softmax ") == count(commands, "--learning-rate 0.005 ") == 2
    assert tuning.plan() == {}  # another kind than sasrec itself
    _, text = tuning.call("-n", "-p", MADE)
    ends = alone(line for line in text.splitlines() if "semacdr.stages.train " in line)
    assert len(ends) == 4 and not count(ends, "--loss ") and count(ends, "--proposed ") == 2


def test_what_is_in_force_is_no_part_of_what_is_confirmed(tuning):
    write(tuning, **{"sasrec-bce": entry(dropout=0.3), "semacdr-bpr": entry()})
    _, text = tuning.call("-n", "-p", MADE)
    jobs = [line for line in text.splitlines() if "semacdr.stages.train " in line]
    assert len(jobs) == 8 and not count(jobs, "--learning-rate 0.005 ") and not count(jobs, '"dropout": 0.3')
    assert count(jobs, "--proposed results/movie_book/movie_to_book/tune/sasrec.json ") == 1
    assert count(jobs, "--proposed ") == 4


def test_explicit_settings_before_tuned_ones_before_all_others(tuning):
    system = lambda config: config["train"]["systems"]["sasrec"]  # noqa: E731
    write(tuning, **{"sasrec-bce": entry(dropout=0.3)})
    assert tuning.plan() == ONE
    tuning.configure(lambda config: config["scenarios"]["movie_book"].update(train={"learning_rate": 0.02}))
    commands = trainings(tuning)
    assert count(commands, "--learning-rate 0.005 ") == 2  # sasrec's; a scenario's are the systems' defaults
    assert count(commands, "--learning-rate 0.02 ") == 4  # of the others
    assert count(commands, '"dropout": 0.3}') == 2
    tuning.configure(lambda config: system(config).update(learning_rate=0.001))
    tuning.configure(lambda config: system(config)["settings"].update(dropout=0.25))
    commands = trainings(tuning)
    assert count(commands, "--learning-rate 0.001 ") == count(commands, '"dropout": 0.25}') == 2
    assert not count(commands, "--learning-rate 0.005") and not count(commands, '"dropout": 0.3}')


def test_the_switch_is_of_all_of_a_scenario_or_of_a_system(tuning):
    write(tuning, **{"sasrec-bce": entry(), "semacdr-bpr": entry()})
    assert tuning.plan() == BOTH
    tuning.configure(lambda config: config["train"]["systems"]["semacdr"].update(tuned=False))
    assert tuning.plan() == ONE
    tuning.configure(lambda config: config["scenarios"]["movie_book"].update(train={"tuned": False}))
    assert tuning.plan() == {}


def test_a_form_with_a_name_is_tuned_beside_the_model_itself(tuning):
    plus = {"model": "semacdr", "form": "plus", "loss": "bpr", "settings": {"dim": 16, "graph": "none"}}
    tuning.configure(lambda config: config["compare"]["field"]["variants"].update(plus=plus))
    status, text = tuning.call("-n", "-p", MADE)
    assert status == 0 and all(text.count(f"--key {key} ") == 2 for key in ("semacdr-bpr", "semacdr-plus-bpr")), text
    write(tuning, **{"semacdr-plus-bpr": entry()})
    assert tuning.plan() == {}  # the model itself is another kind
    commands = trainings(tuning, "results/movie_book/field.tsv")
    assert count(commands, "--learning-rate 0.005 ") == count(commands, "--variant plus ") == 2


def test_another_loss_or_form_is_another_kind_and_an_ablation_is_not(tuning):
    write(tuning, **{"sasrec-ce": entry(), "semacdr-bce": entry(), "semacdr": entry()})
    assert tuning.plan() == {}
    write(tuning, **{"semacdr-bpr": entry(dropout=0.2)})
    commands = trainings(tuning, "results/movie_book/ablation.tsv")
    assert count(commands, "--learning-rate 0.005 ") == 6  # the variants of semacdr in both directions
    assert count(commands, '"dropout": 0.2') == 4
    assert count(commands, '"dropout": 0.5') == 2  # to name the default is to set it
    write(tuning)
    same = {"train": 2, "rank": 2, "compare": 1}  # then to name it says nothing
    assert tuning.plan("results/movie_book/ablation.tsv") == same
    write(tuning, ("kitchen", "food"), **{"semacdr-bpr": entry(dropout=0.2)})
    assert tuning.plan("results/movie_book/ablation.tsv") == same  # another scenario's is no matter of this one


def test_another_experiment_is_tuned_by_a_file_laid_over(checkout, tmp_path):
    (tmp_path / "laid.yaml").write_text("tune: {experiment: plus}")
    status, text = checkout.call("-n", "--configfile", f"{tmp_path}/laid.yaml", "--", MADE)
    assert status == 0 and "tune/plus-plus.json" in text, text


def test_the_example_tunes_every_learned_system_alike(checkout):
    status, text = checkout.call(
        "-n", "-p", "--configfile", "examples/tune.yaml", "--", "results/movie_book/tuned.json"
    )
    assert status == 0, text
    jobs = [line for line in text.splitlines() if "semacdr.stages.tune_search " in line]
    assert len(jobs) >= 22 and len({line.partition(" --trials ")[2].partition(" --threads ")[0] for line in jobs}) == 1
    assert all(" --loss ce " in line for line in jobs)

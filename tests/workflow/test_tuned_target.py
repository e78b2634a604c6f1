"""Tuned settings as data: made by a target, in force only where a person puts them, and never before explicit ones."""

import json
import shutil

import pytest

pytestmark = pytest.mark.slow

MADE, USED = "results/movie_book/tuned.json", "resources/tuned/movie_book.json"
BOTH = {"train": 4, "rank": 4, "metrics": 1}  # sasrec and semacdr, in both directions
ONE = {"train": 2, "rank": 2, "metrics": 1}
SPACE = {"common": {"learning_rate": {"low": 0.002, "high": 0.01}, "dropout": {"low": 0.1, "high": 0.4}}}


@pytest.fixture
def tuning(project):
    """The finished project, with an experiment of its two learned systems and of one that learns nothing."""

    def change(config):
        variants = {
            "sasrec": {},
            "semacdr": {"model": "semacdr"},
            "popularity": {"model": "popularity", "settings": {}},
        }
        for name in ("sasrec", "semacdr"):
            variants[name] |= {"settings": {"dim": 16}, "loss": {"sasrec": "bce", "semacdr": "bpr"}[name]}
        field = {"system": {"model": "sasrec"}, "variants": variants}
        ablation = {"system": {"model": "semacdr", "settings": {"dim": 16}},
                    "variants": {"full": {}, "without": {"settings": {"agnostic": False}},
                                 "dropout": {"settings": {"dropout": 0.5}}}}  # fmt: skip
        config["compare"] = {"field": field, "ablation": ablation}
        config["tune"] |= {"trials": 2, "seconds": 60, "epochs": 1, "space": SPACE | {"semacdr": {"dropout": None}}}

    project.configure(change)
    return project


def settings_of(project, system, direction="movie_to_book"):
    return json.loads((project / f"results/movie_book/{direction}/{system}/seed1/settings.json").read_text())


def adopt(project):
    (project / USED).parent.mkdir(exist_ok=True)
    shutil.copy(project / MADE, project / USED)


def test_what_tuning_chose_counts_once_a_person_puts_it_there(tuning):
    assert tuning.run(MADE) == {"tune": 4, "tuned": 1}
    assert tuning.plan() == {}  # no run changes what it starts from
    directions = json.loads((tuning / MADE).read_text())["directions"]
    assert [*directions] == ["movie_to_book", "book_to_movie"]
    assert all([*kinds] == ["sasrec-bce", "semacdr-bpr"] for kinds in directions.values())
    assert {*directions["movie_to_book"]["semacdr-bpr"]["training"]} == {"learning_rate"}  # dropout is left out there
    adopt(tuning)
    assert tuning.plan(MADE) == {}  # tuning itself starts from what is not tuned
    assert tuning.run() == BOTH
    for direction, kinds in directions.items():
        found = settings_of(tuning, "sasrec", direction)
        assert found["training"]["learning_rate"] == kinds["sasrec-bce"]["training"]["learning_rate"] != 0.001
        assert found["settings"]["dropout"] == kinds["sasrec-bce"]["settings"]["dropout"] != 0.5
        assert (found["settings"]["dim"], found["training"]["epochs"]) == (16, 2)
    assert tuning.plan() == {}


def trainings(project, *targets):
    """The commands of train that a dry run shows."""
    status, text = project.call("-n", "-p", *targets)
    assert status == 0, text
    return [line for line in text.splitlines() if "python -m semacdr.train " in line]


def count(commands, words):
    return sum(words in command for command in commands)


def entry(learning_rate=0.005, **settings):
    return {"training": {"learning_rate": learning_rate}, "settings": settings, "found": {}}


def write(project, used=USED, **kinds):
    (project / used).parent.mkdir(exist_ok=True)
    directions = dict.fromkeys(("movie_to_book", "book_to_movie"), kinds)
    (project / used).write_text(json.dumps({"directions": directions}))


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
    write(tuning, "resources/tuned/kitchen_food.json", **{"semacdr-bpr": entry(dropout=0.2)})
    assert tuning.plan("results/movie_book/ablation.tsv") == same  # another scenario's is no matter of this one


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"experiment": "fields"}, "tune takes experiment 'fields'; there are field, ablation"),
        ({"space": SPACE | {"semacd": {}}}, "tune.space has 'semacd'; it has `common` and systems of field: sasrec,"),
        ({"space": {"common": {"dim": {"low": 8, "high": 64}}}}, "chooses dim of sasrec, which sets it itself"),
        ({"space": {"common": {}, "sasrec": {"droput": {"low": 0.1, "high": 1}}}}, "tune.space has 'droput' of sasrec"),
        ({"space": {"common": {"dropout": {"low": 0.1}}}}, "dropout"),
        ({"budget": 3}, "budget"),
    ],
)
def test_a_section_that_cannot_be(tuning, change, words):
    tuning.configure(lambda config: config["tune"].update(change))
    status, text = tuning.call("-n", MADE)
    assert status != 0 and words in text, text


def test_a_file_of_tuned_settings_that_is_none(tuning):
    (tuning / USED).parent.mkdir(exist_ok=True)
    (tuning / USED).write_text('{"directions": {"movie_to_book": {"sasrec-bce": {"training": {}}}}}')
    status, text = tuning.call("-n")
    assert status != 0 and f"{USED}: not what target {MADE} makes" in text


def test_the_example_tunes_every_learned_system_alike(checkout):
    status, text = checkout.call(
        "-n", "-p", "--configfile", "examples/tune.yaml", "--", "results/movie_book/tuned.json"
    )
    assert status == 0, text
    jobs = [line for line in text.splitlines() if "semacdr.tune " in line]
    assert len(jobs) >= 22 and len({line.partition(" --trials ")[2].partition(" --threads ")[0] for line in jobs}) == 1
    assert all(" --loss ce " in line for line in jobs)

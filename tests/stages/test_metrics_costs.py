"""Costs on the page of stage metrics: means over seeds, by direction and system."""

import json

import pytest

from semacdr.errors import UserError


def test_the_costs_of_a_direction_follow_its_rankings(write_run, metrics_stage):
    back = {"source": "book", "target": "movie"}
    slow = {"epochs": 20, "best_epoch": 9, "best_seconds": 40.0, "peak_mb": 1600.0, "training_seconds": 40.0}
    still = {"parameters": 0, "epochs": 1, "best_epoch": 1, "training_seconds": 0.0}
    systems = {
        "sasrec/full": [write_run({1: 2}, cost={"pretraining_seconds": 20.0}),
                        write_run({1: 2}, seed="2", cost=slow)],
        "sasrec/ce": [write_run({1: 1}, cost={"parameters": 7})],
        "popularity/full": [write_run({1: 1}, model="popularity", cost=still, **back)],
    }  # fmt: skip
    _, readable = metrics_stage(systems=systems)
    there, again = readable.split("## book → movie (users")
    own, other = there.split("## movie → book: cost\n")[1], again.split("## book → movie: cost\n")[1]
    # s / epoch: (50 - 20) / 10 = 3 and 40 / 20 = 2; the largest memory
    assert own.strip().splitlines()[2:] == [
        "| System | Parameters | s / epoch | Epochs | Best epoch | To best, s | Peak MB |",
        "| --- | ---: | ---: | ---: | ---: | ---: | ---: |",
        "| SASRec | 12,345 | 2.50 | 15 | 8 | 38 | 1,600 |",
        "| SASRec (ce) | 7 | 5.00 | 10 | 6 | 36 | 1,512 |",
    ]
    assert other.strip().splitlines()[-1] == "| Most popular | 0 | 0.00 | 1 | 1 | 36 | 1,512 |"
    assert own.startswith("\nTrained on cpu; threads per job: 2. Means over seeds (2, 1)")


def test_cold_users_have_no_costs_of_their_own(write_run, metrics_stage):
    assert metrics_stage(write_run({1: 2, 2: 3}, cold={2}))[1].count("cost\n") == 1


@pytest.mark.parametrize(
    ("file", "text", "words"),
    [
        ("cost", None, r"run0/seed1/cost\.json: lacks peak_mb; train the run again"),
        ("cost", "[]", r"cost\.json: holds no JSON object"),
        ("settings", "{}", r"settings\.json: lacks source, target, model"),
        ("settings", "{", r"settings\.json: cannot be read"),
    ],
)
def test_records_that_are_not_whole_are_refused(write_run, metrics_stage, file, text, words):
    folder = write_run({1: 2})
    path = folder / f"{file}.json"
    less = {name: value for name, value in json.loads(path.read_text()).items() if name != "peak_mb"}
    path.write_text(json.dumps(less) if text is None else text)
    with pytest.raises(UserError, match=words):
        metrics_stage(folder)


def test_the_page_says_which_systems_were_tuned(write_run, metrics_stage):
    """The note if only some systems were tuned; a model without training needs no tuning."""
    tuned = {"names": ["learning_rate"], "other_data": None}
    still = write_run({1: 1}, model="popularity")
    settings = json.loads((still / "settings.json").read_text())
    (still / "settings.json").write_text(json.dumps(settings | {"training": {"loss": None}}))
    one, other = write_run({1: 1}, tuned=tuned), write_run({1: 1}, model="semacdr")
    assert "Unequal" not in metrics_stage(one, still)[1] + metrics_stage(other, still)[1]
    said = (
        "\n**Unequal tuning budgets**: tuning chose settings of SASRec, but not of SemaCDR, in at least one direction."
    )
    page = metrics_stage(one, other, still)[1]
    assert said in page and "Tuned on other data" not in page
    elsewhere = tuned | {"other_data": {"min_item_interactions": 10, "filter": "once"}}
    page = metrics_stage(write_run({1: 1}, tuned=elsewhere))[1]
    assert (
        "\n**Tuned on other data**: the settings were tuned on data filtered by min_item_interactions=10, filter=once"
        in page
    )

"""Tuning end to end: the target makes settings, which apply once a user copies them."""

import json

import pytest

pytestmark = pytest.mark.slow

MADE, USED = "results/movie_book/tuned.json", "resources/tuned/movie_book.json"
BOTH = {"train": 4, "rank": 4, "metrics": 1}  # sasrec and semacdr, in both directions


def runs(project, direction, model):
    """The settings of all runs of a model in a direction."""
    folders = (project / f"results/movie_book/{direction}").glob(f"{model}-*/seed1/settings.json")
    return [json.loads(path.read_text()) for path in folders]


def test_what_tuning_chose_counts_once_a_person_copies_it(tuning):
    # The proposals are compared with the table's runs, so only the proposals are trained.
    assert tuning.run(MADE) == {"tune_search": 4, "tune_retrain": 4, "tune_select": 1}
    assert tuning.plan() == {}  # tuning changes no run by itself
    content = json.loads((tuning / MADE).read_text())
    directions = content["directions"]
    assert [*directions] == ["movie_to_book", "book_to_movie"]
    assert all([*kinds] == ["sasrec-bce", "semacdr-bpr"] for kinds in directions.values())
    check_choice(tuning, directions)
    for kinds in directions.values():  # whatever two epochs chose, so that there is something to see
        for kind in kinds.values():
            kind |= {"training": {"learning_rate": 0.0076543}}
        kinds["sasrec-bce"]["settings"] = {"dropout": 0.123}
    (tuning / USED).parent.mkdir(parents=True, exist_ok=True)
    (tuning / USED).write_text(json.dumps(content))
    assert tuning.plan(MADE) == {}  # tuning starts from the settings without tuning
    assert tuning.run() == BOTH
    for direction in directions:
        before, after = sorted(runs(tuning, direction, "sasrec"), key=lambda run: run["tuned"] is not None)
        assert before["tuned"] is None and after["tuned"]["names"] == ["dropout", "learning_rate"]
        assert (after["training"]["learning_rate"], after["settings"]["dropout"]) == (0.0076543, 0.123)
        assert (after["settings"]["dim"], after["training"]["epochs"]) == (16, 2)
    assert tuning.plan() == {}
    (tuning / USED).unlink()
    assert tuning.run() == {"metrics": 1}  # the runs without tuning are still there


def check_choice(project, directions):
    """The choice is the training with the better validation: with the proposed settings, or without tuning."""
    for direction, kinds in directions.items():
        for key, kind in kinds.items():
            proposed = kind["found"]["proposed"]
            folder = project / f"results/movie_book/{direction}/tune/{key}/proposed/seed1"
            (start,) = runs(project, direction, key.split("-")[0])
            end = json.loads((folder / "settings.json").read_text())
            for part in ("training", "settings"):
                assert end[part] == start[part] | proposed[part]
            (untuned,) = (project / f"results/movie_book/{direction}").glob(f"{key.split('-')[0]}-*/seed1/history.tsv")
            better = best(folder / "history.tsv") > best(untuned)
            assert (kind["training"], kind["settings"]) == (
                (proposed["training"], proposed["settings"]) if better else ({}, {})
            )


def best(history):
    lines = [line.split("\t") for line in history.read_text().splitlines()]
    return max(float(line[lines[0].index("valid_ndcg_10")]) for line in lines[1:])

"""`snakemake runs`: every run with its cost and what needs it; a damaged one hides none of the others."""

import json

from semacdr.evaluation.costs import COSTS
from semacdr.plan.run_list import list_runs

PLACE = "movie_book/movie_to_book"


def run_folder(results, name, **cost):
    folder = results / PLACE / name / "seed1"
    folder.mkdir(parents=True)
    settings = {"model": "sasrec", "training": {"epochs": 1}, "settings": {}, "source": "movie", "target": "book"}
    (folder / "settings.json").write_text(json.dumps(settings))
    (folder / "cost.json").write_text(json.dumps(dict.fromkeys(COSTS, 1) | {"training_seconds": 2.5} | cost))
    return folder


def listed(results, needed):
    copy = results.parent / "runs.tsv"
    list_runs(results, needed, copy)
    lines = [line.split("\t") for line in copy.read_text().splitlines()] if copy.exists() else []
    return [dict(zip(lines[0], line, strict=True)) for line in lines[1:]]


def test_a_run_is_listed_with_its_cost_and_what_needs_it(tmp_path, capsys):
    results = tmp_path / "results"
    for name in ("sasrec-bce-00000001", "sasrec-bce-00000002", "tune/sasrec-bce/proposed"):
        run_folder(results, name)
    needed = {
        f"results/{PLACE}/sasrec-bce-00000001": ["movie_book/metrics", "movie_book/loss"],
        f"results/{PLACE}/tune/sasrec-bce/proposed": ["movie_book/tuned"],
    }
    rows = {row["run"]: row for row in listed(results, needed)}
    assert rows["sasrec-bce-00000001"]["needed_by"] == "movie_book/metrics, movie_book/loss"
    assert rows["sasrec-bce-00000002"]["needed_by"] == "nothing"
    assert rows["tune/sasrec-bce/proposed"]["needed_by"] == "movie_book/tuned"
    assert {row["training_seconds"] for row in rows.values()} == {"2.5"}
    assert json.loads(rows["sasrec-bce-00000002"]["settings"])["training"] == {"epochs": 1}
    assert "3 runs in" in capsys.readouterr().err


def test_a_damaged_run_is_named_and_the_others_are_listed(tmp_path, capsys):
    results = tmp_path / "results"
    run_folder(results, "sasrec-bce-00000001")
    (run_folder(results, "sasrec-bce-00000002") / "cost.json").unlink()
    (run_folder(results, "sasrec-bce-00000003") / "settings.json").write_text("{}")
    assert [row["run"] for row in listed(results, {})] == ["sasrec-bce-00000001"]
    printed = capsys.readouterr().err
    assert "sasrec-bce-00000002/seed1/cost.json: cannot be read" in printed and "train the run again" in printed
    assert "sasrec-bce-00000003/seed1/settings.json: lacks" in printed and "2 cannot be read" in printed


def test_no_results_are_no_runs(tmp_path, capsys):
    assert listed(tmp_path / "results", {}) == []
    assert "0 runs" in capsys.readouterr().err

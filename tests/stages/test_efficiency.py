"""Efficiency: the costs of runs joined with the quality in the experiment's table; the front and the figure."""

import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest

from semacdr.errors import UserError
from semacdr.evaluation.costs import read_record
from semacdr.reporting.efficiency_figure import EfficiencyRow, efficiency_figure, efficiency_page, pareto_front
from semacdr.stages import efficiency
from semacdr.storage import tsv

COST = {
    "parameters": 1000,
    "epochs": 10,
    "best_epoch": 6,
    "training_seconds": 50.0,
    "pretraining_seconds": 0.0,
    "validation_seconds": 10.0,
}
COST |= {"best_seconds": 36.0, "peak_mb": 512.0, "device": "cpu", "threads": 2}
HEAD = "source\ttarget\tgroup\tranking\tmetric\tk\tvariant\tmean\tlow\thigh\trelease\n"


@pytest.fixture
def folder(tmp_path):
    """Writes a run's two files; returns their folder."""

    def write(name, source="movie", target="book", tuned=None, **cost):
        path = tmp_path / name / "seed1"
        path.mkdir(parents=True)
        settings = {"source": source, "target": target, "model": "sasrec", "release": "mine"}
        (path / "settings.json").write_text(json.dumps(settings | {"tuned": tuned, "training": {"loss": "ce"}}))
        (path / "cost.json").write_text(json.dumps({k: v for k, v in (COST | cost).items() if v is not None}))
        return str(path)

    return write


@pytest.fixture
def table(tmp_path):
    """An experiment's TSV; the rows around the relevant ones hold other numbers."""
    kinds = [("cold", "full", "ndcg", 10), ("warm", "sampled", "ndcg", 10), ("warm", "full", "hr", 10)]
    kinds += [("warm", "full", "ndcg", 10), ("cold", "full", "ndcg", 10), ("warm", "full", "ndcg", 5)]
    lines = [
        f"movie\tbook\t{group}\t{ranking}\t{metric}\t{k}\t{variant}\t{own}\t{own - 0.01}\t{own + 0.02}\tmine\n"
        for variant, mean in (("a", 0.2), ("b", 0.3))
        for group, ranking, metric, k in kinds
        for own in [mean if (group, ranking, metric, k) == ("warm", "full", "ndcg", 10) else 0.9]
    ]
    path = tmp_path / "field.tsv"
    path.write_text(HEAD + "".join(lines))
    return path


def test_means_over_seeds_the_largest_memory_and_the_experiments_quality(folder, table, tmp_path):
    runs = [
        "--runs",
        "a",
        folder("a1"),
        folder("a2", epochs=20, best_epoch=9, best_seconds=40.0, peak_mb=600.0, pretraining_seconds=10.0),
    ]
    runs += ["--runs", "b", folder("b1", parameters=7, best_seconds=3.0), folder("b2", best_seconds=4.0)]
    made = {name: tmp_path / f"out/e.{name}" for name in ("tsv", "md", "png")}
    files = ["--output", str(made["tsv"]), "--table", str(made["md"]), "--picture", str(made["png"])]
    efficiency.main([*runs, "--experiment", str(table), *files])
    assert "Unequal tuning budgets" not in made["md"].read_text()
    a, b = tsv.read(made["tsv"])
    assert (a["variant"], a["parameters"], a["seeds"], a["loss"], a["device"], a["threads"]) == (
        "a", "1000", "2", "ce", "cpu", "2",
    )  # fmt: skip
    assert [float(a[name]) for name in ("epoch_seconds", "epochs", "best_epoch", "best_seconds", "peak_mb")] == [
        pytest.approx((50 / 10 + 40 / 20) / 2), 15, 7.5, 38, 600,
    ]  # fmt: skip
    assert [float(a[name]) for name in ("ndcg_10", "low", "high")] == pytest.approx([0.2, 0.19, 0.22])
    assert (b["variant"], float(b["ndcg_10"]), b["parameters"]) == ("b", 0.3, "7")
    page = made["md"].read_text()
    assert page.index("| SASRec (b) |") < page.index("| SASRec (a) |")  # the best first
    assert "on cpu; threads per job: 2" in page and "full ranking, test events" in page
    assert made["png"].read_bytes().startswith(b"\x89PNG")
    runs[2:4] = [folder("a3", tuned={"names": ["dim"], "other_data": None})]
    efficiency.main([*runs, "--experiment", str(table), *files])
    assert "tuning chose settings of SASRec (a), but not of SASRec (b)" in made["md"].read_text()


def row(name, seconds, quality):
    said = {field.name: 1 for field in dataclasses.fields(EfficiencyRow)} | {"source": "m", "target": "b"}
    said |= {"variant": name, "model": "", "split": None, "release": "mine", "best_seconds": seconds}
    return EfficiencyRow(**said | {"ndcg_10": quality, "low": quality, "high": quality})


def test_the_front_is_what_nothing_beats_in_both():
    rows = [row("slow", 9, 0.3), row("worse", 5, 0.1), row("quick", 1, 0.1), row("fine", 4, 0.25), row("tied", 4, 0.2)]
    assert [row.variant for row in pareto_front(rows)] == ["quick", "fine", "slow"]
    drawn = efficiency_figure(rows, "field")
    (axis,) = drawn.axes
    assert {text.get_text() for text in axis.texts} == {"1", "2", "3", "4", "5"} and axis.get_xscale() == "log"
    assert list(axis.lines[0].get_xdata()) == [1, 4, 9]


def test_numbers_in_the_picture_hide_neither_each_other_nor_a_dot():
    """Also the numbers of systems with the same time and quality."""
    rows = [row(str(number), 50 + number // 4, 0.07) for number in range(16)] + [row("far", 1, 0.01)]
    drawn = efficiency_figure(rows, "field")
    (axis,) = drawn.axes
    dots = axis.transData.transform([(one.best_seconds, one.ndcg_10) for one in rows]) * 72 / drawn.dpi
    numbers = [text.get_position() + dot for text, dot in zip(axis.texts, dots, strict=True)]
    assert [text.get_text() for text in axis.texts] == [str(number) for number in range(1, 18)]
    for at, one in enumerate(numbers):
        assert all(np.hypot(*(one - other)) > 8 for other in [*dots, *numbers[at + 1 :]])


@pytest.mark.parametrize("missing", ["peak_mb", "best_seconds"])
def test_a_run_of_an_older_version_is_refused_by_name(folder, missing):
    with pytest.raises(UserError, match=rf"old/seed1/cost\.json: lacks {missing}; train the run again"):
        read_record(Path(folder("old", **{missing: None})))


def test_anything_missing_in_the_experiment_or_the_runs_is_refused_by_name(folder, table):
    runs = [Path(folder(name)) for name in ("a1", "c1")]
    with pytest.raises(UserError, match=r"field\.tsv: has no 'c' from movie to book"):
        efficiency.efficiency_rows({"c": runs[1:]}, table)
    with pytest.raises(UserError, match=r"there is no 'b' from movie to book"):
        efficiency.efficiency_rows({"a": runs[:1], "b": []}, table)


def test_validation_events_are_named_as_such(folder, table):
    head, *lines = table.read_text().splitlines(keepends=True)
    table.write_text(f"split\t{head}" + "".join(f"valid\t{line}" for line in lines))
    rows = efficiency.efficiency_rows({"a": [Path(folder("a1"))]}, table)
    assert rows[0].split == "valid" and "full ranking, validation events" in efficiency_page(rows, "t")
    assert "validation events" in efficiency_figure(rows, "t").get_suptitle()


def test_costs_of_other_runs_than_the_experiment_s_are_refused(folder, table):
    head, *lines = table.read_text().splitlines(keepends=True)
    table.write_text(head.replace("\n", "\trun\n") + "".join(line.replace("\n", "\ta1\n") for line in lines))
    assert efficiency.efficiency_rows({"a": [Path(folder("a1"))]}, table)[0].run == "a1"
    with pytest.raises(UserError, match=r"its 'a' is run a1 of release mine, --runs has other of release mine"):
        efficiency.efficiency_rows({"a": [Path(folder("other"))]}, table)

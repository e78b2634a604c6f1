"""The readable table: what is bold, what is said of the sample, and when the paper stands beside ours."""

import csv
from pathlib import Path

import pytest

from semacdr.reporting.metrics_page import impossible, name
from semacdr.stages import metrics
from semacdr.storage import tables

PAPER = Path(__file__).parents[2] / "resources/paper/results.tsv"
PRINTED = "#### Beside the paper"


def test_the_best_means_are_bold(write_ranks, metrics_stage):
    _, readable = metrics_stage(
        write_ranks({1: 2}, seed="1"),
        write_ranks({1: 6}, seed="2"),
        write_ranks({1: 4}, model="sasrec", variant="ce", seed="1"),
    )
    row = "| SASRec | 0.5000 ± 0.7071 | **1.0000** ± 0.0000 |"
    assert readable.count(row) == 2
    assert readable.count("| SASRec (ce) | **1.0000** | **1.0000** |") == 2
    assert "| System | HR@5 | HR@10 | HR@20 | NDCG@5 | NDCG@10 | NDCG@20 | MRR | Seeds |" in readable


def test_other_cutoffs_make_other_columns_and_may_leave_none_to_compare(write_ranks, metrics_stage):
    _, readable = metrics_stage(write_ranks({1: 2}), paper=PAPER, ks=[1, 3])
    assert "| System | HR@1 | HR@3 | NDCG@1 | NDCG@3 | MRR | Seeds |" in readable
    assert PRINTED not in readable


def test_the_sample_is_named_and_never_stands_beside_the_paper(write_ranks, metrics_stage):
    rows, readable = metrics_stage(write_ranks({1: 1}, release="sample"), paper=PAPER)
    assert f"**{tables.SAMPLE_NOTE}**" in readable
    assert readable.count("The paper's numbers are shown for real data only.") == 1
    assert PRINTED not in readable and "0.2759" not in readable and "†" not in readable
    assert {row["release"] for row in rows} == {"sample"}


def test_real_data_carry_no_notice_of_the_sample(write_ranks, metrics_stage):
    _, readable = metrics_stage(write_ranks({1: 1}))
    assert tables.SAMPLE_NOTE not in readable and PRINTED not in readable and "paper" not in readable


def test_the_papers_numbers_stand_beside_ours_for_the_systems_it_has(write_ranks, metrics_stage):
    _, readable = metrics_stage(
        write_ranks({1: 1}), write_ranks({1: 1}, variant="ce"), write_ranks({1: 1}, model="popularity"), paper=PAPER
    )
    beside = readable.split(PRINTED)[1]
    assert "| SASRec | 1.0000 | 0.2759 | 1.0000 | 0.3864 | 1.0000 | 0.1989 | 1.0000 | 0.2345 |" in beside
    assert "(ce)" not in beside and "popularity" not in beside and "†" not in beside
    assert "a reference and not a target" in beside


def test_a_direction_that_the_paper_lacks_shows_nothing_of_it(write_ranks, metrics_stage):
    _, readable = metrics_stage(write_ranks({1: 1}, source="food", target="book"), paper=PAPER)
    assert PRINTED not in readable


def test_the_dagger_marks_exactly_the_impossible_rows_of_the_paper(write_ranks, metrics_stage):
    printed = metrics.read_paper(PAPER)
    known = {("movie", "book", "CL4SRec"), ("book", "movie", "MGCL"), ("movie", "book", "MGCL")}
    known |= {(*pair, "C2DSR (enhanced)") for pair in (("kitchen", "food"), ("cd", "movie"), ("movie", "cd"))}
    known |= {("cd", "movie", "Tri-CDR (enhanced)")}
    assert len(printed) == 54 + 12  # tables 1 and 2
    assert {(*row[:2], name(*row[2:])) for row, cells in printed.items() if impossible(cells)} == known
    keys = ("source", "target", "model", "variant")
    runs = [write_ranks({1: 1}, **dict(zip(keys, row, strict=True))) for row in printed]
    _, readable = metrics_stage(*runs, paper=PAPER)
    marked = set()
    for section in readable.split("\n## ")[1:]:
        source, _, target = section.split(" (")[0].split()
        names = [line.split(" †")[0].lstrip("| ") for line in section.splitlines() if " † |" in line]
        marked |= {(source, target, system) for system in names}
        assert section.count("† Impossible as printed") == bool(names)
    assert marked == known


@pytest.mark.parametrize(("gain", "expected"), [(0.0287, True), (0.0288, False), (0.0357, False), (0.0358, True)])
def test_the_dagger_allows_for_the_rounding_of_four_cells_and_no_more(gain, expected):
    # HR grows by 0.1 ± 0.0001, so NDCG by 0.0289 to 0.0357 and itself ± 0.0001
    cells = {("hr", 5): 0.5, ("hr", 10): 0.6, ("ndcg", 5): 0.3, ("ndcg", 10): 0.3 + gain}
    assert impossible(cells) is expected


def test_the_papers_table_is_complete():
    with PAPER.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file, delimiter="\t"))
    assert list(rows[0]) == ["scenario", "source", "target", "model", "variant", "hr@5", "hr@10", "ndcg@5", "ndcg@10"]
    assert {frozenset((row["source"], row["target"])) for row in rows if row["scenario"] == "cd_movie"} == {
        frozenset(("cd", "movie"))
    }
    assert {tuple(sorted((row["source"], row["target"]))) for row in rows} == {
        ("book", "movie"),
        ("cd", "movie"),
        ("food", "kitchen"),
    }
    assert all(sorted((row["source"], row["target"])) == sorted(row["scenario"].split("_")) for row in rows)
    enhanced = {(row["source"], row["target"], row["model"]) for row in rows if row["variant"] == "enhanced"}
    assert len(enhanced) == 12 and {model for *_, model in enhanced} == {"c2dsr", "tri_cdr"}


def test_an_enhanced_system_stands_beside_table_2(write_ranks, metrics_stage):
    _, readable = metrics_stage(write_ranks({1: 1}, model="c2dsr", variant="enhanced"), paper=PAPER)
    assert "| C2DSR (enhanced) | 1.0000 | 0.2809 | 1.0000 | 0.3993 | 1.0000 | 0.2011 | 1.0000 | 0.2368 |" in readable

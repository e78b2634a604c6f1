"""metrics.md: what is bold, the note on the sample, the paper's numbers, and display names."""

import csv
from pathlib import Path

import pyarrow as pa
import pytest

from semacdr.errors import UserError
from semacdr.reporting.names import system_name
from semacdr.reporting.paper import impossible, read_paper
from semacdr.storage import tables

PAPER = Path(__file__).parents[2] / "resources/paper/results.tsv"
PRINTED = "#### Comparison with the paper"


def test_the_best_means_are_bold(write_run, metrics_stage):
    _, readable = metrics_stage(
        systems={
            "sasrec/full": [write_run({1: 2}, seed="1"), write_run({1: 6}, seed="2")],
            "sasrec/ce": [write_run({1: 4}, seed="1")],
        }
    )
    row = "| SASRec | 0.5000 ± 0.7071 | **1.0000** ± 0.0000 |"
    assert readable.count(row) == 2
    assert readable.count("| SASRec (ce) | **1.0000** | **1.0000** |") == 2
    assert (
        "| System | HR@5 | HR@10 | HR@20 | NDCG@5 | NDCG@10 | NDCG@20 | MRR | NDCG@10, 95 % | Seeds | Run |" in readable
    )


def test_other_cutoffs_make_other_columns_and_may_leave_none_to_compare(write_run, metrics_stage):
    _, readable = metrics_stage(write_run({1: 2}), paper=PAPER, ks=[1, 3])
    assert "| System | HR@1 | HR@3 | NDCG@1 | NDCG@3 | MRR | NDCG@3, 95 % | Seeds | Run |" in readable
    assert PRINTED not in readable


def test_the_sample_is_named_and_never_compared_with_the_paper(write_run, metrics_stage):
    rows, readable = metrics_stage(write_run({1: 1}, release="sample"), paper=PAPER)
    assert f"**{tables.SAMPLE_NOTE}**" in readable
    assert readable.count("The paper's numbers are shown for real data only.") == 1
    assert PRINTED not in readable and "0.2759" not in readable and "†" not in readable
    assert {row["release"] for row in rows} == {"sample"}


def test_real_data_carry_no_notice_of_the_sample(write_run, metrics_stage):
    _, readable = metrics_stage(write_run({1: 1}))
    assert tables.SAMPLE_NOTE not in readable and PRINTED not in readable and "paper" not in readable


def test_the_papers_numbers_are_compared_with_ours_for_the_systems_it_has(write_run, metrics_stage):
    _, readable = metrics_stage(
        write_run({1: 1}),
        write_run({1: 1}, model="popularity"),
        systems={"sasrec/ce": [write_run({1: 1})]},
        paper=PAPER,
    )
    compared = readable.split(PRINTED)[1].split("\n## ")[0]
    assert "| SASRec | 1.0000 | 0.2759 | 1.0000 | 0.3864 | 1.0000 | 0.1989 | 1.0000 | 0.2345 |" in compared
    assert "(ce)" not in compared and "Most popular" not in compared and "†" not in compared
    assert "a reference, not a target" in compared


def test_a_direction_that_the_paper_lacks_shows_nothing_of_it(write_run, metrics_stage):
    _, readable = metrics_stage(write_run({1: 1}, source="food", target="book"), paper=PAPER)
    assert PRINTED not in readable


def test_the_dagger_marks_exactly_the_impossible_rows_of_the_paper(write_run, metrics_stage):
    printed = read_paper(PAPER)
    known = {("movie", "book", "CL4SRec"), ("book", "movie", "MGCL"), ("movie", "book", "MGCL")}
    known |= {(*pair, "Enhanced C2DSR") for pair in (("kitchen", "food"), ("cd", "movie"), ("movie", "cd"))}
    known |= {("cd", "movie", "Enhanced Tri-CDR")}
    assert len(printed) == 54 + 12  # tables 1 and 2
    assert {(*row[:2], system_name(*row[2:])) for row, cells in printed.items() if impossible(cells)} == known
    systems = {}
    for source, target, model, variant in printed:
        run = write_run({1: 1}, source=source, target=target, model=model)
        systems.setdefault(f"{model}/{variant}", []).append(run)
    _, readable = metrics_stage(systems=systems, paper=PAPER)
    marked = set()
    for section in readable.split("\n## ")[1:]:
        if " → " not in section.split("\n")[0] or ": cost\n" in section:
            continue
        source, _, target = section.split(" (")[0].split()
        names = [line.split(" †")[0].lstrip("| ") for line in section.splitlines() if " † |" in line]
        marked |= {(source, target, system) for system in names}
        assert section.count("† Impossible as printed") == bool(names)
    assert marked == known


@pytest.mark.parametrize("negatives", [20, 100])
def test_the_number_of_negatives_is_that_of_the_candidates(write_run, metrics_stage, tmp_path, negatives):
    path, row = tmp_path / "candidates.parquet", {"user": 1, "split": "test", "positive": 0}
    rows = pa.Table.from_pylist([row | {"negatives": list(range(1, 1 + negatives))}] * 2)
    meta = {"source": "movie", "target": "book"}
    tables.write(rows, path, "candidates", meta)
    _, readable = metrics_stage(write_run({1: 1}), candidates=[path])
    assert f"### Sampled ranking ({negatives} negatives)" in readable
    assert "negatives)" not in metrics_stage(write_run({1: 1}))[1]  # unknown
    with pytest.raises(UserError, match="was made from another candidates table"):
        metrics_stage(write_run({1: 1}, made_from_candidates="other"), candidates=[path])


@pytest.mark.parametrize(
    ("model", "variant", "name"),
    [
        ("sasrec", "full", "SASRec"),
        ("sasrec", "ce", "SASRec (ce)"),
        ("sasrec", "sasrec-ce", "SASRec (ce)"),
        ("sasrec", "sasrec", "SASRec"),
        ("c2dsr", "enhanced_c2dsr", "Enhanced C2DSR"),
        ("c2dsr", "enhanced", "Enhanced C2DSR"),
        ("sasrec", "merged_text", "SASRec on both domains with text"),
        ("sasrec", "sasrec_merged_text", "SASRec on both domains with text"),
        ("semacdr", "plus", "SemaCDR plus"),
        ("semacdr", "semacdr_no_source", "SemaCDR without the source domain"),
        ("semacdr", "without_inner", "SemaCDR (without inner)"),
        ("my_model", "full", "my model"),
        ("", "without_inner", "without inner"),
    ],
)
def test_a_system_has_one_name(model, variant, name):
    assert system_name(model, variant) == name


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


def test_an_enhanced_system_is_compared_with_table_2(write_run, metrics_stage):
    _, readable = metrics_stage(systems={"c2dsr/enhanced": [write_run({1: 1}, model="c2dsr")]}, paper=PAPER)
    assert "| Enhanced C2DSR | 1.0000 | 0.2809 | 1.0000 | 0.3993 | 1.0000 | 0.2011 | 1.0000 | 0.2368 |" in readable

"""The table of systems on several data sets: NDCG and ratios by hand, the page, what is refused."""

import csv
from math import log2

import pytest

from semacdr.errors import UserError
from semacdr.evaluation.data_sets import best_from_start
from semacdr.stages import data_sets

NDCG = {rank: 1 / log2(rank + 1) for rank in (1, 2, 3, 4, 7)} | {99: 0.0}


@pytest.fixture
def stage(tmp_path):
    """Run the stage on folders by (experiment, scenario, variant); return the rows and the page."""

    def runner(runs):
        argv = [word for key, own in runs.items() for word in ("--runs", *key, *map(str, own))]
        data_sets.main([*argv, "--output", str(tmp_path / "d.tsv"), "--table", str(tmp_path / "d.md")])
        with (tmp_path / "d.tsv").open(newline="") as file:
            return list(csv.DictReader(file, delimiter="\t")), (tmp_path / "d.md").read_text()

    return runner


def epochs(rank):
    """The validation values of a run that leaves a plateau at an eighth of its best value after patience, 2 epochs."""
    return [NDCG[rank] / 8] * 3 + [NDCG[rank]]


@pytest.fixture
def world(write_run):
    """One experiment on two scenarios, of which the second has no rules; SASRec's second seed is on a plateau."""

    def runs(scenario, model, valid, tests, **how):
        how |= {"scenario": scenario, "model": model}
        return [
            write_run({1: full, 2: 1}, {1: sampled, 2: 1}, valid=rank, seed=str(seed), epochs=epochs(rank), **how)
            for seed, (rank, (full, sampled)) in enumerate(zip(valid, tests, strict=True), 1)
        ]

    return {
        ("main", "one", "popularity"): runs("one", "popularity", [4], [(99, 99)], loss=None) * 2,
        ("main", "one", "seq_rules"): runs("one", "seq_rules", [2], [(3, 4)], loss=None) * 2,
        ("main", "one", "sasrec"): runs("one", "sasrec", [1, 4], [(1, 1), (7, 3)]),
        ("main", "two", "popularity"): runs("two", "popularity", [99], [(99, 99)], loss=None) * 2,
        ("main", "two", "sasrec"): runs("two", "sasrec", [3, 2], [(2, 1), (2, 2)]),
    }


def test_rows_are_runs_with_their_ratios(stage, world):
    rows, _ = stage(world)
    assert [(row["scenario"], row["variant"], row["seed"]) for row in rows] == [
        ("one", "popularity", "1"), ("one", "seq_rules", "1"), ("one", "sasrec", "1"), ("one", "sasrec", "2"),
        ("two", "popularity", "1"), ("two", "sasrec", "1"), ("two", "sasrec", "2"),
    ]  # fmt: skip
    rules, first, second = rows[1:4]
    assert float(rules["full"]) == pytest.approx((NDCG[3] + 1) / 2, rel=1e-5)
    assert float(rules["sampled"]) == pytest.approx((NDCG[4] + 1) / 2, rel=1e-5)
    assert float(first["valid"]) == 1.0
    assert float(first["to_popularity"]) == pytest.approx(1 / NDCG[4], rel=1e-5)
    assert float(first["to_rules"]) == pytest.approx(1 / NDCG[2], rel=1e-5)
    assert float(second["to_popularity"]) == 1.0
    assert (float(first["valid_from_start"]), rules["valid_from_start"]) == (1 / 8, "")
    assert [row["at_popularity"] for row in rows] == ["", "", "", "yes", "", "", ""]  # a baseline is no plateau
    assert {row["to_popularity"] for row in rows[4:]} == {""}  # popularity finds nothing there
    assert {row["to_rules"] for row in rows[4:]} == {""}


def test_the_page_has_a_column_per_data_set(stage, world):
    page = stage(world)[1]
    full = page.split("### Full ranking, NDCG@10")[1].split("###")[0].strip().splitlines()
    assert full[0] == "| System | one: movie → book | two: movie → book |"
    a, b = (1 + 1) / 2, (NDCG[7] + 1) / 2
    mean, deviation = (a + b) / 2, abs(a - b) / 2**0.5
    same = (NDCG[2] + 1) / 2
    assert full[-1] == f"| SASRec | **{mean:.4f}** ± {deviation:.4f} † | **{same:.4f}** ± 0.0000 |"
    assert full[2] == "| Most popular | 0.5000 | 0.5000 |"
    ratio = page.split("### Validation divided by that of sequential rules")[1].strip().splitlines()
    smallest = NDCG[4] / NDCG[2]
    assert ratio[-1] == f"| SASRec | {smallest:.2f} ({smallest / 8:.2f}) † | – |"
    assert "| one | amazon2014 | movie → book | 2 |" in page
    assert "\n2 seeds.\n" in page


@pytest.mark.parametrize(
    ("values", "kept"),
    [([0.1], 0.1), ([0.1, 0.2, 0.1, 0.3], 0.3), ([0.1, 0.1, 0.1, 0.3], 0.1), ([0.2, 0.3, 0.1, 0.2, 0.9], 0.3)],
)
def test_patience_from_the_first_epoch(values, kept):
    assert best_from_start(values, 2) == kept


def test_equal_runs_are_named(stage, world):
    world["main", "two", "sasrec_text"] = world["main", "two", "sasrec"]
    assert "On two, SASRec and SASRec with text are the same runs: their settings do not differ." in stage(world)[1]


def test_a_log_line_names_the_plateaus(stage, world, caplog):
    stage(world)
    assert (
        "1 runs are at the level of popularity on validation events: sasrec (one, movie to book, seed 2)" in caplog.text
    )


def test_what_is_malformed_is_refused(stage, world, write_run):
    with pytest.raises(UserError, match="--runs a b c: give EXPERIMENT SCENARIO VARIANT and the folders"):
        stage({("a", "b", "c"): []})
    world["main", "one", "c2dsr"] = [
        write_run({1: 1, 2: 1}, source="book", target="movie", scenario="one", epochs=[1.0])
    ]
    with pytest.raises(UserError, match="main, one: there is no 'c2dsr' from movie to book"):
        stage(world)

"""Mean ranks and the critical difference, against Demšar's example and by hand."""

import numpy as np
import pytest
from scipy.stats import chi2

from semacdr.errors import UserError
from semacdr.reporting.mean_rank_diagram import MeanRankRow, indistinguishable, mean_rank_diagram
from semacdr.stages import mean_ranks

HEAD = "source\ttarget\tgroup\tranking\tmetric\tk\tvariant\tmean\tlow\thigh\trelease\tsplit\n"
# Demšar 2006, table 6: AUC of four forms of C4.5 on 14 data sets; section 3.2.2 gives ranks and differences. Rounded
# to three decimals, two are equal in the 13th, for which his ranks differ.
C45 = np.array([
    [0.763, 0.768, 0.771, 0.798], [0.599, 0.591, 0.590, 0.569], [0.954, 0.971, 0.968, 0.967],
    [0.628, 0.661, 0.654, 0.657], [0.882, 0.888, 0.886, 0.898], [0.936, 0.931, 0.916, 0.931],
    [0.661, 0.668, 0.609, 0.685], [0.583, 0.583, 0.563, 0.625], [0.775, 0.838, 0.866, 0.875],
    [1.000, 1.000, 1.000, 1.000], [0.940, 0.962, 0.965, 0.962], [0.619, 0.666, 0.614, 0.669],
    [0.972, 0.981, 0.9751, 0.975], [0.957, 0.978, 0.946, 0.970],
])  # fmt: skip
FORMS = ["C4.5", "C4.5+m", "C4.5+cf", "C4.5+m+cf"]
UCI = mean_ranks.Means(dict.fromkeys(FORMS, ""), C45, "uci")


def table(path, directions, release="mine", split=""):
    """An experiment's TSV of NDCG@10 by direction and variant; around them rows that must not count, reversed."""
    kinds = [
        ("warm", "sampled", "ndcg", 10),
        ("warm", "full", "ndcg", 10),
        ("cold", "full", "ndcg", 10),
        ("warm", "full", "hr", 10),
    ]
    lines = [
        f"{source}\t{target}\t{group}\t{ranking}\t{metric}\t{k}\t{variant}\t{own}\t0\t1\t{release}\t{split}\n"
        for (source, target), means in directions.items()
        for group, ranking, metric, k in kinds
        for variant, mean in means.items()
        for own in [mean if (group, ranking, metric) == ("warm", "full", "ndcg") else 1 - mean]
    ]
    path.write_text(HEAD + "".join(lines))
    return path


def test_demsars_example():
    rows = mean_ranks.mean_rank_rows(UCI)
    ranks = {row.variant: row.rank for row in rows}
    assert ranks == pytest.approx({"C4.5": 3.143, "C4.5+m": 2.000, "C4.5+cf": 2.893, "C4.5+m+cf": 1.964}, abs=5e-4)
    assert [row.variant for row in rows] == ["C4.5+m+cf", "C4.5+m", "C4.5+cf", "C4.5"]
    assert rows[0].critical_difference == pytest.approx(1.25, abs=5e-3)
    assert rows[0].p_friedman == pytest.approx(
        chi2.sf(9.28 / (1 - 78 / 840), 3), rel=5e-3
    )  # he does not correct for ties
    assert indistinguishable(rows) == [(0, 3)]  # at 5 % Nemenyi's test separates none of the four


def test_bars_join_what_is_near_and_no_bar_lies_in_another():
    rows = [MeanRankRow(str(rank), rank, rank, rank, 9, 0.01, 1.0, "x", "") for rank in (1.0, 1.8, 2.6, 4.0, 4.9, 7.0)]
    assert indistinguishable(rows) == [(0, 1), (1, 2), (3, 4)]


def test_data_sets_are_the_directions_of_all_tables(tmp_path):
    one = table(
        tmp_path / "a.tsv", {("m", "b"): {"x": 0.3, "y": 0.2, "z": 0.1}, ("b", "m"): {"x": 0.3, "y": 0.3, "z": 0.1}}
    )
    two = table(tmp_path / "b.tsv", {("k", "f"): {"z": 0.3, "y": 0.2, "x": 0.1}}, release="other")
    mean_ranks.main(
        ["--tables", str(one), str(two), "--output", str(tmp_path / "s.tsv"), "--picture", str(tmp_path / "s.png")]
    )
    lines = [line.split("\t") for line in (tmp_path / "s.tsv").read_text().splitlines()]
    assert [line[:5] for line in lines[1:]] == [
        ["x", "1.83333", "1", "3", "3"], ["y", "1.83333", "1.5", "2", "3"], ["z", "2.33333", "1", "3", "3"],
    ]  # fmt: skip
    assert {line[7] for line in lines[1:]} == {"mine, other"}
    assert (tmp_path / "s.png").read_bytes().startswith(b"\x89PNG")


def test_the_picture_names_all_with_their_ranks_and_draws_the_bars():
    drawn = mean_rank_diagram(mean_ranks.mean_rank_rows(UCI), "forms")
    said = {text.get_text() for text in drawn.axes[0].texts}
    assert said >= {"C4.5+m+cf 1.96", "C4.5+m 2.00", "C4.5+cf 2.89", "C4.5 3.14", "critical difference 1.25"}
    assert sum(line.get_linewidth() == 3 for line in drawn.axes[0].lines) == 1
    assert "14 data sets" in drawn.get_suptitle()


def test_a_long_title_stays_inside_the_picture():
    title = "main_systems, " + ", ".join(f"a_scenario_with_a_long_name_{number}" for number in range(5))
    drawn = mean_rank_diagram(mean_ranks.mean_rank_rows(UCI), title)
    drawn.canvas.draw()
    heading = next(text for text in drawn.texts if "Friedman" in text.get_text())
    box, page = heading.get_window_extent(), drawn.bbox
    assert page.x0 <= box.x0 and box.x1 <= page.x1 and box.y1 <= page.y1
    assert all(name in " ".join(heading.get_text().split()) for name in title.split(", "))


@pytest.mark.parametrize(
    ("directions", "words"),
    [
        ({("m", "b"): {"x": 1, "y": 2, "z": 3}, ("b", "m"): {"x": 1, "y": 2}}, "b to m has other variants than .*: z"),
        ({("m", "b"): {"x": 1, "y": 2, "z": 3}}, "not 3 variants on 1 data sets"),
    ],
)
def test_what_cannot_be_compared_is_refused(tmp_path, directions, words):
    with pytest.raises(UserError, match=words):
        mean_ranks.read_means([table(tmp_path / "a.tsv", directions)])


def test_validation_events_are_refused(tmp_path):
    means = {"x": 1, "y": 2, "z": 3}
    with pytest.raises(UserError, match="contains validation events"):
        mean_ranks.read_means([table(tmp_path / "a.tsv", {("m", "b"): means, ("b", "m"): means}, split="valid")])

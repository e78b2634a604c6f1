"""Curves: the drawn values are those of the sweep's comparison."""

import pytest

from semacdr.errors import UserError
from semacdr.reporting.sweep_curves import curves_figure, read_sweep
from semacdr.stages import compare, curves
from semacdr.storage import tables


@pytest.fixture
def sweep(tmp_path, write_run, comparing):
    """The comparison of a sweep over three values, in two directions; each variant with its ranks of three users."""

    def write(ranks, split="test", **meta):
        runs = {
            name: [
                write_run({1: rank, 2: 1, 3: 30}, source=source, target=target, **meta)
                for source, target in (("movie", "book"), ("book", "movie"))
            ]
            for name, rank in ranks.items()
        }
        comparing(compare, "--split", split, **runs)
        return tmp_path / "c.tsv"

    return write


def test_points_are_those_of_the_table_in_order_of_their_values(sweep):
    points = read_sweep(sweep({"1": 2, "0.01": 5, "0.1": 1}))
    assert len(points) == 3 * 2 * 2 * 2  # values, directions, rankings, metrics
    part = [p for p in points if p.panel == ("full", "hr", 10) and p.direction == ("movie", "book")]
    assert [(p.value, p.mean) for p in part] == [(v, pytest.approx(2 / 3, rel=1e-5)) for v in (0.01, 0.1, 1)]
    assert {(p.low, p.high, p.seeds, p.users, p.release) for p in part} == {(0, 1, 1, 3, "amazon2014")}


def test_where_users_are_cold_the_curves_are_of_the_warm_ones(sweep):
    points = read_sweep(sweep({"1": 2, "2": 1}, cold=[3]))
    assert len(points) == 2 * 2 * 2 * 2 and {(p.users, p.group) for p in points} == {(2, "warm")}
    assert "1 seed and 2 warm users" in curves_figure(points, "x", "semacdr").get_suptitle()


def test_curves_of_validation_events_say_so(sweep):
    tested, chosen = (read_sweep(sweep({"1": 20, "2": 20}, split=split)) for split in ("test", "valid"))
    assert {round(p.mean, 5) for p in tested if p.panel == ("full", "hr", 10)} == {round(1 / 3, 5)}
    assert {p.mean for p in chosen} == {1}  # the fixture's validation ranks are
    assert "3 users' test events" in curves_figure(tested, "x", "semacdr").get_suptitle()
    assert "3 users' validation events" in curves_figure(chosen, "x", "semacdr").get_suptitle()


def test_the_picture_has_a_panel_per_ranking_and_metric_and_a_line_per_direction(sweep, tmp_path):
    path = sweep({"0.01": 5, "0.1": 1, "1": 2}, release="sample")
    drawn = curves_figure(read_sweep(path), "contrastive_weight", "semacdr")
    assert [(axis.get_title(), axis.get_ylabel()) for axis in drawn.axes] == [
        (title, metric) for title in ("Full ranking", "Sampled ranking") for metric in ("NDCG@10", "HR@10")
    ]
    for axis in drawn.axes:
        assert [container.get_label() for container in axis.containers] == ["movie to book", "book to movie"]
        assert axis.get_xlabel() == "contrastive weight (evenly spaced)"
        assert [text.get_text() for text in axis.get_xticklabels()] == ["0.01", "0.1", "1"]
    line = drawn.axes[0].containers[0].lines[0]
    assert list(line.get_xdata()) == [0, 1, 2]
    assert line.get_ydata() == pytest.approx([(1 + 1 / 2.58496) / 3, 2 / 3, (1 + 1 / 1.58496) / 3], rel=1e-4)
    assert tables.SAMPLE_NOTE in drawn.get_suptitle() and "1 seed and 3 users" in drawn.get_suptitle()
    written = [tmp_path / "a.png", tmp_path / "b.png"]
    for output in written:
        curves.main(["--experiment", str(path), "--setting", "x", "--system", "semacdr", "--picture", str(output)])
    assert written[0].read_bytes() == written[1].read_bytes()


def test_what_is_no_sweep_is_refused(sweep, tmp_path):
    with pytest.raises(UserError, match="cannot be read as the comparison of a sweep, whose variants are numbers"):
        read_sweep(sweep({"1": 1, "without": 2}))
    with pytest.raises(UserError, match=r"none\.tsv: cannot be read"):
        read_sweep(tmp_path / "none.tsv")
    (tmp_path / "other.tsv").write_text("a\tb\n1\t2\n")
    with pytest.raises(UserError, match=r"other\.tsv: cannot be read"):
        read_sweep(tmp_path / "other.tsv")
    lines = sweep({"1": 1, "2": 2}).read_text().splitlines(keepends=True)
    (tmp_path / "one.tsv").write_text("".join(line for line in lines if line.split("\t")[5] != "2"))
    with pytest.raises(UserError, match=r"one\.tsv: a curve needs two values or more"):
        read_sweep(tmp_path / "one.tsv")

"""Sensitivity: several sweeps in one table and one picture, with the rows and points of each sweep."""

import pytest

from semacdr.errors import UserError
from semacdr.reporting.sweep_curves import read_sweep, sensitivity_figure
from semacdr.stages import compare, sensitivity
from semacdr.storage import tsv


@pytest.fixture
def sweep(tmp_path, write_run, comparing):
    """A named sweep's comparison, from the ranks of one of three users by value."""

    def write(name, ranks, users=(1, 2, 3), **meta):
        places = dict.fromkeys(users, 1)
        runs = {value: [write_run(places | {1: rank}, **meta)] for value, rank in ranks.items()}
        comparing(compare, **runs)
        return (tmp_path / "c.tsv").rename(tmp_path / f"{name}.tsv")

    return write


def make(tmp_path, **tables):
    given = [word for name, path in tables.items() for word in ("--sweep", name, str(path))]
    output, picture = tmp_path / "s.tsv", tmp_path / "s.png"
    sensitivity.main([*given, "--system", "semacdr", "--output", str(output), "--picture", str(picture)])
    return output, picture


def test_the_table_holds_every_line_of_every_sweep_under_its_setting(sweep, tmp_path):
    rates, weights = sweep("rates", {"0.01": 1, "0.001": 4}), sweep("weights", {"0": 2, "0.5": 1, "1": 30})
    output, picture = make(tmp_path, learning_rate=rates, contrastive_weight=weights)
    lines = tsv.read(output)
    for name, path in (("learning_rate", rates), ("contrastive_weight", weights)):
        own = [line for line in lines if line["setting"] == name]
        assert [{key: value for key, value in line.items() if key != "setting"} for line in own] == tsv.read(path)
    assert len(lines) == len(tsv.read(rates)) + len(tsv.read(weights))
    again = make(tmp_path / "again", learning_rate=rates, contrastive_weight=weights)
    assert [path.read_bytes() for path in again] == [output.read_bytes(), picture.read_bytes()]


def test_the_picture_has_a_column_per_setting_and_one_scale_in_a_row(sweep):
    tables = {"learning_rate": sweep("a", {"0.01": 1, "0.001": 4}), "blocks": sweep("b", {"1": 2, "2": 1, "3": 30})}
    drawn = sensitivity_figure({name: read_sweep(path) for name, path in tables.items()}, "semacdr")
    assert [axis.get_xlabel() for axis in drawn.axes] == ["learning rate", "blocks"] * 2
    assert [axis.get_ylabel() for axis in drawn.axes] == ["NDCG@10", ""] * 2
    for first, second in (drawn.axes[:2], drawn.axes[2:]):
        assert first.get_ylim() == second.get_ylim()
    line = drawn.axes[1].containers[0].lines[0]
    assert line.get_ydata() == pytest.approx([(2 + 1 / 1.58496) / 3, 1, 2 / 3], rel=1e-4)
    assert "SemaCDR by its settings: mean of 1 seed and 3 users' test events" in drawn.get_suptitle()


def test_sweeps_of_different_users_or_directions_do_not_fit_in_one_figure(sweep, tmp_path):
    one, other = sweep("one", {"1": 1, "2": 2}), sweep("other", {"1": 1, "2": 2}, users=(1, 2))
    with pytest.raises(UserError, match=r"sweeps of different .* dim: .* 3 users.*; blocks: .* 2 users"):
        make(tmp_path, dim=one, blocks=other)
    back = sweep("back", {"1": 1, "2": 2}, source="book", target="movie")
    with pytest.raises(UserError, match=r"sweeps of different .* movie to book; blocks: .* book to movie"):
        make(tmp_path, dim=one, blocks=back)


def test_two_sweeps_of_one_setting_are_refused(sweep, tmp_path):
    one = sweep("one", {"1": 1, "2": 2})
    with pytest.raises(UserError, match="two sweeps of one setting: dim, dim"):
        sensitivity.main(["--sweep", "dim", str(one), "--sweep", "dim", str(one), "--system", "s",
                          "--output", str(tmp_path / "s.tsv"), "--picture", str(tmp_path / "s.png")])  # fmt: skip

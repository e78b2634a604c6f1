"""Ties: which events are tied, the shares that tables state, and the comparison of tied and untied events."""

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tiny_dataset import World

from semacdr.data.ties import tied, tied_shares
from semacdr.errors import UserError
from semacdr.evaluation.runs import load_run
from semacdr.reporting.split_lines import split_lines
from semacdr.stages import compare, split, ties
from semacdr.storage import tables

# Films by day. User 0: the test event is tied with the validation event; user 1: no tie; user 2: validation with
# training; user 3: all on one day; user 4: only with a book.
DAYS = {0: (1, 2, 5, 5), 1: (1, 2, 3, 4), 2: (1, 3, 3, 4), 3: (2, 2, 2, 2), 4: (1, 2, 3, 4)}
FILMS = [(user, "film", (2 * user + place) % 8, day) for user, days in DAYS.items() for place, day in enumerate(days)]
WORLD = World([*FILMS, (4, "book", 0, 4), (1, "book", 1, 9)])


@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 3)), max_size=20))
def test_an_event_is_tied_if_another_of_its_user_has_its_timestamp(rows):
    rows = sorted(rows)
    user, timestamp = np.array(rows, int).reshape(-1, 2).T
    assert tied(user, timestamp).tolist() == [rows.count(row) > 1 for row in rows]


def test_shares_are_of_the_events_of_each_split():
    user, timestamp = np.array([0, 0, 0, 1, 1]), np.array([1, 1, 2, 2, 2])
    role = np.array(["train", "valid", "test", "valid", "train"])
    assert tied_shares(user, timestamp, role) == {"valid": 1.0, "test": 0.0}
    assert tied_shares(user[:2], timestamp[:2], role[:2]) == {"valid": 1.0}


@pytest.fixture
def paths(tmp_path):
    """The tables of the world, with the split as stage split writes it."""
    made = WORLD.write(tmp_path)
    argv = ["--interactions", made["interactions"], "--items", made["items"], "--source", "book", "--target", "film"]
    split.main([*map(str, argv), "--candidates", "2", "--output", str(tmp_path / "out")])
    return made["interactions"], tmp_path / "out/split.parquet"


@pytest.fixture
def runs(write_run, paths):
    """Two variants ranked on the split, with its metadata."""
    meta = {name: value for name, value in tables.read(paths[1], "split")[1].items() if "made_from" not in name}
    meta |= {"release": "handmade", "made_from_split": meta.pop("digest")}
    a = write_run({0: 1, 1: 11, 2: 3, 3: 3, 4: 1}, valid=2.0, **meta)
    b = write_run({0: 3, 1: 3, 2: 3, 3: 1, 4: 3}, valid=2.0, **meta)
    return {"a": [a], "b": [b]}


@pytest.fixture
def stage(comparing, paths, runs):
    def run(*options, module=ties, **changed):
        own = {"interactions": paths[0], "splits": paths[1]} | changed
        files = [word for name, path in own.items() for word in (f"--{name}", str(path))] if module is ties else []
        return comparing(module, "--title", "Some ties", *files, *options, **runs)

    return run


def means(rows):
    return {
        (row["group"], row["variant"]): (float(row["mean"]), int(row["users"]))
        for row in rows
        if (row["ranking"], row["metric"]) == ("full", "ndcg")
    }


def test_a_table_by_hand(stage):
    rows, page = stage()
    assert means(rows) == {  # tied: the test events of the users 0 and 3
        ("untied", "a"): (0.5, 3), ("untied", "b"): (0.5, 3), ("tied", "a"): (0.75, 2), ("tied", "b"): (0.75, 2),
    }  # fmt: skip
    assert {(row["grouping"], row["tied_share"]) for row in rows} == {("tie", "0.4")}
    assert "* book → film: leave-one-out; the test event is a user's last; 40.0 % of these 5 events are tied." in page
    assert "## book → film, by ties of the ranked event" in page and "| tied | 2 | SASRec (a) | 0.7500 |" in page


def test_validation_events_are_grouped_by_their_own_ties(stage):
    rows, page = stage("--split", "valid")
    assert {(row["group"], row["users"], row["tied_share"]) for row in rows} == {
        ("tied", "3", "0.6"), ("untied", "2", "0.6"),  # tied: users 0, 2 and 3
    }  # fmt: skip
    assert "validation event is a user's last but one; 60.0 % of these" in page and "of validation events" in page


def test_a_comparison_states_the_share_of_all_users(stage):
    rows, page = stage(module=compare)
    assert {row["tied_share"] for row in rows} == {"0.4"}
    assert "40.0 % of these 5 events are tied." in page and "so a hash decided" in page


def test_the_result_table_states_the_share_of_the_test_events(metrics_stage, runs):
    rows, page = metrics_stage(*runs["a"])
    assert {row["tied_share"] for row in rows} == {"0.400000"}
    assert "40.0 % of these 5 events are tied." in page


def test_a_page_says_how_a_split_by_time_held_out_events(write_run):
    dates = {"split_by": "time", "valid_from": "2013-07-01", "test_from": "2013-10-01"}
    folder = write_run({0: 1, 1: 2}, **dates, tied_valid="0", tied_test="0.5", new_valid="0.25", new_test="1")
    test, valid = (split_lines({"a": [load_run(folder, split)]}) for split in ("test", "valid"))
    assert test[0] == (
        "* movie → book: training before 2013-07-01; the test event is a user's first one since 2013-10-01; "
        "50.0 % of these 2 events are tied; 100.0 % are of items without a training event."
    )
    assert "first one since 2013-07-01 and before 2013-10-01; 0.0 % of these 2 events are tied; 25.0 %" in valid[0]
    assert split_lines({"a": [load_run(write_run({0: 1}))]}) == [
        "* movie → book: leave-one-out; the test event is a user's last.",
        "",
    ]


def test_tables_of_other_events_are_refused(stage, paths, tmp_path):
    events, meta = tables.read(paths[0], "interactions")
    other = tmp_path / "other.parquet"
    tables.write(events[:-1], other, "interactions", meta)
    with pytest.raises(UserError, match=r"split\.parquet: was made from another interactions table"):
        stage(interactions=other)
    rows, known = tables.read(paths[1], "split")
    known = {name: value for name, value in known.items() if not name.startswith("made_from")}
    moved = pl.from_arrow(rows).with_columns(pl.col("item").reverse())
    tables.write(moved.to_arrow(), other, "split", known)
    with pytest.raises(UserError, match=r"ranks\.parquet: was made from another split|its events are not those of"):
        stage(splits=other)

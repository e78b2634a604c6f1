"""Cold start: groups by training events, their numbers by hand, the page, and every refusal."""

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from semacdr.errors import UserError
from semacdr.evaluation.groups import by_count
from semacdr.evaluation.significance import holm, signed_rank
from semacdr.stages import cold_start
from semacdr.storage import tables

DIRECTION = {"release": "amazon2014", "scenario": "movie_book", "source": "movie", "target": "book"}


@given(
    st.lists(st.integers(0, 30), min_size=1, max_size=40),
    st.lists(st.integers(0, 20), min_size=1, max_size=5),
)
def test_groups_are_the_users_up_to_each_bound(counts, bounds):
    found = by_count("user", np.array(counts), bounds)
    assert sum(group.members.astype(int) for group in found).tolist() == [1] * len(counts)
    for group in found:
        low, _, high = group.name.partition("-")
        if low.startswith(">"):
            low, high = int(low[1:]) + 1, 99
        wanted = [int(low) <= count <= int(high or low) for count in counts]
        assert group.members.tolist() == wanted and any(wanted) and group.grouping == "user"
    assert [group.name for group in by_count("user", np.arange(12), [5, 2, 10, 0])] == [
        "0",
        "1-2",
        "3-5",
        "6-10",
        ">10",
    ]


@pytest.fixture
def write_split(tmp_path):
    """Write a split from each user's items, the last two held out; for cold users all but the last are hidden."""

    def writer(items, cold=(), **meta):
        rows = []
        for user, own in items.items():
            roles = ["train"] * (len(own) - 2) + ["valid", "test"]
            roles = ["hidden"] * (len(own) - 1) + ["test"] if user in cold else roles
            rows += [(user, item, role) for item, role in zip(own, roles, strict=True)]
        meta = DIRECTION | meta
        path = tmp_path / f"split_{meta['source']}.parquet"
        frame = pl.DataFrame(rows, schema=["user", "item", "role"], orient="row")
        tables.write(frame.to_arrow(), path, "split", meta)
        return path

    return writer


@pytest.fixture
def stage(comparing):
    def run(splits, *options, **variants):
        return comparing(cold_start, "--title", "Cold start", "--splits", *splits, *options, **variants)

    return run


# Training events: user 0 none, 1 one, 2 and 3 two each; item 7 with users 1 and 2, item 8 with users 2 and 3.
ITEMS = {0: [1, 8, 9, 7], 1: [7, 1, 8], 2: [7, 8, 1, 9], 3: [8, 2, 3, 9]}


def means(rows, ranking="full", metric="ndcg"):
    return {
        (row["grouping"], row["group"], row["variant"]): (float(row["mean"]), int(row["users"]))
        for row in rows
        if (row["ranking"], row["metric"]) == (ranking, metric)
    }


def test_a_table_by_hand(write_run, write_split, stage):
    split = write_split(ITEMS, cold=[0], cold_users="0.2")
    a = [write_run({0: 11, 1: 3, 2: 1, 3: 3}, {0: 1, 1: 3, 2: 11, 3: 1}, cold=[0])]
    b = [write_run({0: 3, 1: 3, 2: 3, 3: 3}, cold=[0])]
    rows, page = stage([split], "--user-groups", "1", "--item-groups", "0", "1", a=a, b=b)
    assert means(rows) == {
        ("user", "0", "a"): (0, 1), ("user", "0", "b"): (0.5, 1),
        ("user", "1", "a"): (0.5, 1), ("user", "1", "b"): (0.5, 1),
        ("user", ">1", "a"): (0.75, 2), ("user", ">1", "b"): (0.5, 2),
        ("item", "0", "a"): (0.75, 2), ("item", "0", "b"): (0.5, 2),  # users 2 and 3, whose test item is 9
        ("item", ">1", "a"): (0.25, 2), ("item", ">1", "b"): (0.5, 2),  # users 0 and 1: items 7 and 8
    }  # fmt: skip
    assert means(rows, "sampled", "hr")["user", ">1", "a"] == (0.5, 2)
    assert {row["metric"] for row in rows} == {"ndcg", "hr"} and {row["k"] for row in rows} == {"10"}
    assert list(rows[0])[:5] == ["source", "target", "grouping", "group", "ranking"]
    assert page.count("\n## ") == 2 and "## movie → book, by the user's training events" in page
    assert "| 0 | 1 | SASRec (a) | 0.0000 | 0.0000 |  |  |" in page
    assert "|  |  | SASRec (b) | 0.5000 | 1.0000 | +0.5000 [+0.5000, +0.5000] |" in page
    assert "within each group" in page and tables.SAMPLE_NOTE not in page and page.endswith("\n1 seed.\n")


def test_tests_are_corrected_within_a_group(write_run, write_split, stage):
    rng, users = np.random.default_rng(0), range(90)
    split = write_split({user: [*range(100, 101 + user // 30), 200, 300] for user in users})
    ranks = {name: {u: float(rng.integers(1, most)) for u in users} for name, most in (("a", 8), ("b", 9), ("c", 20))}
    rows, page = stage([split], **{name: [write_run(r, release="sample")] for name, r in ranks.items()})
    assert tables.SAMPLE_NOTE in page and {row["release"] for row in rows} == {"sample"}
    gain = {name: np.array([1 / np.log2(1 + r) * (r <= 10) for r in r.values()]) for name, r in ranks.items()}
    for group, members in (("1-2", slice(0, 60)), ("3-5", slice(60, 90))):
        wanted = [signed_rank((gain[name] - gain["a"])[members]) for name in "bc"]
        chosen = [
            r for r in rows if (r["grouping"], r["group"], r["ranking"], r["metric"]) == ("user", group, "full", "ndcg")
        ]
        assert [float(row["p_wilcoxon"]) for row in chosen[1:]] == pytest.approx(wanted, rel=1e-4)
        assert [float(row["p_holm"]) for row in chosen[1:]] == pytest.approx(holm(wanted), rel=1e-4)


def test_each_direction_has_its_own_counts(write_run, write_split, stage):
    other = {"source": "book", "target": "movie"}
    splits = [write_split(ITEMS), write_split({user: [1, 2, 3] for user in ITEMS}, **other)]
    runs = {name: [write_run(dict.fromkeys(ITEMS, 1)),
                   write_run(dict.fromkeys(ITEMS, 1), **other)] for name in "ab"}  # fmt: skip
    rows, _ = stage(splits, "--user-groups", "1", **runs)
    shown = {(row["target"], row["group"], row["users"]) for row in rows if row["grouping"] == "user"}
    assert shown == {("book", "1", "1"), ("book", ">1", "3"), ("movie", "1", "4")}


def test_what_does_not_belong_together_is_refused(write_run, write_split, stage):
    runs = {name: [write_run({1: 1, 2: 1})] for name in "ab"}
    with pytest.raises(UserError, match=r"lacks the split\.parquet of movie to book, which was ranked"):
        stage([write_split(ITEMS, source="book", target="movie")], **runs)
    with pytest.raises(UserError, match=r"split_movie\.parquet: its users are not those of .*run0/seed1/ranks"):
        stage([write_split(ITEMS)], **runs)


def test_ranks_of_another_split_are_refused(write_run, write_split, stage):
    split = write_split(ITEMS)
    runs = {name: [write_run(dict.fromkeys(ITEMS, 1), made_from_split="other")] for name in "ab"}
    with pytest.raises(UserError, match=r"run0/seed1/ranks\.parquet: was made from another split table"):
        stage([split], **runs)


def test_groups_without_a_bound_are_refused(write_run, write_split, stage):
    runs = {name: [write_run(dict.fromkeys(ITEMS, 1))] for name in "ab"}
    with pytest.raises(UserError, match=r"cold_start\.item_groups: must be a list of at least 1 entries"):
        stage([write_split(ITEMS)], "--settings", '{"item_groups": []}', **runs)

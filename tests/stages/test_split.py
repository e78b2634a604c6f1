"""Split: roles in the user's order, and candidates with the promised properties."""

import logging

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tiny_dataset import World, read

from semacdr.errors import UserError
from semacdr.stages import split
from semacdr.storage import tables


def run(folder, world, negatives=3, seed=0, target=None, cold=None):
    paths = world.write(folder)
    argv = ["--interactions", paths["interactions"], "--items", paths["items"], "--source", world.source]
    argv += ["--target", target or world.target, "--candidates", negatives, "--seed", seed, "--output", folder / "out"]
    argv += [] if cold is None else ["--cold-users", cold]
    split.main([str(part) for part in argv])
    return folder / "out"


def tables_of(output):
    return read(output / "split.parquet", "split"), read(output / "candidates.parquet", "candidates")


def test_the_last_is_the_test_the_one_before_the_validation(tmp_path):
    films = [(0, "film", 4, 1), (0, "film", 3, 5), (0, "film", 2, 3), (1, "film", 0, 0), (1, "film", 1, 1)]
    world = World([*films, (1, "film", 2, 2), (1, "film", 3, 3), (0, "book", 0, 9)])
    assert tables_of(run(tmp_path, world))[0].rows() == [
        (0, 12, "train"),
        (0, 10, "valid"),
        (0, 11, "test"),
        (1, 8, "train"),
        (1, 9, "train"),
        (1, 10, "valid"),
        (1, 11, "test"),
    ]


def test_events_keep_the_order_of_the_interactions(tmp_path):
    interactions = World([(0, "film", item, day) for item, day in ((7, 0), (5, 1), (6, 1), (2, 1))]).interactions
    for order in ((0, 1, 2, 3), (0, 3, 1, 2)):
        rows = interactions[list(order)]
        roles = ("train", "train", "valid", "test")
        assert split.leave_one_out(rows, "film").rows() == list(zip([0] * 4, rows["item"], roles, strict=True))


def test_interactions_out_of_order_are_refused(tmp_path):
    world = World([(user, "film", item, item) for user in range(3) for item in range(3)])
    run(tmp_path, world)
    table, meta = tables.read(tmp_path / "interactions.parquet", "interactions")
    tables.write(table.take(list(range(len(table)))[::-1]), tmp_path / "interactions.parquet", "interactions", meta)
    with pytest.raises(
        UserError, match=r"interactions\.parquet: the rows .* are not sorted by user and timestamp; delete"
    ):
        tables.read(tmp_path / "interactions.parquet", "interactions")


def role_of(place, items):
    return {len(items) - 1: "test", len(items) - 2: "valid"}.get(place, "train")


@settings(deadline=None, max_examples=60)
@given(
    histories=st.lists(st.lists(st.integers(0, 9), min_size=3, max_size=9, unique=True), min_size=1, max_size=5),
    negatives=st.integers(1, 4),
    seed=st.integers(0, 2**31),
)
def test_candidates_are_distinct_unseen_items_of_the_target(histories, negatives, seed):
    catalogue = np.arange(20, 30)
    rows = [(user, 20 + item, role_of(place, items)) for user, items in enumerate(histories)
            for place, item in enumerate(items)]  # fmt: skip
    frame = pl.DataFrame(rows, schema=["user", "item", "role"], orient="row")
    if max(map(len, histories)) + negatives > 10:
        with pytest.raises(UserError, match=f"user {[len(h) + negatives > 10 for h in histories].index(True)} has "):
            split.draw_candidates(frame, catalogue, negatives, seed)
        return
    drawn = split.draw_candidates(frame, catalogue, negatives, seed).rows()
    assert [row[:3] for row in drawn] == [
        (user, part, 20 + items[place])
        for user, items in enumerate(histories)
        for part, place in (("valid", -2), ("test", -1))
    ]
    for user, _, _, chosen in drawn:
        assert len(chosen) == len(set(chosen)) == negatives
        assert set(chosen) <= set(catalogue) - {20 + item for item in histories[user]}


def three_users(without=()):
    return World(
        [(user, "film", (user + 3 * item) % 40, item) for user in range(3) for item in range(5) if user not in without],
        films=40,
    )


def test_a_draw_hangs_on_the_seed_and_the_user_alone(tmp_path):
    whole = tables_of(run(tmp_path / "a", three_users(), 10))[1]
    assert tables_of(run(tmp_path / "b", three_users(), 10))[1].equals(whole)
    for name in ("split", "candidates"):
        one, two = ((tmp_path / folder / "out" / f"{name}.parquet").read_bytes() for folder in "ab")
        assert one == two
    without_1 = tables_of(run(tmp_path / "c", three_users(without=[1]), 10))[1]
    assert without_1.equals(whole.filter(pl.col("user") != 1))
    other = tables_of(run(tmp_path / "d", three_users(), 10, seed=1))[1]
    assert other.drop("negatives").equals(whole.drop("negatives"))
    drawn, otherwise = (frame["negatives"].to_list() for frame in (whole, other))
    assert not any(one == two for one, two in zip(drawn, otherwise, strict=True))
    assert len(set(map(tuple, drawn))) == 6  # validation and test, and the users, differ


def test_negatives_are_drawn_uniformly():
    users, catalogue, history = 3000, np.arange(12), [2, 5, 11]
    rows = [(user, item, role_of(place, history)) for user in range(users) for place, item in enumerate(history)]
    drawn = split.draw_candidates(pl.DataFrame(rows, schema=["user", "item", "role"], orient="row"), catalogue, 4, 7)
    for part in split.SPLITS:
        chosen = np.array(drawn.filter(pl.col("split") == part)["negatives"].to_list())
        for place in range(4):  # at each place, not only overall
            counts = np.bincount(chosen[:, place], minlength=12)
            assert counts[history].sum() == 0
            free = np.delete(counts, history)
            assert ((free - users / 9) ** 2 / (users / 9)).sum() < 27.9  # chi-square, 8 degrees of freedom, p = 0.0005


def test_a_catalogue_too_small_is_refused_with_user_and_numbers(tmp_path):
    world = World([(0, "film", item, item) for item in range(3)] + [(1, "film", item, item) for item in range(6)])
    run(tmp_path, world, negatives=2)  # 8 - 6 are just enough
    message = r"user 1 has 6 of the 8 items .* the other 2 are fewer than the 3 candidates .*; lower it to 2"
    with pytest.raises(UserError, match=message):
        run(tmp_path, world, negatives=3)


def test_a_user_who_has_the_whole_catalogue_is_not_advised_to_lower_the_number_of_candidates(tmp_path):
    world = World([(0, "film", item, item) for item in range(8)])
    with pytest.raises(UserError, match=r"user 0 has 8 of the 8 items .* no item is left .* use more data") as caught:
        run(tmp_path, world, negatives=1)
    assert "lower" not in str(caught.value)


def test_the_tables_say_from_which_tables_they_were_made(tmp_path):
    output = run(tmp_path, three_users())
    read_meta = {name: tables.read(tmp_path / f"{name}.parquet", name)[1] for name in ("interactions", "items")}
    split_meta, candidates_meta = (tables.read(output / f"{name}.parquet", name)[1] for name in ("split", "candidates"))
    assert tables.made_from(**read_meta).items() <= split_meta.items()
    assert candidates_meta["made_from_split"] == split_meta["digest"]


def test_items_of_other_interactions_are_refused(tmp_path):
    paths = three_users().write(tmp_path)
    table, meta = tables.read(paths["items"], "items")
    tables.write(table, paths["items"], "items", meta | {"made_from_interactions": "0" * 16})
    argv = ["--interactions", paths["interactions"], "--items", paths["items"], "--source", "book", "--target", "film"]
    with pytest.raises(UserError, match=r"items\.parquet: was made from another interactions table"):
        split.main([str(part) for part in [*argv, "--output", tmp_path / "out"]])


def test_an_unknown_target_is_named(tmp_path):
    with pytest.raises(UserError, match=r"items\.parquet: no item of domain 'song'; it holds \['book', 'film'\]"):
        run(tmp_path, three_users(), target="song")


def test_the_log_counts_users_without_a_training_pair(tmp_path, caplog):
    caplog.set_level(logging.INFO)
    lengths = {0: 3, 1: 4, 2: 3, 3: 5}
    run(tmp_path, World([(user, "film", item, 0) for user, length in lengths.items() for item in range(length)]))
    assert (
        "book to film: 4 users, 4 with a test event, 8 target items, 7 training events; 2 users have one training event"
        in caplog.text
    )


def test_the_tables_carry_direction_and_draw(tmp_path):
    output = run(tmp_path, three_users(), 5, seed=9)
    direction = {"release": "handmade", "scenario": "book_film", "source": "book", "target": "film"}
    assert direction.items() <= tables.read(output / "split.parquet", "split")[1].items()
    drawn = direction | {"candidate_seed": "9", "negatives": "5"}
    assert drawn.items() <= tables.read(output / "candidates.parquet", "candidates")[1].items()


# Cold users


def many_users(target="film"):
    events = [(user, domain, (user + 3 * item) % 20, item) for user in range(300) for domain in ("film", "book")
              for item in range(3 + user % 3)]  # fmt: skip
    return World(events, 20, 20, target)


def cold_of(output):
    frame = tables_of(output)[0]
    return set(frame.filter(pl.col("role") == "hidden")["user"])


def test_all_but_the_test_event_of_a_cold_user_is_hidden(tmp_path):
    whole, drawn = tables_of(run(tmp_path / "whole", many_users()))
    output = run(tmp_path / "some", many_users(), cold=0.2)
    frame, candidates = tables_of(output)
    cold = pl.col("user").is_in(list(cold_of(output)))
    assert frame.drop("role").equals(whole.drop("role"))
    assert frame.filter(~cold).equals(whole.filter(~cold))
    assert set(frame.filter(cold & (pl.col("role") != "test"))["role"]) == {"hidden"}
    assert frame.filter(pl.col("role") == "test").equals(whole.filter(pl.col("role") == "test"))
    # The same candidates as without cold users: no hidden item, and no validation row of cold users.
    assert candidates.equals(drawn.filter(~(cold & (pl.col("split") == "valid"))))
    for name in ("split", "candidates"):
        assert tables.read(output / f"{name}.parquet", name)[1]["cold_users"] == "0.2"


def test_who_is_cold_hangs_on_the_seed_and_the_user_alone(tmp_path):
    first = cold_of(run(tmp_path / "a", many_users(), cold=0.2))
    assert 40 <= len(first) <= 80  # of 300
    assert cold_of(run(tmp_path / "b", many_users("book"), cold=0.2)) == first  # in the other direction
    assert first < cold_of(run(tmp_path / "c", many_users(), cold=0.4))
    assert cold_of(run(tmp_path / "d", many_users(), cold=0.2, seed=1)) != first
    frame = split.leave_one_out(many_users().interactions, "film").filter(pl.col("user") % 7 != 0)
    fewer = split.hide(frame, 0.2, 0).filter(pl.col("role") == "hidden")
    assert set(fewer["user"]) == {user for user in first if user % 7}


def test_without_cold_users_not_a_byte_differs(tmp_path):
    one, two = run(tmp_path / "a", many_users()), run(tmp_path / "b", many_users(), cold=0.0)
    for name in ("split", "candidates"):
        assert (one / f"{name}.parquet").read_bytes() == (two / f"{name}.parquet").read_bytes()
        assert "cold_users" not in tables.read(one / f"{name}.parquet", name)[1]


def test_the_log_counts_cold_users(tmp_path, caplog):
    caplog.set_level(logging.INFO)
    output = run(tmp_path, many_users(), cold=0.2)
    hidden = (tables_of(output)[0]["role"] == "hidden").sum()
    assert f"{len(cold_of(output))} cold users, {hidden} hidden events" in caplog.text


def test_a_share_that_leaves_nobody_is_refused(tmp_path):
    for share in ("1", "-0.1", "nan"):
        with pytest.raises(UserError, match=r"split\.cold_users: must be a number of at least 0 and below 1, not"):
            run(tmp_path / share, three_users(), cold=share)
    with pytest.raises(UserError, match=r"all 3 users are cold, so none is left to train on; lower split\.cold_users"):
        run(tmp_path / "most", three_users(), cold=0.999)


# Split by time


def by_time(folder, world, *options):
    """The output folder of a split by time."""
    paths = world.write(folder)
    argv = ["--interactions", paths["interactions"], "--items", paths["items"], "--source", world.source]
    argv += ["--target", world.target, "--output", folder / "out", "--candidates", "2", "--by", "time", *options]
    split.main([str(part) for part in argv])
    return folder / "out"


def three_in_time():
    """Films of days 1 to 9: user 0 in all periods, user 1 until day 5, user 2 from day 5 on; nobody has film 9."""
    days = {0: (1, 2, 5, 6, 8, 9), 1: (1, 3, 5), 2: (5, 5, 9, 9)}
    films = [(user, "film", (place + 3 * user) % 9, day) for user, own in days.items() for place, day in enumerate(own)]
    return World([*films, (0, "book", 0, 7), (1, "book", 0, 20), (2, "book", 0, 1)], films=10)


DATES = ("--valid-from", "2014-04-14", "--test-from", "2014-04-17")  # days 5 and 8


def test_a_user_s_first_event_of_each_period_is_held_out(tmp_path):
    frame, candidates = tables_of(by_time(tmp_path, three_in_time(), *DATES))
    roles = {user: rows["role"].to_list() for (user,), rows in frame.group_by("user", maintain_order=True)}
    assert roles[0] == ["train", "train", "valid", "later", "test", "later"]
    assert roles[1] == ["train", "train", "valid"]
    assert roles[2] == ["valid", "later", "test", "later"]
    assert candidates.select("user", "split", "positive").rows() == [
        (user, part, frame.filter((pl.col("user") == user) & (pl.col("role") == part))["item"].item())
        for user, part in ((0, "valid"), (0, "test"), (1, "valid"), (2, "valid"), (2, "test"))
    ]
    for user, _, _, negatives in candidates.rows():  # not even an item that the user has after the test event
        assert not set(negatives) & set(frame.filter(pl.col("user") == user)["item"])


def test_the_metadata_of_a_time_split_are_its_dates_and_the_tied_shares(tmp_path):
    output = by_time(tmp_path, three_in_time(), *DATES)
    expected = {"split_by": "time", "valid_from": "2014-04-14", "test_from": "2014-04-17"}
    expected |= {"tied_valid": "0.333333", "tied_test": "0.500000"}  # of user 2
    expected |= {"new_valid": "1.000000", "new_test": "0.000000"}  # films 2, 5, 6; 4, 0
    for name in ("split", "candidates"):
        assert expected.items() <= tables.read(output / f"{name}.parquet", name)[1].items()


def test_the_log_counts_users_and_items_that_training_does_not_know(tmp_path, caplog):
    caplog.set_level(logging.INFO)
    by_time(tmp_path, three_in_time(), *DATES)
    assert "training before 2014-04-14, validation before 2014-04-17, test from then on; 4 later events" in caplog.text
    # Training: films 0, 1 (user 0) and 3, 4 (user 1). Validation: 2, 5, 6. Test: 4, 0.
    assert "valid: 3 users; 1 of them have no training event, and the items of 3 have none" in caplog.text
    assert "test: 2 users; 1 of them have no training event, and the items of 0 have none" in caplog.text
    assert "5 items have no training event" in caplog.text  # 2, 5, 6, 7, 8


@settings(deadline=None, max_examples=50)
@given(
    days=st.lists(st.integers(0, 30), min_size=5, max_size=60),
    shares=st.tuples(st.floats(0.05, 0.3), st.floats(0.05, 0.3)),
)
def test_dates_by_shares_leave_at_least_these_shares(days, shares):
    events = World([(0, "film", 0, day) for day in days] + [(0, "book", 0, 99)]).interactions
    try:
        dates = split.choose_dates(events, "film", shares, (None, None))
    except UserError as error:
        assert len(set(days)) < 30 and "which is not before the test's begin" in str(error)
        return
    first, second = ((pl.Series([text]).str.to_date() - pl.Series(["2014-04-09"]).str.to_date()).dt.total_days().item()
                     for text in (dates.valid_from, dates.test_from))  # fmt: skip
    wanted = [max(1, round(share * len(days))) for share in shares]
    tested, validated = sum(day >= second for day in days), sum(first <= day < second for day in days)
    assert tested >= wanted[1] > sum(day > second for day in days)  # a day later, the share would not be reached
    assert validated >= min(wanted[0], len(days) - tested)
    assert sum(first < day < second for day in days) < wanted[0]
    assert split.choose_dates(events, "film", shares, (dates.valid_from, None)) == dates
    assert split.choose_dates(events, "film", shares, (None, dates.test_from)) == dates


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--valid-from", "2014-04-17", "--test-from", "2014-04-14"), "2014-04-17 .* is not before .* 2014-04-14"),
        (
            ("--valid-from", "2014-04-09", "--test-from", "2014-04-14"),
            "is before 2014-04-09 .* from 2014-04-10 to 2014",
        ),
        (("--valid-from", "2014-04-14", "--test-from", "2015-01-01"), "no event of domain 'film' is since 2015-01-01"),
        (("--valid-from", "2014-04-16", "--test-from", "2014-04-17"), "to the day before 2014-04-17"),
        (("--valid-from", "April"), "split.valid_from: must be a date such as 2013-07-01, not 'April'"),
        (("--test-from", "2014-02-30"), "split.test_from: must be a date such as 2013-07-01, not '2014-02-30'"),
        (("--test-share", "0.9", "--valid-share", "0.9"), "is not before the test's begin|is before 2014-04-10"),
        (("--cold-users", "0.1"), "set split.cold_users to 0, or split.by to leave_one_out"),
        (("--by", "leave_one_out", "--valid-from", "2014-04-14"), "split.valid_from is for a time split"),
    ],
)
def test_settings_of_a_time_split_that_cannot_be_met_are_refused(tmp_path, options, message):
    with pytest.raises(UserError, match=message):
        by_time(tmp_path, three_in_time(), *options)


def test_a_split_by_time_needs_times(tmp_path):
    world = World([(user, "film", item, item) for user in range(3) for item in range(5)])
    paths = world.write(tmp_path)
    tables.write(world.interactions.to_arrow(), paths["interactions"], "interactions", {"order": "position"})
    argv = ["--interactions", str(paths["interactions"]), "--items", str(paths["items"]), "--source", "book"]
    with pytest.raises(UserError, match=r"split\.by: time needs times, but the tables have positions"):
        split.main([*argv, "--target", "film", "--by", "time", "--output", str(tmp_path)])


def test_nobody_with_three_target_events_is_an_error(tmp_path):
    world = World([(user, "film", item, item) for user in range(3) for item in range(2)])
    with pytest.raises(UserError, match="no user has 3 events in domain 'film'"):
        world.write(tmp_path)

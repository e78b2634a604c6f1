"""The order in which events become visible, and the windows that training and ranking see, against the rules."""

import tempfile
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from tiny_dataset import World, read, worlds

from semacdr.batching.windows import BLANK, evaluation_windows, training_windows
from semacdr.data.history import NONE, load_history
from semacdr.errors import UserError
from semacdr.storage import tables

steady = settings(deadline=None, max_examples=60)


def loaded(world):
    with tempfile.TemporaryDirectory() as folder:
        return world.history(Path(folder))


def scenario_items(visible):
    return [item for _, _, item in visible]


def test_a_source_event_of_the_same_day_comes_after_the_target_event():
    events = [(0, "film", 3, 1), (0, "film", 2, 2), (0, "film", 1, 2), (0, "film", 0, 3)]
    world = World([*events, (0, "book", 5, 1), (0, "book", 4, 1), (0, "book", 6, 0), (0, "book", 7, 2)])
    history = loaded(world)
    assert history.item.tolist() == [6, 11, 4, 5, 9, 10, 7, 8]  # day 0: 6; day 1: film, books; day 2: films, book
    assert history.is_target.tolist() == [False, True, False, False, True, True, False, True]
    assert (history.start.tolist(), history.valid.tolist(), history.test.tolist()) == ([0, 8], [5], [7])
    assert history.training().tolist() == [True] * 5 + [False] * 3
    assert (history.source_items, history.target_items) == (range(0, 8), range(8, 16))
    assert history.meta["source"] == "book"


def test_either_domain_can_be_the_target():
    events = [(0, domain, item, item) for domain in ("book", "film") for item in range(4)]
    history = loaded(World(events, target="book"))
    assert (history.source_items, history.target_items) == (range(8, 16), range(0, 8))
    assert history.item.tolist() == [0, 8, 1, 9, 2, 10, 3, 11]


anyhow = worlds() | worlds(least=1, by_time=True)


@steady
@given(anyhow)
def test_the_events_before_a_target_event_are_the_visible_ones(world):
    history = loaded(world)
    assert history.users == world.users
    assert history.user().tolist() == [row[0] for row in world.rows if row not in world.hidden]
    assert sorted(zip(*history.hidden.tolist(), strict=True)) == sorted(row[:2] for row in world.hidden)
    for user in range(world.users):
        begin, end = history.start[user : user + 2]
        targets = world.of_user(user, world.target)
        places = begin + np.flatnonzero(history.is_target[begin:end])
        assert history.item[places].tolist() == [item for _, item in targets]
        for place, index in enumerate(places):
            assert history.item[begin:index].tolist() == scenario_items(world.visible(user, place))
            first = {world.target: history.target_items, world.source: history.source_items}
            expected = [item in first[world.target] for item in history.item[begin:index]]
            assert history.is_target[begin:index].tolist() == expected
        for split, held_out in (("valid", history.valid), ("test", history.test)):
            place = world.held_out(user, split)
            assert held_out[user] == (NONE if place is None else places[place])
            users, events = history.ranked(split)
            assert events[users == user].tolist() == ([] if place is None else [places[place]])


@steady
@given(anyhow)
def test_training_is_all_before_the_validation_event_or_date(world):
    history = loaded(world)
    training = history.training()
    for user, seen in world.training().items():
        chosen = training & (history.user() == user)
        assert history.item[chosen].tolist() == scenario_items(seen)
        assert history.training_end[user] == history.start[user] + len(seen)


# Windows


def naive_window(world, user, last, max_length):
    """The expected windows of a user whose last positive is target event number `last`."""
    targets, visible = world.of_user(user, world.target), world.visible(user, last)
    numbered = {domain: [item - world.first[domain] for _, d, item in visible if d == domain] for domain in world.sizes}
    source, mixed = numbered[world.source], scenario_items(visible)
    # Step s has event s as its last target event and predicts s + 1; without an event, a blank predicts the first.
    steps = range(max(0, last - max_length), last) or [-1]
    seen = [world.visible(user, step + 1) for step in steps]
    cut_source, cut_mixed = max(0, len(source) - max_length), max(0, len(mixed) - max_length)
    places = {item: place for place, item in enumerate(mixed[cut_mixed:])}  # a user has each item once
    kept = {domain: [item for _, d, item in visible if d == domain][-max_length:] for domain in world.sizes}
    return {
        "target": numbered[world.target][-max_length:] or [BLANK],
        "source": source[-max_length:],
        "mixed": mixed[-max_length:],
        "positives": [targets[step + 1][1] - world.first[world.target] for step in steps],
        "source_visible": [max(0, sum(d == world.source for _, d, _ in s) - cut_source) for s in seen],
        "mixed_last": [max(-1, len(s) - 1 - cut_mixed) for s in seen],
        "target_place": [places.get(item, -1) for item in kept[world.target]] or [-1],
        "source_place": [places.get(item, -1) for item in kept[world.source]],
        "target_before": [
            max(0, sum(d == world.target for _, d, _ in visible[:place]) - max(0, last - max_length))
            for place, (_, domain, _) in enumerate(visible)
            if domain == world.source
        ][-max_length:],
    }


def rows_of(windows):
    """The windows in the form of the naive ones: a dict of lists for each row."""
    offsets = {name: getattr(windows, name).offsets for name in ("target", "source", "mixed")}
    offsets |= dict.fromkeys(("positives", "source_visible", "mixed_last", "target_place"), windows.target.offsets)
    offsets |= dict.fromkeys(("source_place", "target_before"), windows.source.offsets)
    values = {name: getattr(windows, name) for name in offsets}
    return [
        {
            name: getattr(values[name], "values", values[name])[offset[row] : offset[row + 1]].tolist()
            for name, offset in offsets.items()
        }
        for row in range(len(windows.users))
    ]


@pytest.mark.parametrize("max_length", [1, 2, 4, 50])
@settings(deadline=None, max_examples=40)
@given(anyhow)
def test_windows_are_what_the_rules_say(max_length, world):
    history = loaded(world)
    for split in ("valid", "test"):
        windows = evaluation_windows(history, split, max_length)
        places = {user: world.held_out(user, split) for user in range(world.users)}
        ranked = {user: place for user, place in places.items() if place is not None}
        assert windows.users.tolist() == list(ranked)
        assert rows_of(windows) == [naive_window(world, user, place, max_length) for user, place in ranked.items()]
    windows = training_windows(history, max_length)
    counts = {user: sum(domain == world.target for _, domain, _ in seen) for user, seen in world.training().items()}
    trained = {user: count - 1 for user, count in counts.items() if count >= 2}  # the last event is a positive
    assert windows.users.tolist() == list(trained)
    assert rows_of(windows) == [naive_window(world, user, place, max_length) for user, place in trained.items()]


def test_all_shows_the_whole_source_history_at_every_step():
    films = [(0, "film", item, 2 * item) for item in range(6)]  # days 0, 2, 4, 6, 8, 10
    books = [(0, "book", item, day) for item, day in enumerate([1, 1, 3, 4, 99])]
    history = loaded(World(films + books))
    for windows, source, before in (
        (training_windows(history, 2, "all"), [3, 4], [2, 2]),
        (evaluation_windows(history, "test", 3, "all"), [2, 3, 4], [0, 1, 3]),
    ):
        (row,) = rows_of(windows)
        assert row["source"] == source  # the last ones of all time, the one of day 99 too
        assert set(row["source_visible"]) == {len(source)}
        assert row["target_before"] == before  # of the window's events, at most all
    (causal,), (everything,) = (rows_of(evaluation_windows(history, "test", 50, name)) for name in ("causal", "all"))
    unchanged = ("target", "mixed", "positives", "mixed_last", "target_place")
    assert {name: everything[name] for name in unchanged} == {name: causal[name] for name in unchanged}
    assert everything["source_place"] == [*causal["source_place"], -1]  # the book of day 99 is in no mixed window


def test_windows_by_hand():
    films = [(0, "film", item, 2 * item) for item in range(6)]  # days 0, 2, 4, 6, 8, 10
    books = [(0, "book", item, day) for item, day in enumerate([1, 1, 3, 4, 9])]
    (row,) = rows_of(training_windows(loaded(World(films + books)), 2))
    assert row == {
        "target": [1, 2],  # film 3 is the last positive, film 0 is before the window
        "source": [2, 3],  # books of the days 3 and 4, both before film 3 of day 6
        "mixed": [10, 3],  # film 2, then the book of its day
        "positives": [2, 3],
        "source_visible": [1, 2],  # before film 2 of day 4: only the book of day 3
        "mixed_last": [-1, 1],  # what precedes film 2 is before the mixed window
        "target_place": [-1, 0],  # and so is film 1
        "source_place": [-1, 1],
        "target_before": [1, 2],  # the book of day 4 comes after the film of that day
    }


def test_a_cold_user_s_window_is_a_blank_and_what_the_source_domain_shows():
    films = [(user, "film", item, 2 * item) for user in range(3) for item in range(5)]
    books = [(user, "book", item, day) for user in range(2) for item, day in enumerate([1, 3, 7, 8, 9])]
    windows = evaluation_windows(loaded(World(films + books, cold=[0, 2])), "test", 2)
    blank = {"target": [BLANK], "positives": [4], "target_place": [-1]}  # film 4 of day 8
    known = {"source": [1, 2], "mixed": [1, 2], "source_visible": [2], "mixed_last": [1]}
    assert rows_of(windows)[0] == blank | known | {"source_place": [0, 1], "target_before": [0, 0]}
    assert rows_of(windows)[1]["target"] == [2, 3]
    nothing = {"source": [], "mixed": [], "source_visible": [0], "mixed_last": [-1]}
    assert rows_of(windows)[2] == blank | nothing | {"source_place": [], "target_before": []}


def test_a_user_with_one_training_event_has_no_training_window():
    world = World([(user, "film", item, item) for user, count in ((0, 3), (1, 4)) for item in range(count)])
    assert training_windows(loaded(world), 5).users.tolist() == [1]
    nobody = training_windows(loaded(World([(0, "film", item, item) for item in range(3)])), 5)
    assert len(nobody.users) == len(nobody.positives) == len(nobody.mixed.values) == 0


# Tables that do not belong together


def damaged(tmp_path, name, change, **meta):
    """The paths of a valid world with one table changed."""
    events = [(user, domain, item, item) for user in range(2) for domain in ("book", "film") for item in range(4)]
    paths = World(events).write(tmp_path)
    frame, known = read(paths[name], name), tables.read(paths[name], name)[1]
    tables.write(change(frame).to_arrow(), paths[name], name, known | meta)
    return paths["interactions"], paths["items"], paths["split"]


@pytest.mark.parametrize(
    ("name", "change", "meta", "message"),
    [
        ("interactions", lambda t: t[1:], {}, None),  # one source event less: the split is still valid
        ("interactions", lambda t: t.filter(pl.col("item") != 8), {}, r"split\.parquet: its events are not those of"),
        ("interactions", lambda t: t[:8], {}, r"split\.parquet: its events are not those of .*; run the split stage"),
        ("split", lambda t: t[:-1], {}, r"split\.parquet: its events are not those of"),
        ("split", lambda t: t.with_columns(pl.col("item").reverse()), {}, "its events are not those of"),
        (
            "split",
            lambda t: t.with_columns(role=pl.lit("train")),
            {},
            r"split\.parquet: .* one validation and one test",
        ),
        (
            "split",
            lambda t: t.with_columns(role=pl.when(pl.col("role") == "train").then(pl.lit("hidden")).otherwise("role")),
            {},
            r"split\.parquet: some user has not exactly one validation and one test event",
        ),
        (
            "split",
            lambda t: t.with_columns(role=pl.when(pl.col("role") == "valid").then(pl.lit("hidden")).otherwise("role")),
            {},
            r"split\.parquet: some user has hidden and training events; run split again",
        ),
        (
            "split",
            lambda t: t.with_columns(role=pl.col("role").replace("train", "thinned")),
            {},
            r"split\.parquet: some user has thinned events, but no training event; run split again",
        ),
        (
            "split",
            lambda t: t.with_columns(role=pl.col("role").replace("valid", "thinned")),
            {},
            r"split\.parquet: some user has not exactly one validation and one test event",
        ),
        ("split", lambda t: t, {"target": "book"}, "its events are not those of"),
        ("split", lambda t: t, {"source": "song"}, r"items\.parquet: the items of domain 'song' are not numbered"),
        ("items", lambda t: t[1:], {}, r"items\.parquet: does not hold the items of"),
        ("items", lambda t: t.filter(pl.col("item") != 9), {}, "the items of domain 'film' are not numbered without"),
        ("items", lambda t: t[:10], {}, r"items\.parquet: does not hold the items of .*interactions\.parquet"),
        ("items", lambda t: t.with_columns(domain=pl.lit("film")), {}, "the items of domain 'book' are not numbered"),
    ],
)
def test_tables_that_do_not_fit_are_refused(tmp_path, name, change, meta, message):
    paths = damaged(tmp_path, name, change, **meta)
    if message is None:
        load_history(*paths)
        return
    with pytest.raises(UserError, match=message):
        load_history(*paths)


@pytest.mark.parametrize(
    "change",
    [
        lambda t: t.with_columns(role=pl.lit("later")),
        lambda t: t.with_columns(role=pl.when(pl.col("role") == "valid").then(pl.lit("test")).otherwise("role")),
        lambda t: t.with_columns(role=pl.when(pl.col("role") == "later").then(pl.lit("valid")).otherwise("role")),
        lambda t: t.with_columns(role=pl.when(pl.col("role") == "later").then(pl.lit("hidden")).otherwise("role")),
        lambda t: t.with_columns(role=pl.when(pl.col("role") == "later").then(pl.lit("thinned")).otherwise("role")),
    ],
)
def test_a_time_split_whose_roles_do_not_fit_its_dates_is_refused(tmp_path, change):
    world = World([(0, "film", item, item) for item in range(6)], days=(2, 4))
    assert loaded(world).training().tolist() == [True, True, False, False, False, False]
    paths = world.write(tmp_path)
    rows, meta = tables.read(paths["split"], "split")
    assert rows["role"].to_pylist() == ["train", "train", "valid", "later", "test", "later"]
    tables.write(change(pl.from_arrow(rows)).to_arrow(), paths["split"], "split", meta)
    with pytest.raises(UserError, match=r"split\.parquet: its roles do not fit its dates 2014-04-11 and 2014-04-13"):
        load_history(*paths.values())


def test_a_time_split_that_thins_all_training_events_of_a_user_is_refused(tmp_path):
    paths = World([(0, "film", item, item) for item in range(6)], days=(2, 4)).write(tmp_path)
    rows, meta = tables.read(paths["split"], "split")
    thinned = pl.from_arrow(rows).with_columns(role=pl.col("role").replace("train", "thinned"))
    tables.write(thinned.to_arrow(), paths["split"], "split", meta)
    with pytest.raises(UserError, match=r"split\.parquet: some user has thinned events, but no training event"):
        load_history(*paths.values())


def test_a_split_without_its_direction_is_refused(tmp_path):
    paths = damaged(tmp_path, "split", lambda t: t)
    tables.write(tables.read(paths[2], "split")[0], paths[2], "split", {"release": "handmade"})
    with pytest.raises(UserError, match=r"split\.parquet: its metadata names neither source nor target"):
        load_history(*paths)

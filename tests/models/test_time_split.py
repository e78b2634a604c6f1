"""The time-travel tests for a time split: what happens after the dates is unknown to training, and to earlier ranks."""

from datetime import UTC, datetime

import numpy as np
import polars as pl
import pytest
from direction_world import DAY, SYSTEMS, make_world
from test_systems import digests, with_source_event

from semacdr.data.history import NONE, load_history

DAYS = (10_024, 10_032)  # first days of validation and of test; events are on the days 10,000 to 10,039
DATES = [datetime.fromtimestamp(day * DAY, UTC).date().isoformat() for day in DAYS]
HOW = ("--by", "time", "--valid-from", DATES[0], "--test-from", DATES[1])
QUICK = ("popularity", "markov", "semacdr")
TRAINED = [pytest.param(name, marks=() if name in QUICK else pytest.mark.slow) for name in SYSTEMS]


@pytest.fixture(scope="module")
def dated(events, tmp_path_factory):
    """A world split by time in which five users have no event since the first date."""
    early = events.filter((pl.col("user") >= 5) | (pl.col("timestamp") < DAYS[0] * DAY))
    return early, make_world(tmp_path_factory.mktemp("dated"), early, how=HOW)


def history_of(world):
    return load_history(*(world.folder / f"{name}.parquet" for name in ("interactions", "items", "split")))


def test_times(events):
    """By user the timestamp of the test event."""
    since = events.filter((pl.col("domain") == "book") & (pl.col("timestamp") >= DAYS[1] * DAY))
    return dict(since.group_by("user").agg(pl.col("timestamp").min()).rows())


test_times.__test__ = False


def graphs_of(world):
    return {path.name: pl.read_parquet(path) for path in sorted((world.folder / "graphs").glob("*.parquet"))}


def same_graphs(one, other):
    first, second = graphs_of(one), graphs_of(other)
    assert len(first) > 5
    return all(rows.equals(second[name]) for name, rows in first.items())


def run(world, name, folder):
    trained = world.train(name, folder)
    return world.rank(name, trained, folder / "ranks.parquet")


def test_the_world_has_users_of_every_kind(dated):
    _, world = dated
    history = history_of(world)
    kinds = set(zip((history.valid != NONE).tolist(), (history.test != NONE).tolist(), strict=True))
    assert len(kinds) == 4
    assert (history.training_end == history.start[:-1]).sum() == 0  # in this world everybody is known


@pytest.mark.parametrize("name", TRAINED)
def test_an_event_after_the_test_event_changes_no_byte(dated, name, tmp_path):
    events, world = dated
    tests = test_times(events)
    first, second = list(tests)[:2]
    later = with_source_event(events, first, tests[first])  # the same day
    later = with_source_event(later, second, tests[second] + DAY)
    later = with_source_event(later, 2, DAYS[0] * DAY)  # a user who is not ranked, on the first day of validation
    other = make_world(tmp_path / "later", later, how=HOW)
    assert same_graphs(world, other)
    before, after = run(world, name, tmp_path / "a"), run(other, name, tmp_path / "b")
    assert digests(tmp_path / "a") == digests(tmp_path / "b")
    assert before.equals(after)


@pytest.mark.parametrize("name", TRAINED)
def test_an_event_between_training_and_test_changes_that_users_test_rank_alone(dated, name, tmp_path):
    events, world = dated
    history = history_of(world)
    user = int(np.flatnonzero((history.valid == NONE) & (history.test != NONE))[0])
    more = with_source_event(events, user, DAYS[0] * DAY)  # the first moment that is not training
    other = make_world(tmp_path / "between", more, how=HOW)
    assert same_graphs(world, other)
    before, after = run(world, name, tmp_path / "a"), run(other, name, tmp_path / "b")
    assert digests(tmp_path / "a") == digests(tmp_path / "b")
    changed = before.with_columns(after=after["rank"]).filter(pl.col("rank") != pl.col("after"))
    assert set(changed["user"]) <= {user} and set(changed["split"]) <= {"test"}
    seen = [set(one.item[one.start[user] : one.test[user]]) for one in (history, history_of(other))]
    assert len(seen[1] - seen[0]) == 1  # the input of its test prediction has the event


@pytest.mark.parametrize("name", TRAINED)
def test_other_items_since_the_date_of_the_test_change_no_parameter(dated, name, tmp_path):
    events, world = dated
    late = pl.col("timestamp") >= DAYS[1] * DAY
    book = pl.col("domain") == "book"
    early = events.filter(~late)
    moved = events.filter(late).with_columns(
        item=pl.when(book).then((pl.col("item") + 11) % 30).otherwise(30 + (pl.col("item") + 11) % 25)
    )
    kept = moved.join(early, on=["user", "item"], how="anti")  # a user has an item once
    assert len(kept) > 50
    other = make_world(tmp_path / "exchanged", pl.concat([early, kept]), how=HOW)
    assert same_graphs(world, other)
    world.train(name, tmp_path / "a")
    other.train(name, tmp_path / "b")
    assert digests(tmp_path / "a") == digests(tmp_path / "b")


def test_an_event_of_the_last_day_before_validation_is_training(dated, tmp_path):
    """So the graphs above can differ."""
    events, world = dated
    user = list(test_times(events))[3]
    other = make_world(tmp_path / "earlier", with_source_event(events, user, DAYS[0] * DAY - 1), how=HOW)
    assert not same_graphs(world, other)
    assert history_of(other).training().sum() == history_of(world).training().sum() + 1


def test_only_users_with_an_event_of_a_split_are_ranked_in_it(dated, tmp_path):
    events, world = dated
    ranks = run(world, "markov", tmp_path / "a")
    books = events.filter(pl.col("domain") == "book")
    day = pl.col("timestamp") / DAY
    for split, low, high in (("valid", *DAYS), ("test", DAYS[1], np.inf)):
        users = books.filter((day >= low) & (day < high))["user"].unique().sort().to_list()
        assert 10 < len(users) < 40
        for ranking in ("full", "sampled"):
            chosen = ranks.filter((pl.col("split") == split) & (pl.col("ranking") == ranking))
            assert chosen["user"].to_list() == users
            most = {"full": 30, "sampled": 11}[ranking]
            assert chosen["rank"].min() >= 1 and chosen["rank"].max() <= most

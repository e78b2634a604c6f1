"""Sequential rules against a count in dictionaries, and what their settings mean."""

from collections import Counter

import numpy as np
import polars as pl
import pytest
import torch
from direction_world import DAY, build, make_world
from hypothesis import given
from hypothesis import strategies as st

from semacdr.evaluation.ranks import Ranker
from semacdr.models import votes
from semacdr.models.seq_rules import TIE

CPU = torch.device("cpu")


def histories(inputs, kind, place):
    """Each user's items before an event of the user, in order, of the target domain or of both."""
    history = inputs.history
    for begin, end in zip(history.start, place, strict=False):
        own = slice(begin, end)
        yield history.item[own][history.is_target[own] | (kind == "mixed")].tolist()


def counted(inputs, kind, window, power, normalisation):
    """The weight of each rule by its items, as the model's first lines define it."""
    found, count, books = Counter(), Counter(), inputs.history.target_items
    for items in histories(inputs, kind, inputs.history.valid):
        count.update(items)
        for place, before in enumerate(items):
            for distance, after in enumerate(items[place + 1 : place + 1 + window], 1):
                if after in books:
                    found[before, after] += distance**-power
    return {(before, after): weight / count[before] ** normalisation for (before, after), weight in found.items()}


@pytest.mark.parametrize("split", ["valid", "test"])
@pytest.mark.parametrize(
    ("kind", "window", "power", "normalisation", "decay"),
    [("mixed", 20, 0.5, 0.5, 0.6), ("target", 3, 1.0, 1.0, 0.3), ("mixed", 1, 2.0, 0.0, 1.0), ("target", 50, 0, 2, 0)],
)
def test_scores_are_the_decayed_votes_of_the_rules(world, split, kind, window, power, normalisation, decay):
    model, inputs = build(
        world, "seq_rules", history=kind, window=window, distance_power=power, normalisation=normalisation, decay=decay
    )
    rules = counted(inputs, kind, window, power, normalisation)
    assert len(rules) == len(model.after) > 50
    popular = Counter(item for items in histories(inputs, "target", inputs.history.valid) for item in items)
    found = model.scores(None, next(Ranker(inputs.history, split, 100, 64, CPU).batches.ordered()))
    for user, items in enumerate(histories(inputs, kind, getattr(inputs.history, split))):
        for item in inputs.history.target_items:
            expected = sum(decay**age * rules.get((one, item), 0.0) for age, one in enumerate(reversed(items)))
            expected += TIE * popular[item] / (max(popular.values()) + 1)
            assert found[user, item].item() == pytest.approx(expected, rel=1e-5, abs=1e-10)


def test_a_rule_by_hand(tmp_path):
    """Book 0, film 14, book 1 are training events: 0 → 1 at distance 2, 14 → 1 at distance 1."""
    rows = [(0, "book"), (14, "movie"), (1, "book"), (2, "book"), (3, "book"), (15, "movie")]
    rows = [(0, item, domain, day * DAY) for day, (item, domain) in enumerate(rows)]
    events = pl.DataFrame(rows, schema=["user", "item", "domain", "timestamp"], orient="row")
    model, _ = build(make_world(tmp_path, events, (14, 2)), "seq_rules", distance_power=1.0)
    assert model.begins.tolist() == [0] + [1] * 14 + [2] * 2
    assert model.after.tolist() == [1, 1] and model.weights.tolist() == [0.5, 1.0]


def test_with_decay_0_only_the_last_event_votes(world):
    model, inputs = build(world, "seq_rules", decay=0.0)
    batch = next(Ranker(inputs.history, "test", 100, 64, CPU).batches.ordered())
    last = next(Ranker(inputs.history, "test", 1, 64, CPU).batches.ordered())  # windows with one event
    assert torch.equal(model.scores(None, batch), model.scores(None, last))


@pytest.mark.parametrize("name", ["seq_rules", "item_knn", "ease"])
def test_without_source_events_the_mixed_history_is_the_targets(events, name, tmp_path):
    last = events.group_by("user").agg(last=pl.col("timestamp").max())
    films = pl.col("domain") == "movie"
    after = events.join(last, on="user").with_columns(
        timestamp=pl.when(films).then(pl.col("last") + DAY).otherwise("timestamp")
    )
    world = make_world(tmp_path, after.drop("last"))  # nobody sees a film before the test event
    found = []
    for kind in ("target", "mixed"):
        model, inputs = build(world, name, history=kind)
        prepared = model.prepare()
        found.append(model.scores(prepared, next(Ranker(inputs.history, "test", 100, 64, CPU).batches.ordered())))
    torch.testing.assert_close(found[0], found[1], rtol=1e-5, atol=1e-7)
    assert found[0].std() > 1e-3


def test_popularity_orders_items_without_votes_alone(world):
    model, inputs = build(world, "seq_rules")
    assert model.popularity.min() >= 0 and model.popularity.max() < TIE < model.weights.min() / 100
    history = inputs.history
    items = history.item[history.training() & history.is_target] - history.target_items.start
    assert np.array_equal(
        np.argsort(model.popularity.numpy(), kind="stable"), np.argsort(np.bincount(items), kind="stable")
    )


@given(seed=st.integers(0, 2**32 - 1), rows=st.integers(1, 5), width=st.integers(1, 6), chunk=st.integers(1, 20))
def test_votes_are_a_product_with_the_matrix_however_many_are_counted_at_a_time(seed, rows, width, chunk):
    rng = np.random.default_rng(seed)
    items = int(rng.integers(1, 7))
    matrix = rng.normal(size=(items, width)) * (rng.random((items, width)) < 0.5)
    seen = rng.normal(size=(rows, items)) * (rng.random((rows, items)) < 0.6)
    row, item = (torch.from_numpy(place) for place in np.nonzero(seen))
    events = votes.Events(row, item, torch.from_numpy(seen[seen != 0]), rows)
    begins = torch.from_numpy(np.append(0, np.cumsum((matrix != 0).sum(1))))
    columns, values = (torch.from_numpy(part) for part in (np.nonzero(matrix)[1], matrix[matrix != 0]))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(votes, "CHUNK", chunk)
        found = votes.count_votes(events, begins, columns, values, width)
    np.testing.assert_allclose(found.numpy(), seen @ matrix, atol=1e-12)

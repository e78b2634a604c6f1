"""Last-item transitions against a plain count over the events and their timestamps."""

from collections import Counter

import polars as pl
import pytest
import torch
from direction_world import build

from semacdr.evaluation.ranks import Ranker


def last_before(own, domain, time, item):
    """The item of a domain's last event before a target event; on the same day, target items with a smaller number."""
    earlier = [e for e in own if e["domain"] == domain and (e["timestamp"], e["item"]) < (time, item)]
    if domain == "movie":
        earlier = [e for e in earlier if e["timestamp"] < time]
    return [max(earlier, key=lambda e: (e["timestamp"], e["item"]))["item"]] if earlier else []


@pytest.mark.parametrize("split", ["valid", "test"])
@pytest.mark.parametrize("kind", ["target", "mixed"])
def test_scores_count_what_came_next_in_training(world, events, kind, split):
    model, inputs = build(world, "markov", history=kind)
    domains = ("book", "movie") if kind == "mixed" else ("book",)
    pairs, popular, last = Counter(), Counter(), []
    for user in range(inputs.history.users):
        own = events.filter(pl.col("user") == user).rows(named=True)
        books = sorted((e["timestamp"], e["item"]) for e in own if e["domain"] == "book")
        for time, item in books[:-2]:
            popular[item] += 1
            for domain in domains:
                pairs.update((before, item) for before in last_before(own, domain, time, item))
        asked = books[-2 if split == "valid" else -1]
        last.append([before for domain in domains for before in last_before(own, domain, *asked)])
    assert {len(before) for before in last} == {1} if kind == "target" else {1, 2}
    batches = Ranker(inputs.history, split, 20, 64, torch.device("cpu")).batches
    found = model.scores(None, next(batches.ordered()))
    for user, before in enumerate(last):
        for item in range(30):
            count = sum(pairs[b, item] for b in before)
            assert found[user, item].item() == pytest.approx(count + popular[item] / (max(popular.values()) + 1))


def test_popularity_decides_among_equal_counts_alone(world):
    model, _ = build(world, "markov")
    assert model.popularity.min() >= 0 and model.popularity.max() < 1
    assert model.popularity.dtype == torch.float64  # a count of thousands would swallow it in float32
    assert torch.equal(model.counts, model.counts.round())


def test_ranks_do_not_depend_on_who_shares_the_batch(world):
    model, inputs = build(world, "markov", history="mixed")
    ranks = [Ranker(inputs.history, "test", 20, size, torch.device("cpu")).rank(model)["full"] for size in (1, 7, 64)]
    assert (ranks[0] == ranks[1]).all() and (ranks[0] == ranks[2]).all()

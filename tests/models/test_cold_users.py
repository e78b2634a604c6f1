"""Cold users, whose target events except the test event are hidden: no system knows these; all still score the user."""

import numpy as np
import polars as pl
import pytest
import torch
from direction_world import DAY, LEARNED, SYSTEMS, build, make_world
from safetensors.torch import load_file
from test_systems import COUNTED, VARIANTS, digests, times, with_source_event

from semacdr.batching.batches import Batches
from semacdr.batching.windows import evaluation_windows
from semacdr.evaluation.ranks import Ranker
from semacdr.storage import tables

CPU, SHARE, BOOKS = torch.device("cpu"), 0.3, 30
QUICK = ("popularity", "sasrec", "semacdr")
TRAINED = [pytest.param(name, marks=() if name in QUICK else pytest.mark.slow) for name in SYSTEMS]
EVERY = [*((name, {}) for name in SYSTEMS), *VARIANTS, *COUNTED]


def read(world, name):
    return pl.from_arrow(tables.read(world.folder / f"{name}.parquet", name)[0])


def cold_users(world):
    frame = read(world, "split")
    return sorted(set(frame.filter(pl.col("role") == "hidden")["user"]))


def exchanged(events, user):
    """The events, with other items and other days before the test event for all other target events of a user."""
    own = (pl.col("user") == user) & (pl.col("domain") == "book")
    books = events.filter(own).sort("timestamp", "item")
    last, others = books["item"][-1], set(books["item"])
    unknown = [item for item in range(BOOKS) if item not in others][: len(books) - 1]
    first = books["timestamp"][-1] - 40 * DAY
    rows = [(user, item, "book", first + 7 * place % 11 * DAY) for place, item in enumerate(unknown)]
    rest = events.filter(~(own & (pl.col("item") != last)))
    return pl.concat([rest, pl.DataFrame(rows, schema=events.schema, orient="row")]), others - {last}, set(unknown)


def run(world, name, folder):
    trained = world.train(name, folder)
    return world.rank(name, trained, folder / "ranks.parquet")


@pytest.mark.parametrize("name", TRAINED)
def test_hidden_events_change_only_which_items_are_candidates(cold_world, events, name, tmp_path):
    user = cold_users(cold_world)[1]
    other_events, before, after = exchanged(events, user)
    other = make_world(tmp_path / "other", other_events, cold=SHARE)
    assert cold_users(other) == cold_users(cold_world)
    graphs = sorted((cold_world.folder / "graphs").glob("*.parquet"))
    assert len(graphs) > 5
    for graph in graphs:  # compare rows: the metadata name the split
        rows = [pl.read_parquet(world.folder / "graphs" / graph.name) for world in (cold_world, other)]
        assert rows[0].equals(rows[1]), graph.name
    ranks = {"a": run(cold_world, name, tmp_path / "a"), "b": run(other, name, tmp_path / "b")}
    assert digests(tmp_path / "a") == digests(tmp_path / "b")
    assert ranks["a"].filter(pl.col("user") != user).equals(ranks["b"].filter(pl.col("user") != user))
    # The user's own ranks: the same scores, counted without the items that are hidden, or among the stored candidates.
    model, inputs = build(cold_world, name, **({"dim": 16, "dropout": 0.2} if name in LEARNED else {}))
    model.load_state_dict(load_file(tmp_path / "a/checkpoint.safetensors"))
    model.double().eval()
    batches = Ranker(inputs.history, "test", 20, 64, CPU).batches
    scores = model.scores(model.prepare(), next(batches.ordered()))[user]
    positive = int(inputs.history.item[inputs.history.test[user]])
    for world, hidden, part in ((cold_world, before, "a"), (other, after, "b")):
        stored = read(world, "candidates").filter((pl.col("user") == user) & (pl.col("split") == "test"))
        candidates = {"full": set(range(BOOKS)) - hidden - {positive}, "sampled": set(stored["negatives"][0])}
        assert not candidates["sampled"] & hidden
        for ranking, chosen in candidates.items():
            others = scores[sorted(chosen)]
            expected = 1 + (others > scores[positive]).sum() + (others == scores[positive]).sum() / 2
            mine = (pl.col("user") == user) & (pl.col("ranking") == ranking)
            assert ranks[part].filter(mine)["rank"].to_list() == [expected.item()]


@pytest.mark.parametrize("name", TRAINED)
def test_an_event_after_the_test_event_changes_no_byte(cold_world, events, name, tmp_path):
    test_time, cold = times(events, "book", -1), cold_users(cold_world)
    warm = next(user for user in range(40) if user not in cold)
    later = with_source_event(events, cold[0], test_time[cold[0]])  # the same day
    later = with_source_event(with_source_event(later, cold[2], test_time[cold[2]] + DAY), warm, test_time[warm] + DAY)
    other = make_world(tmp_path / "later", later, cold=SHARE)
    before, after = run(cold_world, name, tmp_path / "a"), run(other, name, tmp_path / "b")
    assert digests(tmp_path / "a") == digests(tmp_path / "b")
    assert before.equals(after)


@pytest.mark.parametrize("name", TRAINED)
def test_an_event_between_a_warm_users_validation_and_test_changes_that_rank_alone(cold_world, events, name, tmp_path):
    valid, test, cold = times(events, "book", -2), times(events, "book", -1), cold_users(cold_world)
    user = next(u for u in range(40) if u not in cold and test[u] - valid[u] > 2 * DAY)
    other = make_world(tmp_path / "between", with_source_event(events, user, valid[user]), cold=SHARE)
    before, after = run(cold_world, name, tmp_path / "a"), run(other, name, tmp_path / "b")
    assert digests(tmp_path / "a") == digests(tmp_path / "b")
    changed = before.with_columns(after=after["rank"]).filter(pl.col("rank") != pl.col("after"))
    assert set(changed["user"]) <= {user} and set(changed["split"]) <= {"test"}


@pytest.mark.parametrize("name", TRAINED)
def test_every_user_has_a_test_rank_and_warm_ones_alone_a_validation_rank(cold_world, name, tmp_path):
    ranks, cold = run(cold_world, name, tmp_path), cold_users(cold_world)
    assert 5 <= len(cold) <= 20
    for ranking in ("full", "sampled"):
        for part, users in (("test", range(40)), ("valid", [user for user in range(40) if user not in cold])):
            chosen = ranks.filter((pl.col("split") == part) & (pl.col("ranking") == ranking))
            assert chosen["user"].to_list() == list(users)
    assert tables.read(tmp_path / "ranks.parquet", "ranks")[1]["cold_users"] == str(SHARE)


@pytest.mark.parametrize(("name", "settings"), EVERY, ids=str)
def test_who_has_no_event_at_all_gets_scores_as_well(events, name, settings, tmp_path):
    """A cold user without source events, alone in a batch and among others."""
    user = cold_users(make_world(tmp_path / "cold", events, cold=SHARE))[0]
    nothing = events.filter((pl.col("user") != user) | (pl.col("domain") == "book"))
    model, inputs = build(make_world(tmp_path / "nothing", nothing, cold=SHARE), name, **settings)
    model.double().eval()
    alone, among = (next(batches_of(inputs, size, user)) for size in (1, 64))
    assert alone.users.tolist() == [user] and len(alone.mixed.items) == 0
    prepared = model.prepare()
    scores, in_batch = model.scores(prepared, alone)[0], model.scores(prepared, among)[user]
    assert torch.isfinite(scores).all()
    torch.testing.assert_close(in_batch, scores, rtol=0, atol=1e-10)


def batches_of(inputs, size, user=0):
    """The test batches, starting with the one that has the user."""
    batches = Batches(evaluation_windows(inputs.history, "test", 20), size, CPU).ordered()
    return (batch for batch in batches if batch.users[-1] >= user)


def test_sasrec_gives_all_cold_users_the_same_scores_and_others_their_own(cold_world):
    model, inputs = build(cold_world, "sasrec")
    model.eval()
    scores, cold = model.scores(model.prepare(), next(batches_of(inputs, 64))), cold_users(cold_world)
    torch.testing.assert_close(scores[cold], scores[cold[:1]].expand(len(cold), -1), rtol=0, atol=1e-6)
    assert scores[cold[0]].std() > 0  # from the position of the blank
    warm = np.setdiff1d(np.arange(40), cold)
    assert (scores[warm] - scores[cold[0]]).abs().max(1).values.min() > 1e-3


@pytest.mark.parametrize("name", ["markov", "seq_rules", "item_knn", "ease"])
def test_counting_systems_take_a_blank_for_no_item(cold_world, name):
    """Cold users get the scores of an empty target history: popularity, or nothing from item_knn and ease."""
    cold = cold_users(cold_world)
    for history in ("target", "mixed"):
        model, inputs = build(cold_world, name, history=history)
        known = model.scores(model.prepare(), next(batches_of(inputs, 64)))[cold] - getattr(model, "popularity", 0)
        assert known.any() == (history == "mixed")


@pytest.mark.parametrize("cross_domain", [True, False])
def test_semacdr_knows_cold_users_by_their_source_events(cold_world, events, cross_domain, tmp_path):
    """A changed source event before the test event changes a cold user's scores, also by the mixed sequence alone."""
    before = times(events, "book", -1)
    rows = events.filter((pl.col("domain") == "movie") & pl.col("user").is_in(cold_users(cold_world)))
    user, item, *_ = next(row for row in rows.iter_rows() if row[3] < before[row[0]])
    other = next(i for i in range(30, 55) if i not in set(events.filter(pl.col("user") == user)["item"]))
    one = (pl.col("user") == user) & (pl.col("item") == item)
    changed = events.with_columns(item=pl.when(one).then(other).otherwise("item"))
    found = []
    for world in (cold_world, make_world(tmp_path / "changed", changed, cold=SHARE)):
        model, inputs = build(world, "semacdr", cross_domain=cross_domain, graph="none", user_vector="id")
        model.eval()
        found.append(model.scores(model.prepare(), next(batches_of(inputs, 64))))
    assert (found[0][user] - found[1][user]).abs().max() > 1e-4
    others = np.delete(np.arange(40), user)
    torch.testing.assert_close(found[0][others], found[1][others], rtol=0, atol=1e-6)

"""Users of one domain only, and repeats of an item: every system trains with them, and ranks only whom it should."""

import numpy as np
import polars as pl
import pytest
import torch
from direction_world import DAY, FORMS, LEARNED, build, make_world
from test_systems import COUNTED

from semacdr.batching.negatives import NegativeSampler
from semacdr.batching.windows import training_windows
from semacdr.data.history import NONE, load_history
from semacdr.evaluation.candidates import load_candidates
from semacdr.evaluation.ranks import Ranker
from semacdr.models import load
from semacdr.models.co_occurrence import CoOccurrence
from semacdr.storage import tables
from semacdr.training.settings import Training
from semacdr.training.trainer import Trainer

CPU = torch.device("cpu")
NO_TARGET, NO_SOURCE, FEW = range(5), range(5, 10), (10, 11)  # users; those of FEW have 1 and 2 target events


@pytest.fixture(scope="module")
def anyone(events, tmp_path_factory):
    """A world for movie to book in which some users lack a domain, and every third user repeats books."""
    target = pl.col("domain") == "book"
    place = pl.int_range(pl.len()).over("user", "domain")
    few = pl.any_horizontal(*((pl.col("user") == user) & (place > n) for n, user in enumerate(FEW)))
    lost = (target & (pl.col("user").is_in(NO_TARGET) | few)) | (~target & pl.col("user").is_in(NO_SOURCE))
    kept = events.filter(~lost)
    again = kept.filter(target & (pl.col("user") % 3 == 0)).with_columns(pl.col("timestamp") + 50 * DAY)
    return make_world(tmp_path_factory.mktemp("anyone"), pl.concat([kept, again.filter(pl.col("item") % 2 == 0)]))


def history_of(world):
    return load_history(*(world.folder / f"{name}.parquet" for name in ("interactions", "items", "split")))


def frame(world, name):
    return pl.from_arrow(tables.read(world.folder / f"{name}.parquet", name)[0])


def test_users_with_fewer_than_three_target_events_train_and_are_not_ranked(anyone):
    history, split = history_of(anyone), frame(anyone, "split")
    counts = dict(split.group_by("user").len().rows())
    ranked = [user for user in range(40) if counts.get(user, 0) >= 3]
    assert set(range(40)) - set(ranked) == {*NO_TARGET, *FEW}
    for part in ("valid", "test"):
        assert history.ranked(part)[0].tolist() == ranked
    training = history.training()
    for user in (*NO_TARGET, *FEW):
        own = slice(*history.start[user : user + 2])
        assert training[own].all()
        assert history.is_target[own].sum() == counts.get(user, 0)
        assert history.valid[user] == history.test[user] == NONE
    assert set(training_windows(history, 20).users.tolist()) <= {*ranked, FEW[1]}


def test_the_shares_of_repeats_are_stated(anyone):
    meta, rows = tables.read(anyone.folder / "split.parquet", "split")[1], frame(anyone, "split").rows()
    for part in ("valid", "test"):
        held_out = [(place, user, item) for place, (user, item, role) in enumerate(rows) if role == part]
        again = [any(row[:2] == (user, item) for row in rows[:place]) for place, user, item in held_out]
        assert 0.05 < np.mean(again) == pytest.approx(float(meta[f"repeated_{part}"]), abs=1e-6)


def test_no_repeats_are_not_mentioned(world):
    assert not [name for name in tables.read(world.folder / "split.parquet", "split")[1] if "repeated" in name]


def test_stored_candidates_are_never_items_of_the_user(anyone):
    own = frame(anyone, "split").group_by("user").agg("item")
    for row in frame(anyone, "candidates").join(own, on="user").to_dicts():
        assert len(set(row["negatives"])) == 10 and not set(row["negatives"]) & set(row["item"])


def test_a_repeated_positive_is_ranked_and_other_earlier_items_are_left_out(anyone):
    history = history_of(anyone)
    users, test = history.ranked("test")
    scores = torch.arange(30.0).repeat(len(users), 1)

    class Fixed(torch.nn.Module):
        def prepare(self):
            return None

        def scores(self, prepared, batch):
            return scores[: len(batch.users)]

    ranks = Ranker(history, "test", 20, 64, CPU).rank(Fixed())["full"]
    repeats = 0
    for user, event, rank in zip(users, test, ranks, strict=True):
        before = slice(history.start[user], event)
        earlier = set(history.item[before][history.is_target[before]].tolist())
        positive = int(history.item[event])
        repeats += positive in earlier
        assert rank == 1 + sum(item > positive for item in set(range(30)) - earlier)
    assert repeats > 3


def test_negatives_stay_uniform_where_users_repeat_items(anyone):
    history = history_of(anyone)
    training = history.training() & history.is_target
    for user in (12, 15, 18):
        own = set(history.item[training & (history.user() == user)].tolist())
        drawn = NegativeSampler(history, 6000, 1, CPU).draw(torch.tensor([user])).numpy().ravel()
        counts = np.bincount(drawn, minlength=30)
        free = sorted(set(range(30)) - own)
        assert counts[sorted(own)].sum() == 0
        expected = 6000 / len(free)
        assert abs(counts[free] - expected).max() < 6 * expected**0.5


def test_co_occurrence_counts_users_not_events(anyone):
    history = history_of(anyone)
    training = history.training() & history.is_target
    pairs = set(zip(history.user()[training].tolist(), history.item[training].tolist(), strict=True))
    found = CoOccurrence(history, mixed=False)
    assert found.counts.tolist()[:30] == [sum(item == i for _, i in pairs) for item in range(30)]
    items = {u: {i for v, i in pairs if v == u} for u, _ in pairs}
    both = [[sum({a, b} <= own for own in items.values()) for b in range(30)] for a in range(30)]
    assert found.columns(0, 30)[:30].tolist() == both


@pytest.mark.parametrize(("name", "settings"), [*FORMS, *COUNTED], ids=str)
def test_every_system_learns_from_anyone_and_ranks_all_who_are_ranked(anyone, name, settings):
    model, inputs = build(anyone, name, **settings)
    history = inputs.history
    if name in LEARNED:
        trainer = Trainer(model, history, Training(loss=load(name).LOSS, batch_size=64, max_length=20), 0, CPU)
        first = trainer.epoch()
        assert np.isfinite([first, *(trainer.epoch() for _ in range(4))]).all()
    stored = load_candidates(anyone.folder / "candidates.parquet", history, "test")
    ranks = Ranker(history, "test", 20, 16, CPU, stored).rank(model)
    for ranking, most in (("full", 30), ("sampled", 11)):
        assert len(ranks[ranking]) == 33
        assert ((ranks[ranking] >= 1) & (ranks[ranking] <= most)).all()

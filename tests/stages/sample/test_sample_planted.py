"""The patterns planted in the embedded sample can be found: taste, drift, transfer, creators, stories."""

from types import SimpleNamespace

import numpy as np
import pytest
from sample_files import BOTH

from semacdr.data import simulator
from semacdr.data.simulator import Parameters
from semacdr.stages import sample


@pytest.fixture(scope="module")
def holdouts(world):
    """For each target domain, the last event there of every user of both domains, and the events before it."""
    return [_holdout(world, domain) for domain in (0, 1)]


def _holdout(world, target):
    items, users, events = world.items, world.users, world.events
    user, item, day, rating = (a[~events.again] for a in (events.user, events.item, events.day, events.rating))
    who = np.flatnonzero(users.events.min(1) >= 3)
    starts, ends = np.searchsorted(user, who), np.searchsorted(user, who, side="right")
    seen = np.zeros((len(who), len(items.era)), bool)
    tied, following = np.zeros(seen.shape), np.zeros(seen.shape)
    last = np.zeros(len(who), int)
    for row, (start, end) in enumerate(zip(starts, ends, strict=True)):
        last[row] = start + np.flatnonzero(items.domain[item[start:end]] == target)[-1]
        before = np.arange(start, last[row])
        seen[row, item[before]] = True
        weight = world.parameters.keep ** (last[row] - 1 - before) * (rating[before] >= 4)
        tied[row] = weight @ items.ties[item[before]]
        following[row] = world.parameters.recent ** (last[row] - 1 - before) @ items.follows[item[before]]
    pull = world.parameters.tie * tied + world.parameters.follow * following
    return SimpleNamespace(
        who=who,
        seen=seen,
        tied=tied,
        following=following,
        pull=pull,
        answer=item[last],
        day=day[last],
        here=items.domain == target,
    )


def oracle(world, holdout, target, day=None, pull=1.0):
    """The planted utility of every item at the event, or at an earlier day; with `pull` 0 from taste alone."""
    domain, day = np.full(len(holdout.who), target), holdout.day if day is None else day
    return simulator.utility(world.items, world.users, world.parameters, holdout.who, domain, day, pull * holdout.pull)


def ndcg(scores, holdout):
    """NDCG@10 in the full ranking over the domain's items without those taken before."""
    scores = np.where(holdout.here & ~holdout.seen, scores, -np.inf)
    own = scores[np.arange(len(scores)), holdout.answer][:, None]
    rank = 1 + (scores > own).sum(1) + ((scores == own).sum(1) - 1) / 2
    return np.where(rank <= 10, 1 / np.log2(1 + rank), 0).mean()


def chance(holdout):
    """NDCG@10 of scores drawn at random, the mean of ten draws."""
    rng = np.random.default_rng(0)
    return np.mean([ndcg(rng.random(holdout.seen.shape), holdout) for _ in range(10)])


@BOTH
def test_the_oracle_beats_popularity_and_popularity_beats_chance(world, holdouts, domain):
    holdout = holdouts[domain]
    best = ndcg(oracle(world, holdout, domain), holdout)
    popular = ndcg(np.tile(holdout.seen.sum(0), (len(holdout.who), 1)), holdout)
    assert best >= 2 * popular
    assert 0.2 < best < 0.6  # learnable, not trivial
    assert popular >= 1.5 * chance(holdout)


@BOTH
def test_taste_drifts(world, holdouts, domain):
    holdout = holdouts[domain]
    past = np.maximum(holdout.day - 365, 0)
    old = oracle(world, holdout, domain, past, pull=0.0)
    old = np.where(holdout.here, old, -np.inf)
    assert ndcg(oracle(world, holdout, domain, pull=0.0), holdout) >= 1.25 * ndcg(old, holdout)


def by_source_genres(world, holdout):
    """NDCG@10 of a profile of genres learned from the other domain alone."""
    genres = (world.items.vectors[:, :15] > 0).astype(float)
    genres /= np.linalg.norm(genres, axis=1, keepdims=True)
    source = holdout.seen & ~holdout.here
    profile = source @ genres / np.maximum(source.sum(1, keepdims=True), 1) - genres.mean(0)
    return ndcg(profile @ genres.T, holdout)


@BOTH
def test_source_genres_alone_rank_target_items(world, holdouts, domain):
    assert by_source_genres(world, holdouts[domain]) >= 2 * chance(holdouts[domain])


def test_without_transfer_source_genres_tell_nothing(catalogues):
    parameters = Parameters(users=800, seed=2014, transfer=0.0, followers=(8, 0))  # and no follow-ups across domains
    items, users, events = sample.simulate(catalogues, parameters)
    apart = SimpleNamespace(items=items, users=users, events=events, parameters=parameters)
    for domain in (0, 1):
        holdout = _holdout(apart, domain)
        assert by_source_genres(apart, holdout) <= 1.6 * chance(holdout), simulator.DOMAINS[domain]


def test_users_return_to_creators_and_stories(world, holdouts):
    for domain, holdout in enumerate(holdouts):
        tied = holdout.tied[np.arange(len(holdout.who)), holdout.answer]
        free = np.where(holdout.here & ~holdout.seen, holdout.tied, np.nan)
        assert tied.mean() > 3 * np.nanmean(free), simulator.DOMAINS[domain]


@BOTH
def test_follow_ups_alone_rank_the_next_item(world, holdouts, domain):
    holdout = holdouts[domain]
    assert ndcg(holdout.following, holdout) >= 4 * chance(holdout)


def test_follow_ups_are_as_many_as_set_alike_and_of_both_domains(world):
    items, parameters = world.items, world.parameters
    same = items.domain[:, None] == items.domain
    after = items.follows > 0
    assert (after[same].reshape(len(same), -1).sum(1) == parameters.followers[0]).all()
    assert ((after & ~same).sum(1) == parameters.followers[1]).all()
    assert not np.diag(after).any()
    likeness = items.vectors @ items.vectors.T
    assert likeness[after].mean() > 1.5 * likeness[~after].mean()
    assert after.sum(0).max() <= 6 * after.sum(0).mean()  # no work follows most others

"""Simulate users who read books and watch films, for the packaged sample (imports only numpy).

Items of both domains have the same attributes: 15 genres, 10 moods, 4 audiences. Item i has the vector x_i, whose
three blocks are the indicators of its attributes, divided by the root of their number and multiplied by the block's
weight. At time t, user p takes item i of domain d, among those published before that year and not yet taken, with
probability proportional to exp(u), where

    u(p, i, t)   = match * <taste(p, d, t), x_i> + popularity_i + pull(p, i, t) - era * |y_i - c_p|
    pull(p, i, t)= tie * attachment(p, i, t) + follow * following(p, i, t)
    taste(p,d,t) = transfer * shared(p, t) + (1 - transfer) * own(p, d)

shared      2 to 4 favourite genres, 2 moods (Dirichlet weights) and an audience, the same in both domains. It drifts:
            every half year one favourite gives way to a new one, with a gradual change in between.
own         a taste of the same kind for one domain only, which does not change.
popularity  -skew_d * log(rank), ranks drawn at random in each domain: a Zipf-like skew, independent of the attributes.
attachment  the sum, over liked items j that share a creator with i or tell the same story in the other domain, of
            keep^(the user's events since j).
following   the sum, over all items j taken before, of follows_ji * recent^(the user's events since j). follows_ji is 1
            if i is a follow-up of j (`across` if in the other domain): a few works, alike in attributes, that readers
            of j tend to take next.
era         y_i is the quantile of the year in its domain, c_p the quantile that the user prefers.

The numbers of a user's events in the two domains are correlated and skewed: most users have few. A third of the events
are on the day of the user's event before; the others follow after gaps with a log-normal distribution. The rating
depends on the match. A few events are reviewed again later. One tenth more users have events in one domain only.

Lengths, ties and the order and ratios of simple systems are fitted to an extract of real reviews:
benchmarks/sample_fit.py, docs/results/sample.md.
"""

from dataclasses import dataclass
from datetime import date
from typing import Any

import numpy as np

GENRES = ["adventure", "biography", "comedy", "crime", "drama", "family", "fantasy", "historical", "horror", "mystery"]
GENRES += ["romance", "science fiction", "thriller", "war", "western"]
MOODS = ["bleak", "epic", "gentle", "playful", "reflective", "suspenseful", "tender", "uplifting", "unsettling", "wry"]
AUDIENCES = ["adults", "children", "everyone", "teens"]
ATTRIBUTES = GENRES + MOODS + AUDIENCES
BLOCKS = (slice(0, 15), slice(15, 25), slice(25, 29))
DOMAINS = ("books", "films")
FIRST_DAY, DAYS, HALF_YEAR = date(2019, 1, 1), 2190, 183


@dataclass(frozen=True)
class Parameters:
    """The parameters of the simulation."""

    users: int  # in both domains
    seed: int
    transfer: float  # share of the taste that is the same in both domains
    match: float = 7.0
    block_weights: tuple[float, float, float] = (1.0, 0.5, 0.3)  # genres, moods, audience
    skew: tuple[float, float] = (0.4, 0.4)  # of the popularity in books and in films
    tie: float = 2.0
    keep: float = 0.8
    follow: float = 5.0
    recent: float = 0.4
    followers: tuple[int, int] = (8, 6)  # follow-ups of an item in its own and in the other domain
    across: float = 0.4  # weight of a follow-up in the other domain
    likeness: float = 8.0
    era: float = 0.7
    drift: float = 1.0  # chance that a favourite is replaced within half a year
    length: float = 1.3  # mean log of a domain's events beyond the fewest
    activity: float = 0.88  # deviation of that log that both domains share
    habit: float = 0.57  # deviation of that log that is added in one domain and subtracted in the other
    fewest: int = 3
    most: int = 45
    same_day: float = 0.33  # chance that an event is on the day of the one before
    gap: float = 3.3  # mean of the log of the days between events of different days
    gaps: float = 1.5  # deviation of that log
    again: float = 0.03  # share of events that are reviewed again
    lone: float = 0.1  # users of one domain only, as a share of the others


@dataclass(frozen=True)
class Items:
    """The I items of both domains, books first."""

    domain: np.ndarray  # (I,) 0 books, 1 films
    vectors: np.ndarray  # (I, 29) weighted attributes
    popularity: np.ndarray  # (I,) log scale
    ties: np.ndarray  # (I, I) 1 where two items share a creator or a story
    follows: np.ndarray  # (I, I) weight of an item (column) after another (row)
    day: np.ndarray  # (I,) first day on which the item can be taken
    era: np.ndarray  # (I,) quantile of the year in the domain


@dataclass(frozen=True)
class Users:
    """The tastes and habits of the P users."""

    shared: np.ndarray  # (P, half years, 29)
    own: np.ndarray  # (P, 2, 29)
    era: np.ndarray  # (P,)
    events: np.ndarray  # (P, 2) number of events in books and in films


@dataclass(frozen=True)
class Events:
    """The E events, in each user's order; `day` counts from FIRST_DAY."""

    user: np.ndarray
    item: np.ndarray
    day: np.ndarray
    rating: np.ndarray  # 1 to 5
    again: np.ndarray  # bool, a second review of an item


def make_items(works: list[list[dict[str, Any]]], parameters: Parameters, rng: np.random.Generator) -> Items:
    """The items of the two catalogues (title, creator, year, genres, moods, audience), popularity drawn at random."""
    rows = [work for catalogue in works for work in catalogue]
    domain = np.repeat([0, 1], [len(catalogue) for catalogue in works])
    has = np.array([[name in {*r["genres"], *r["moods"], r["audience"]} for name in ATTRIBUTES] for r in rows], float)
    for block, weight in zip(BLOCKS, parameters.block_weights, strict=True):
        has[:, block] *= weight / np.sqrt(has[:, block].sum(1, keepdims=True))
    year, popularity, era = np.array([row["year"] for row in rows]), np.zeros(len(rows)), np.zeros(len(rows))
    for d, skew in enumerate(parameters.skew):
        where = np.flatnonzero(domain == d)
        popularity[where] = -skew * np.log(1 + rng.permutation(len(where)))
        era[where] = (year[where, None] > year[where]).mean(1)
    creators = [set(row["creator"].split(" & ")) for row in rows]
    stories = [row["title"].casefold() for row in rows]
    ties = np.array([[bool(a & b) for b in creators] for a in creators])
    ties |= (np.array(stories)[:, None] == stories) & (domain[:, None] != domain)
    ties &= ~np.eye(len(rows), dtype=bool)
    day = [(date(y + 1, 1, 1) - FIRST_DAY).days for y in year.tolist()]
    follows = _follows(domain, has, parameters, rng)
    return Items(domain, has, popularity, ties.astype(float), follows, np.array(day), era)


def _follows(domain: np.ndarray, vectors: np.ndarray, parameters: Parameters, rng: np.random.Generator) -> np.ndarray:
    """(I, I) weight of each item (column) after each item (row): 1 in the same domain, `across` in the other one.

    An item has `followers` follow-ups in its own and in the other domain, drawn with probability proportional to
    exp(likeness * <x_i, x_j>), divided by the mean over i.
    """
    keys = parameters.likeness * (vectors @ vectors.T)
    keys -= np.log(np.exp(keys).mean(0))  # otherwise works with common attributes would follow most others
    keys += rng.gumbel(size=(len(domain), len(domain)))
    np.fill_diagonal(keys, -np.inf)
    follows = np.zeros_like(keys)
    for same, count, weight in zip((True, False), parameters.followers, (1.0, parameters.across), strict=True):
        allowed = np.where((domain[:, None] == domain) == same, keys, -np.inf)
        np.put_along_axis(follows, np.argsort(-allowed, axis=1)[:, :count], weight, axis=1)
    return follows


def make_users(items: Items, parameters: Parameters, rng: np.random.Generator) -> Users:
    """Draw tastes, drift and habits of all users; the users of one domain only come last."""
    count = parameters.users + round(parameters.lone * parameters.users)
    common = np.sqrt((items.vectors > 0).mean(0) + 1e-3)  # common attributes are slightly more likely favourites
    taste = _tastes(count, common, rng)
    shared = [taste]
    for _ in range(DAYS // HALF_YEAR + 1):
        taste = taste.copy()
        for block in BLOCKS[:2]:
            _replace_favourite(taste[:, block], np.log(common[block]), parameters.drift, rng)
        shared.append(taste)
    own = np.stack([_tastes(count, common, rng) for _ in DOMAINS], axis=1)
    activity, habit = rng.normal(size=(2, count, 1))
    log_events = parameters.length + parameters.activity * activity + parameters.habit * habit * [1, -1]
    events = np.minimum(parameters.fewest + np.exp(log_events).astype(int), parameters.most)
    lone = np.arange(parameters.users, count)
    events[lone, lone % 2] = 0
    return Users(np.stack(shared, axis=1), own, rng.random(count), events)


def _tastes(count: int, common: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """(count, 29) sparse tastes: in each block, favourites drawn by `common` with Dirichlet weights that sum to 1."""
    taste = np.zeros((count, len(ATTRIBUTES)))
    for block, favourites in zip(BLOCKS, (rng.integers(2, 5, count), np.array(2), np.array(1)), strict=True):
        keys = np.log(common[block]) + rng.gumbel(size=(count, block.stop - block.start))
        place = np.argsort(np.argsort(-keys, axis=1), axis=1)
        weights = rng.gamma(3.0, size=keys.shape) * (place < np.reshape(favourites, (-1, 1)))
        taste[:, block] = weights / weights.sum(1, keepdims=True)
    return taste


def _replace_favourite(taste: np.ndarray, log_common: np.ndarray, chance: float, rng: np.random.Generator) -> None:
    """In place, with probability `chance`, move the weight of a user's favourite to an attribute without weight."""
    keys, changes = log_common + rng.gumbel(size=taste.shape), rng.random(len(taste)) < chance
    who = np.flatnonzero(changes)
    old = np.where(taste > 0, keys, -np.inf).argmax(1)[who]
    new = np.where(taste > 0, -np.inf, keys).argmax(1)[who]
    taste[who, new], taste[who, old] = taste[who, old], 0


def taste_at(users: Users, who: np.ndarray, domain: np.ndarray, day: np.ndarray, transfer: float) -> np.ndarray:
    """(n, 29) tastes of users `who` in `domain` on `day`, interpolated between the half years."""
    step, part = np.divmod(day, HALF_YEAR)
    part = (part / HALF_YEAR)[:, None]
    shared = (1 - part) * users.shared[who, step] + part * users.shared[who, step + 1]
    return transfer * shared + (1 - transfer) * users.own[who, domain]


def utility(
    items: Items,
    users: Users,
    parameters: Parameters,
    who: np.ndarray,
    domain: np.ndarray,
    day: np.ndarray,
    pull: np.ndarray,
) -> np.ndarray:
    """(n, I) utility of every item for users `who` on `day`; `pull` (n, I) is what their earlier events add to it.

    It is -inf for items of the other domain and items that are not published yet.
    """
    match = taste_at(users, who, domain, day, parameters.transfer) @ items.vectors.T
    era = np.abs(items.era - users.era[who, None])
    total = parameters.match * match + items.popularity + pull - parameters.era * era
    return np.where((items.domain == domain[:, None]) & (items.day <= day[:, None]), total, -np.inf)


def schedule(
    users: Users, parameters: Parameters, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """User, domain and day of every event, in each user's order."""
    counts = users.events.sum(1)
    user = np.repeat(np.arange(len(counts)), counts)
    domain = np.repeat(np.tile([0, 1], len(counts)), users.events.ravel())
    domain = domain[np.lexsort((rng.random(len(user)), user))]
    gap = np.exp(parameters.gap + parameters.gaps * rng.normal(size=len(user)))
    gap[rng.random(len(user)) < parameters.same_day] = 0
    total = np.cumsum(gap)
    first = np.cumsum(counts) - counts
    at = total - total[first][user]
    span = at[first + counts - 1]
    at *= np.minimum(1, (DAYS - 1) / np.maximum(span, 1))[user]  # a user with many events has them more densely
    start = rng.random(len(counts)) * np.maximum(DAYS - 1 - span, 0)
    return user, domain, (start[user] + at).astype(int)


def simulate(items: Items, users: Users, parameters: Parameters, rng: np.random.Generator) -> Events:
    """Draw all events, the k-th event of all users at once, and the second reviews."""
    user, domain, day = schedule(users, parameters, rng)
    place = np.arange(len(user)) - np.searchsorted(user, user)
    item, rating = np.zeros(len(user), int), np.zeros(len(user), int)
    taken = np.zeros((len(users.era), len(items.era)), bool)
    attachment, following = np.zeros(taken.shape), np.zeros(taken.shape)
    for k in range(place.max() + 1):
        now = np.flatnonzero(place == k)
        who = user[now]
        pull = parameters.tie * attachment[who] + parameters.follow * following[who]
        scores = utility(items, users, parameters, who, domain[now], day[now], pull)
        scores[taken[who]] = -np.inf
        item[now] = chosen = np.argmax(scores + rng.gumbel(size=scores.shape), axis=1)
        taste = taste_at(users, who, domain[now], day[now], parameters.transfer)
        rating[now] = _rating(items, taste, domain[now], chosen, rng)
        taken[who, chosen] = True
        following[who] = parameters.recent * following[who] + items.follows[chosen]
        attachment[who] = parameters.keep * attachment[who] + items.ties[chosen] * (rating[now] >= 4)[:, None]
    return _with_second_reviews(Events(user, item, day, rating, np.zeros(len(item), bool)), parameters, rng)


def _rating(
    items: Items, taste: np.ndarray, domain: np.ndarray, chosen: np.ndarray, rng: np.random.Generator
) -> np.ndarray:
    """Ratings from 1 to 5: the match of the chosen item, standardised over its domain's items, plus noise."""
    match = np.where(items.domain == domain[:, None], taste @ items.vectors.T, np.nan)
    z = (match[np.arange(len(chosen)), chosen] - np.nanmean(match, 1)) / np.nanstd(match, 1)
    return np.clip(np.rint(3.2 + 0.6 * z + 0.8 * rng.normal(size=len(chosen))), 1, 5).astype(int)


def _with_second_reviews(events: Events, parameters: Parameters, rng: np.random.Generator) -> Events:
    """The events and, for a few of them, a second review of the item one month to one year later."""
    later = np.flatnonzero(rng.random(len(events.item)) < parameters.again)
    day = events.day[later] + rng.integers(30, 365, len(later))
    later, day = later[day < DAYS], day[day < DAYS]
    both = [np.concatenate((a, a[later])) for a in (events.user, events.item, events.rating)]
    again = np.repeat([False, True], [len(events.item), len(later)])
    return Events(both[0], both[1], np.concatenate((events.day, day)), both[2], again)

"""Category histograms of users in both domains, and their similarity."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from scipy.sparse import csr_array
from scipy.special import entr

from semacdr.errors import UserError

Array = npt.NDArray[np.float64]
Numbers = npt.NDArray[np.int64]
GROUP = 10  # least number of users among whom partners are drawn


@dataclass(frozen=True)
class Category:
    """The events of each user in each domain by subcategory, an item's subcategories in equal parts."""

    name: str
    subcategories: list[str]
    counts: tuple[Array, Array]  # (users, subcategories) of both domains


def count(user: Numbers, item: Numbers, domain: Numbers, agnostic: pa.Table) -> list[Category]:
    """The categories, in order of their names, with the users' events in both domains.

    `user` and `item` (events,), `domain` (items,) 0 or 1 of each item; `agnostic`: the table of item categories.
    """
    items = agnostic["item"].to_numpy()
    names, subcategory = (agnostic[name].to_numpy(zero_copy_only=False) for name in ("category", "subcategory"))
    shape, found = (int(user.max()) + 1, len(domain)), []
    for name in sorted(set(names)):
        here = names == name
        titles, place = np.unique(subcategory[here].astype(str), return_inverse=True)
        own = csr_array((np.ones(here.sum()), (items[here], place)), (len(domain), len(titles)))
        own = own.multiply(1 / np.maximum(own.sum(1), 1)[:, None]).tocsr()
        events = [csr_array((np.ones(s.sum()), (user[s], item[s])), shape) for s in (domain[item] == d for d in (0, 1))]
        found.append(Category(name, titles.tolist(), tuple((e @ own).toarray() for e in events)))
    return found


def events_of(categories: Sequence[Category]) -> Array:
    """(users,): the number of events in a user's smallest histogram, over domains and categories."""
    return np.min([counts.sum(1) for category in categories for counts in category.counts], axis=0)


def histograms(category: Category, users: Numbers) -> tuple[Array, Array]:
    """Two arrays (users, subcategories): the shares of these users' events in each domain."""
    one, other = (counts[users] / counts[users].sum(1, keepdims=True) for counts in category.counts)
    return one, other


def similarity(one: Array, other: Array) -> Array:
    """(pairs,): 1 - the Jensen-Shannon divergence in bits of the rows' distributions.

    Source: Lin, Divergence measures based on the Shannon entropy, IEEE Trans. Inf. Theory 1991.
    """
    bits = entr((one + other) / 2).sum(1) - (entr(one).sum(1) + entr(other).sum(1)) / 2
    return 1 - bits / np.log(2)


def similarities(categories: Sequence[Category], users: Numbers, partners: Numbers) -> Array:
    """(users, categories and their mean): of each user's histogram in one domain with the partner's in the other."""
    found = []
    for category in categories:
        one, other = histograms(category, users)
        found.append(similarity(one, other[partners]))
    return np.stack([*found, np.mean(found, axis=0)], axis=1)


class Matched:
    """Random partners for users, each drawn among at least GROUP users with about the same count of events.

    Similarity grows with the number of events, and users with many events in one domain have many in the other.
    Partners with arbitrary counts would therefore be less similar than own pairs even if no taste carried over.
    """

    def __init__(self, counts: Array, rng: np.random.Generator) -> None:
        """`counts` (users,): events in the domain whose histograms are exchanged."""
        self.counts, self.rng, users = counts, rng, len(counts)
        self.group = np.arange(users) * max(1, users // GROUP) // users

    def others(self) -> Numbers:
        """(users,): a partner for each user, never the user; everybody is partner once."""
        order, place = self._order(), np.arange(len(self.group))
        begins, ends = (np.searchsorted(self.group, self.group, side) for side in ("left", "right"))
        return self._partners(order, np.where(place + 1 < ends, place + 1, begins))

    def permuted(self) -> Numbers:
        """(users,): a random partner for each user, possibly the user; everybody is partner once."""
        return self._partners(self._order(), np.lexsort((self.rng.random(len(self.group)), self.group)))

    def _order(self) -> Numbers:
        return np.lexsort((self.rng.random(len(self.counts)), self.counts))

    def _partners(self, order: Numbers, places: Numbers) -> Numbers:
        partners = np.empty_like(order)
        partners[order] = order[places]
        return partners


def users_with(categories: Sequence[Category], minimum: int) -> Numbers:
    """The users with at least `minimum` events in both domains; a UserError where fewer than two have so many."""
    events = events_of(categories)
    users = np.flatnonzero(events >= minimum - 1e-9)
    if len(users) < 2:
        raise UserError(
            f"{len(users)} users have {minimum} training events or more in both domains; the maximum is "
            f"{events.max():.0f}; lower taste_similarity.min_events"
        )
    return users

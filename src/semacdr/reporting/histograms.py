"""Users' histograms over the categories in both domains, and how much alike two of them are."""

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
GROUP = 10  # users among whom partners are drawn


@dataclass(frozen=True)
class Category:
    """The events of each user in each domain by subcategory, an item's subcategories in equal parts."""

    name: str
    subcategories: list[str]
    counts: tuple[Array, Array]  # (users, subcategories) of both domains


def count(user: npt.NDArray, item: npt.NDArray, domain: npt.NDArray, agnostic: pa.Table) -> list[Category]:
    """The categories, in order of their names, with what users did in both domains.

    `user` and `item` (events,), `domain` (items,) 0 or 1 of each item; `agnostic`: the table of assignments.
    """
    filed = agnostic["item"].to_numpy()
    names, subcategory = (agnostic[name].to_numpy(zero_copy_only=False) for name in ("category", "subcategory"))
    shape, found = (int(user.max()) + 1, len(domain)), []
    for name in sorted(set(names)):
        here = names == name
        titles, place = np.unique(subcategory[here].astype(str), return_inverse=True)
        own = csr_array((np.ones(here.sum()), (filed[here], place)), (len(domain), len(titles)))
        own = own.multiply(1 / np.maximum(own.sum(1), 1)[:, None]).tocsr()
        events = [csr_array((np.ones(s.sum()), (user[s], item[s])), shape) for s in (domain[item] == d for d in (0, 1))]
        found.append(Category(name, titles.tolist(), tuple((e @ own).toarray() for e in events)))
    return found


def events_of(categories: Sequence[Category]) -> Array:
    """(users,): in how many events a user's smallest histogram is counted, over domains and categories."""
    return np.min([counts.sum(1) for category in categories for counts in category.counts], axis=0)


def histograms(category: Category, users: npt.NDArray) -> tuple[Array, Array]:
    """(users, subcategories) shares of some users' events in both domains."""
    one, other = (counts[users] / counts[users].sum(1, keepdims=True) for counts in category.counts)
    return one, other


def similarity(one: Array, other: Array) -> Array:
    """(pairs,): 1 - the Jensen-Shannon divergence in bits of the rows' distributions.

    Source: Lin, Divergence measures based on the Shannon entropy, IEEE Trans. Inf. Theory 1991.
    """
    bits = entr((one + other) / 2).sum(1) - (entr(one).sum(1) + entr(other).sum(1)) / 2
    return 1 - bits / np.log(2)


def similarities(categories: Sequence[Category], users: npt.NDArray, partners: npt.NDArray) -> Array:
    """(users, categories and their mean): of each user's histogram in one domain with the partner's in the other."""
    found = []
    for category in categories:
        one, other = histograms(category, users)
        found.append(similarity(one, other[partners]))
    return np.stack([*found, np.mean(found, axis=0)], axis=1)


class Matched:
    """Partners by chance for users, each among at least GROUP users with the same count of events, or nearly so.

    Similarity grows with the number of events, and who does much in one domain does much in the other. Partners of any
    count would therefore be less alike than own pairs are, even where nobody's taste carried over.
    """

    def __init__(self, counts: Array, rng: np.random.Generator) -> None:
        """`counts` (users,): events in the domain whose histograms are exchanged."""
        self.counts, self.rng, users = counts, rng, len(counts)
        self.group = np.arange(users) * max(1, users // GROUP) // users

    def others(self) -> Numbers:
        """(users,): of each user one who is somebody else; everybody is partner of one."""
        order, place = self._order(), np.arange(len(self.group))
        begins, ends = (np.searchsorted(self.group, self.group, side) for side in ("left", "right"))
        return self._partners(order, np.where(place + 1 < ends, place + 1, begins))

    def permuted(self) -> Numbers:
        """(users,): of each user one by chance, perhaps the same; everybody is partner of one."""
        return self._partners(self._order(), np.lexsort((self.rng.random(len(self.group)), self.group)))

    def _order(self) -> Numbers:
        return np.lexsort((self.rng.random(len(self.counts)), self.counts))

    def _partners(self, order: Numbers, places: Numbers) -> Numbers:
        partners = np.empty_like(order)
        partners[order] = order[places]
        return partners


def users_with(categories: Sequence[Category], least: int) -> npt.NDArray:
    """The users with at least `least` events in both domains; a UserError where there are not two."""
    events = events_of(categories)
    users = np.flatnonzero(events >= least - 1e-9)
    if len(users) < 2:
        raise UserError(
            f"{len(users)} users have {least} training events or more in both domains, the most is "
            f"{events.max():.0f}; lower profiles.min_events"
        )
    return users

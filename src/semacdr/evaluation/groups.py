"""Groups of a run's users, for which results are computed separately."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from semacdr.evaluation.runs import Run


class Group(NamedTuple):
    """Some of a run's users. Without a name: all of them."""

    grouping: str | None  # how the groups are formed
    name: str | None
    members: npt.NDArray[np.bool_]  # (users,)


def warm_and_cold(run: Run) -> list[Group]:
    """Warm and cold users; where nobody is cold, all users as one group without a name."""
    if not run.cold.any():
        return [Group(None, None, ~run.cold)]
    return [Group(None, "warm", ~run.cold), Group(None, "cold", run.cold)]


def by_count(grouping: str, counts: npt.NDArray[np.int64], bounds: Sequence[int]) -> list[Group]:
    """Groups of users by a count (users,): one up to each bound, the last above all bounds. Empty groups are left out.

    Bounds 2, 5 make the groups 0-2, 3-5 and >5.
    """
    bounds = sorted(set(bounds))
    place, first = np.searchsorted(bounds, counts), [0, *(bound + 1 for bound in bounds)]
    names = [str(low) if low == high else f"{low}-{high}" for low, high in zip(first, bounds, strict=False)]
    groups = [Group(grouping, name, place == index) for index, name in enumerate([*names, f">{bounds[-1]}"])]
    return [group for group in groups if group.members.any()]

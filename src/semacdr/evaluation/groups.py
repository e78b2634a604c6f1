"""Groups of a run's users, for which results are computed separately."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from semacdr.data.ties import tied
from semacdr.errors import UserError
from semacdr.evaluation.runs import Run
from semacdr.storage import tables


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


class Split(NamedTuple):
    """The split table of a direction."""

    path: Path
    rows: pa.Table
    metadata: dict[str, str]

    def held_out(self, run: Run) -> npt.NDArray[np.bool_]:
        """(rows,) which are the events that a run ranked; a UserError if the run ranked events of another split."""
        tables.check_made_from(run.path, run.metadata, "rank", split=self.metadata)
        found = pc.equal(self.rows["role"], run.split).to_numpy()
        if not np.array_equal(self.rows["user"].to_numpy()[found], run.users):
            raise UserError(f"{self.path}: its users are not those of {run.path}; run stage rank again")
        return found


def by_split(
    paths: Sequence[Path], groups_of: Callable[[Run, Split], Sequence[Group]]
) -> Callable[[Run], Sequence[Group]]:
    """A function that groups a run's users by the split of the run's direction, one of the tables in `paths`."""
    splits = {}
    for path in paths:
        rows, metadata = tables.read(path, "split")
        splits[metadata.get("source"), metadata.get("target")] = Split(path, rows, metadata)

    def groups(run: Run) -> Sequence[Group]:
        if run.direction not in splits:
            raise UserError(f"--splits lacks the split.parquet of {' to '.join(run.direction)}, which was ranked")
        return groups_of(run, splits[run.direction])

    return groups


def by_ties(interactions: Path) -> Callable[[Run, Split], list[Group]]:
    """A function that groups users by whether their held-out event is tied (semacdr.data.ties): untied, tied."""
    events, metadata = tables.read(interactions, "interactions")

    def groups(run: Run, split: Split) -> list[Group]:
        tables.check_made_from(split.path, split.metadata, "split", interactions=metadata)
        targets = events.filter(pc.equal(events["domain"], run.target))
        if not all(targets[name].equals(split.rows[name]) for name in ("user", "item")):
            raise UserError(f"{split.path}: its events are not those of {interactions}; run stage split again")
        where = tied(targets["user"].to_numpy(), targets["timestamp"].to_numpy())[split.held_out(run)]
        found = [Group("tie", "untied", ~where), Group("tie", "tied", where)]
        return [group for group in found if group.members.any()]

    return groups

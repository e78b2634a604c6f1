"""The systems whose recommendations the page shows."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from semacdr.errors import UserError
from semacdr.evaluation.lead import RunKey
from semacdr.evaluation.runs import Run, load_run
from semacdr.reporting.names import system_name
from semacdr.storage import tables


@dataclass(frozen=True)
class Recommender:
    """A system whose recommendations are shown: its ranks of the test events, and each user's list."""

    name: str
    run: Run
    users: npt.NDArray[np.int32]  # (places,) sorted
    items: npt.NDArray[np.int32]  # (places,) of each user the best first
    top: int  # the length of the lists

    def rank(self, user: int) -> float:
        """The rank of the user's test item in full ranking."""
        return float(self.run.ranks["full"][np.searchsorted(self.run.users, user)])

    def recommended(self, user: int) -> list[int]:
        """The user's recommended items, the best first."""
        begin, end = np.searchsorted(self.users, [user, user + 1])
        return self.items[begin:end].tolist()


def load_recommender(folder: Path, names: Mapping[RunKey, str]) -> Recommender:
    """The system in a run's folder, which holds ranks.parquet and recommendations.parquet.

    `names` are display names by run; a run that is not in the result table has its model's name.
    """
    run = load_run(folder)
    path = folder / "recommendations.parquet"
    table, metadata = tables.read(path, "recommendations")
    if any(metadata.get(key) != getattr(run, key) for key in ("source", "target", "model", "seed")):
        raise UserError(f"{path}: not of the same run as {run.path}; run the stages rank and recommend again")
    table = table.sort_by([("user", "ascending"), ("place", "ascending")])
    name = names.get((run.source, run.target, run.name), system_name(run.model))
    top = int(table["place"].to_numpy().max(initial=0))
    return Recommender(name, run, table["user"].to_numpy(), table["item"].to_numpy(), top)

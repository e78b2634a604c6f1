"""What the page reads of personas: the tables of a direction, and the weights of a system's gate.

Reads personas.parquet and communities.parquet (stages personas, communities), and gate_weights.parquet of a run (stage
gate_weights).
"""

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from semacdr.data.history import History
from semacdr.errors import UserError
from semacdr.evaluation.runs import Run
from semacdr.reporting.page.catalogue import Key
from semacdr.storage import tables


@dataclass(frozen=True)
class Domain:
    """The P personas of a domain, sorted by user."""

    users: npt.NDArray[np.int32]  # (P,)
    rows: pa.Table  # user, domain, events, confidence, weights, text, provenance
    usual: npt.NDArray[np.float32]  # (T,) the mean weight of each term

    def place(self, user: int) -> int | None:
        """The row of a user; None for a user without a persona."""
        place = int(np.searchsorted(self.users, user))
        return place if place < len(self.users) and self.users[place] == user else None

    def weights(self, places: npt.NDArray[np.integer]) -> npt.NDArray[np.float32]:
        """(n, T) the weights of some rows."""
        return tables.matrix(self.rows["weights"].take(pa.array(places)))


@dataclass(frozen=True)
class PersonaTables:
    """The personas of a direction, and the community of each target user."""

    facets: list[tuple[str, list[str]]]  # name and terms
    source: Domain
    target: Domain
    communities: pa.Table  # user, place, neighbour, similarity; sorted by user and place

    @property
    def terms(self) -> list[Key]:
        """(T) facet and term, in the order of the weights."""
        return [(facet, term) for facet, terms in self.facets for term in terms]

    def community(self, user: int) -> tuple[list[int], list[float]]:
        """The source users of a target user's community, the nearest first, and their similarities."""
        begin, end = np.searchsorted(self.communities["user"].to_numpy(), [user, user + 1])
        part = self.communities.slice(begin, end - begin)
        return part["neighbour"].to_pylist(), part["similarity"].to_pylist()


@dataclass(frozen=True)
class Gate:
    """The weight of the collaborative side in each target user's vector, from 0 (semantic alone) to 1."""

    users: npt.NDArray[np.int32]  # sorted
    weights: npt.NDArray[np.float32]

    def weight(self, user: int) -> float | None:
        """The weight of a user; None for a user without one."""
        place = int(np.searchsorted(self.users, user))
        known = place < len(self.users) and self.users[place] == user
        return float(self.weights[place]) if known else None


def direction_of(folder: Path) -> tuple[str, str]:
    """Source and target of a folder of personas."""
    path = folder / "personas.parquet"
    _, meta = tables.read(path, "personas")
    if not {"source", "target"} <= meta.keys():
        raise UserError(f"{path}: its metadata name neither source nor target; run stage personas again")
    return meta["source"], meta["target"]


def load_persona_tables(folder: Path, history: History) -> PersonaTables:
    """The tables in the folder of a direction's personas; a UserError if they do not belong to the split."""
    path = folder / "personas.parquet"
    table, meta = tables.read(path, "personas")
    tables.check_made_from(path, meta, "personas", split=history.meta)
    terms = json.loads(meta.get("facets", "[]"))
    facets = [(one["name"], list(one["terms"])) for one in terms]
    width, wanted = table.schema.field("weights").type.list_size, sum(len(terms) for _, terms in facets)
    if width != wanted:
        raise UserError(f"{path}: its metadata name {wanted} terms for {width} weights; run stage personas again")
    source, target = (_domain(table, history.meta[side], path) for side in ("source", "target"))
    communities, own = tables.read(folder / "communities.parquet", "communities")
    tables.check_made_from(folder / "communities.parquet", own, "communities", personas=meta)
    for name, domain in (("neighbour", source), ("user", target)):
        missing = np.setdiff1d(communities[name].to_numpy(), domain.users)
        if len(missing):
            raise UserError(
                f"{folder / 'communities.parquet'}: {name} {missing[0]} has no persona; run stage communities again"
            )
    return PersonaTables(facets, source, target, communities)


def _domain(table: pa.Table, name: str, path: Path) -> Domain:
    rows = table.filter(pc.equal(table["domain"], name))
    users = rows["user"].to_numpy()
    if (np.diff(users) <= 0).any():
        raise UserError(f"{path}: the users of {name} are not sorted, or one occurs twice; run stage personas again")
    width = table.schema.field("weights").type.list_size
    usual = tables.matrix(rows["weights"]).mean(0, dtype=np.float64) if len(rows) else np.zeros(width)
    return Domain(users, rows, usual.astype(np.float32))


def load_gate(path: Path, run: Run) -> Gate:
    """The gate's weights of the users of a run; a UserError if the table is of another run."""
    table, meta = tables.read(path, "gate_weights")
    if any(meta.get(key) != getattr(run, key) for key in ("source", "target", "model", "seed")):
        raise UserError(f"{path}: not of the same run as {run.path}; run stage gate_weights again")
    rows = table.filter(pc.equal(table["side"], "user")).sort_by("id")
    return Gate(rows["id"].to_numpy(), rows["weight"].to_numpy())

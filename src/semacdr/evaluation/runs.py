"""A run is a system trained in one direction under one seed. Reads its ranks and refuses runs that do not fit together.

A run is a folder: ranks.parquet (stage rank), settings.json, cost.json and history.tsv (stage train).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from semacdr.errors import UserError
from semacdr.storage import tables

RANKINGS = ("full", "sampled")
SPLITS = ("valid", "test")
KEYS = ("release", "scenario", "source", "target", "model", "seed")
SHARED = ("interactions", "items", "split", "candidates")  # tables that runs of one direction must have in common


@dataclass(frozen=True)
class Run:
    """The ranks of one split of one run: by ranking, in the order of `users`."""

    path: Path
    release: str
    scenario: str
    source: str
    target: str
    model: str
    seed: str
    name: str  # of the run, without its seed
    split: str  # test or valid
    users: npt.NDArray[np.int32]
    cold: npt.NDArray[np.bool_]  # of `users`, those without a validation event; nobody in split valid
    ranks: dict[str, npt.NDArray[np.float64]]
    metadata: dict[str, str]  # of ranks.parquet

    @property
    def direction(self) -> tuple[str, str]:
        """Source and target."""
        return self.source, self.target

    @property
    def tied_share(self) -> float | None:
        """The share of tied events among all events of the split (semacdr.data.ties); None in files without it."""
        share = self.metadata.get(f"tied_{self.split}")
        return None if share is None else float(share)


def load_run(folder: Path, split: str = "test") -> Run:
    """One split's ranks of a run's folder; a UserError names the file and what is wrong with its metadata or rows."""
    path = folder / "ranks.parquet"
    table, metadata = tables.read(path, "ranks")
    missing = [key for key in KEYS if key not in metadata]
    if missing:
        raise UserError(f"{path}: the metadata of the ranks lack {', '.join(missing)}; run stage rank again")
    _check_rows(table, path)
    rows = table.filter(pc.equal(table["split"], split))
    parts = {ranking: _by_user(rows, ranking, split, path) for ranking in RANKINGS}
    users = parts["full"][0]
    if not np.array_equal(users, parts["sampled"][0]):
        raise UserError(f"{path}: the full and the sampled ranking hold different {split} users; run stage rank again")
    validated = table.filter(pc.equal(table["split"], "valid"))["user"].to_numpy()
    return Run(
        path=path,
        **{key: metadata[key] for key in KEYS},
        name=run_name(folder, metadata),
        split=split,
        users=users,
        cold=~np.isin(users, validated) if "cold_users" in metadata else np.zeros(len(users), bool),
        ranks={ranking: ranks for ranking, (_, ranks) in parts.items()},
        metadata=metadata,
    )


def run_name(folder: Path, metadata: Mapping[str, str] | None = None) -> str:
    """The name of a run without its seed: from its tables, otherwise the name of the folder that holds its seeds."""
    recorded = (metadata or {}).get("run", "").partition("/")[0]  # may be followed by the seed's folder
    return recorded or folder.resolve().parent.name


def run_names(runs: Sequence[Run]) -> str:
    """The names of several runs, each once."""
    return ", ".join(dict.fromkeys(run.name for run in runs))


def _check_rows(table: pa.Table, path: Path) -> None:
    for column in ("user", "split", "ranking"):
        if table[column].null_count:
            raise UserError(f"{path}: column '{column}' holds {table[column].null_count} empty values")
    unknown = sorted(set(table["ranking"].unique().to_pylist()) - set(RANKINGS))
    if unknown:
        raise UserError(f"{path}: a ranking must be one of {', '.join(RANKINGS)}, not {', '.join(unknown)}")
    ranks = table["rank"].to_numpy()
    wrong = np.flatnonzero(~(np.isfinite(ranks) & (ranks >= 1.0)))
    if wrong.size:
        user, rank = table["user"][int(wrong[0])].as_py(), ranks[wrong[0]]
        raise UserError(
            f"{path}: user {user} has the rank {rank}; a rank must be finite and at least 1 ({wrong.size} rows are not)"
        )


def _by_user(
    rows: pa.Table, ranking: str, split: str, path: Path
) -> tuple[npt.NDArray[np.int32], npt.NDArray[np.float64]]:
    """Users (users,), sorted, and their ranks (users,) in one ranking."""
    part = rows.filter(pc.equal(rows["ranking"], ranking)).sort_by("user")
    users = part["user"].to_numpy()
    if not users.size:
        raise UserError(f"{path}: no rows of split '{split}' with the ranking '{ranking}'")
    twice = users[1:][users[1:] == users[:-1]]
    if twice.size:
        raise UserError(f"{path}: user {twice[0]} has more than one {split} rank in the ranking '{ranking}'")
    return users, part["rank"].to_numpy()


def check_comparable(runs: Sequence[Run]) -> None:
    """Raise a UserError unless all runs have one release and those of a direction were ranked on the same data.

    The same data means: the same users, cold users, interactions, items, split and candidates. The scenario's name does
    not matter. Tables are compared by the digests in the metadata of the ranks; if one of two files lacks a digest
    (files of older versions), only the users are compared.
    """
    leaders: dict[tuple[str, str], Run] = {}
    for run in runs:
        first = runs[0]
        if first.release != run.release:
            raise UserError(
                f"one table holds one release: {first.path} has {first.release}, {run.path} has {run.release}"
            )
        _check_same_data(leaders.setdefault(run.direction, run), run)


def _check_same_data(one: Run, other: Run) -> None:
    if not np.array_equal(one.users, other.users):
        differing = np.setxor1d(one.users, other.users)
        raise UserError(
            f"{one.path} and {other.path} hold different {one.split} users, so they cannot be compared: "
            f"{differing.size} are in one only, the first is user {differing[0]}"
        )
    if not np.array_equal(one.cold, other.cold):
        raise UserError(f"{one.path} and {other.path} have different cold users; run stage rank again")
    for table in SHARED:
        digests = [run.metadata.get(f"made_from_{table}") for run in (one, other)]
        if None not in digests and digests[0] != digests[1]:
            raise UserError(
                f"{one.path} ({one.scenario}) and {other.path} ({other.scenario}) were made from different {table} "
                "tables, so they cannot be compared; give runs on the same data"
            )

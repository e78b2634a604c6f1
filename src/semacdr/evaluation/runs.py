"""One run is one rank table: a system, a direction and a seed. Reads runs and refuses those that cannot be compared."""

from collections.abc import Sequence
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
KEYS = ("release", "scenario", "source", "target", "model", "variant", "seed")


@dataclass(frozen=True)
class Run:
    """The ranks of one split of one system in one direction under one seed: by ranking, in the order of `users`."""

    path: Path
    release: str
    scenario: str
    source: str
    target: str
    model: str
    variant: str
    seed: str
    split: str  # test or valid
    users: npt.NDArray[np.int32]
    cold: npt.NDArray[np.bool_]  # of `users`, those who have no validation event; in split valid nobody
    ranks: dict[str, npt.NDArray[np.float64]]

    @property
    def direction(self) -> tuple[str, str]:
        """Source and target."""
        return self.source, self.target

    @property
    def system(self) -> tuple[str, str]:
        """Model and variant."""
        return self.model, self.variant


def load(path: Path, split: str = "test") -> Run:
    """A split's run in a `ranks` table; a UserError names the file and what is wrong with metadata, users or ranks."""
    table, meta = tables.read(path, "ranks")
    missing = [key for key in KEYS if key not in meta]
    if missing:
        raise UserError(f"{path}: the metadata of the ranks lack {', '.join(missing)}; write the ranks anew")
    _check_rows(table, path)
    own = table.filter(pc.equal(table["split"], split))
    parts = {ranking: _by_user(own, ranking, split, path) for ranking in RANKINGS}
    users = parts["full"][0]
    if not np.array_equal(users, parts["sampled"][0]):
        raise UserError(f"{path}: the full and the sampled ranking hold different {split} users")
    validated = table.filter(pc.equal(table["split"], "valid"))["user"].to_numpy()
    cold = ~np.isin(users, validated) if "cold_users" in meta else np.zeros(len(users), bool)
    ranks = {ranking: ranks for ranking, (_, ranks) in parts.items()}
    return Run(path, *(meta[key] for key in KEYS), split, users, cold, ranks)


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
    own: pa.Table, ranking: str, split: str, path: Path
) -> tuple[npt.NDArray[np.int32], npt.NDArray[np.float64]]:
    part = own.filter(pc.equal(own["ranking"], ranking)).sort_by("user")
    users = part["user"].to_numpy()
    if not users.size:
        raise UserError(f"{path}: no rows of split '{split}' with the ranking '{ranking}'")
    twice = users[1:][users[1:] == users[:-1]]
    if twice.size:
        raise UserError(f"{path}: user {twice[0]} has more than one {split} rank in the ranking '{ranking}'")
    return users, part["rank"].to_numpy()


def check_together(runs: Sequence[Run]) -> None:
    """A UserError unless the runs are alike (`check_alike`) and distinct."""
    check_alike(runs)
    seen: dict[tuple[str, ...], Run] = {}
    for run in runs:
        identity = (*run.direction, *run.system, run.seed)
        other = seen.setdefault(identity, run)
        if other is not run:
            raise UserError(f"{other.path} and {run.path} both hold {_named(run)}, seed {run.seed}; give one of them")


def check_alike(runs: Sequence[Run]) -> None:
    """A UserError unless the runs share scenario and release, and in a direction rank the same users."""
    leaders: dict[tuple[str, str], Run] = {}
    for run in runs:
        for key in ("scenario", "release"):
            ours, theirs = getattr(runs[0], key), getattr(run, key)
            if ours != theirs:
                raise UserError(f"one table holds one {key}: {runs[0].path} has {ours}, {run.path} has {theirs}")
        _check_users(leaders.setdefault(run.direction, run), run)


def _check_users(one: Run, other: Run) -> None:
    if not np.array_equal(one.users, other.users):
        differing = np.setxor1d(one.users, other.users)
        raise UserError(
            f"{one.path} ({_named(one)}) and {other.path} ({_named(other)}) hold different {one.split} users, so "
            f"that they cannot be compared: {differing.size} are in one only, the first is user {differing[0]}"
        )
    if not np.array_equal(one.cold, other.cold):
        raise UserError(f"{one.path} and {other.path} have different cold users; run the rank stage again")


def _named(run: Run) -> str:
    return f"{run.model} {run.variant} {run.source} to {run.target}"

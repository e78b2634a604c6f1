"""Load the personas of a direction and their communities as a model's input (stages personas to communities).

Rows that do not fit the direction or each other are refused: a UserError names the file and the stage to run again.
"""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import torch

from semacdr.data.history import NONE, History
from semacdr.errors import UserError
from semacdr.models.base import Personas, Side
from semacdr.storage import tables

PERSONA_FILES = {  # by stage, its file in the folder of personas
    "personas": "personas.parquet",
    "persona_vectors": "vectors.parquet",
    "communities": "communities.parquet",
}


def persona_files(folder: Path) -> dict[str, Path]:
    """The tables in a folder of personas by name, then by `part_name` those of the parts that its metadata state."""
    files = {name: folder / file for name, file in PERSONA_FILES.items()}
    _, meta = tables.read(files["personas"], "personas")
    for part in range(1, int(meta.get("parts", "0")) + 1):
        files |= {part_name(name, part): folder / f"part{part}" / file for name, file in PERSONA_FILES.items()}
    return files


def part_name(name: str, part: int) -> str:
    """The name of a table that is made without a part of the target events; part 0: of the whole."""
    return f"{name}_part{part}" if part else name


def without_part(name: str) -> tuple[str, str]:
    """The name of the whole's table, and what follows it in the name of a part's."""
    whole = name.split("_part")[0]
    return whole, name.removeprefix(whole)


def load_personas(files: Mapping[str, Path], history: History) -> Personas:
    """The personas of both domains and the communities of the target users, whole and without each part.

    `files` as `persona_files` names them.
    """
    parts = sum(without_part(name)[0] == "personas" for name in files) - 1
    found = [
        _load_one({name: files[part_name(name, part)] for name in PERSONA_FILES}, history) for part in range(parts + 1)
    ]
    return replace(found[0], parts=tuple(found[1:]))


def _load_one(files: Mapping[str, Path], history: History) -> Personas:
    personas, _ = tables.read(files["personas"], "personas")
    vectors, _ = tables.read(files["persona_vectors"], "persona_vectors")
    for name in ("user", "domain"):
        if not vectors[name].equals(personas[name]):
            raise UserError(
                f"{files['persona_vectors']}: its rows are not those of the personas; run persona_vectors again"
            )
    is_target = _is_target(personas, files["personas"], history)
    weights = _finite(personas["weights"], files["personas"], "personas")
    text = _finite(vectors["vector"], files["persona_vectors"], "persona_vectors")
    columns = [personas[name].to_numpy() for name in ("user", "events", "confidence")]
    sides = []
    for rows in (~is_target, is_target):
        user, events, confidence = (column[rows] for column in columns)
        if len(user) and not ((np.diff(user) > 0).all() and user[0] >= 0 and user[-1] < history.users):
            raise UserError(f"{files['personas']}: its users are not users of the split in order; run personas again")
        own = (user.astype(np.int64), events.astype(np.int64), confidence, weights[rows], text[rows])
        sides.append(Side(*map(torch.from_numpy, own)))
    source, target = sides
    return Personas(source, target, *load_communities(files["communities"], source.users, target.users))


def load_communities(path: Path, source: torch.Tensor, target: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """For each target user (P_target,) the places of the nearest ones among the `source` users, and similarities.

    Both (P_target, n), n at least 1; -1 and 0 where a user has fewer than n neighbours.
    """
    table, _ = tables.read(path, "communities")
    user, place, neighbour, similarity = (table[name].to_numpy() for name in table.column_names)
    again = "run communities again"
    rows, columns = (_places(known.numpy(), named) for known, named in ((target, user), (source, neighbour)))
    for found, named, domain in ((rows, user, "target"), (columns, neighbour, "source")):
        if (found == NONE).any():
            wrong = named[int(np.argmax(found == NONE))]
            raise UserError(f"{path}: user {wrong} has no persona in the {domain} domain; {again}")
    if (user == neighbour).any():
        raise UserError(f"{path}: user {user[int(np.argmax(user == neighbour))]} is in his own community; {again}")
    first = np.searchsorted(user, user)  # the first row of each row's user
    if not np.array_equal(place, np.arange(len(user)) - first + 1):
        raise UserError(f"{path}: the places of a user are not 1, 2, and so on; {again}")
    if not np.isfinite(similarity).all():
        raise UserError(f"{path}: a similarity is not finite; {again}")
    width = max(int(place.max(initial=0)), 1)
    neighbours = torch.full((len(target), width), NONE)
    similarities = torch.zeros(len(target), width)
    where = torch.from_numpy(rows), torch.from_numpy(place.astype(np.int64) - 1)
    neighbours[where] = torch.from_numpy(columns)
    similarities[where] = torch.from_numpy(similarity.copy())
    return neighbours, similarities


def personas_without_source(personas: Personas) -> Personas:
    """The personas as if no user had a source event: no source persona, no community."""
    source = Side(*(values[:0] for values in vars(personas.source).values()))
    neighbours = torch.full_like(personas.neighbours, NONE)
    parts = tuple(personas_without_source(part) for part in personas.parts)
    return Personas(source, personas.target, neighbours, torch.zeros_like(personas.similarity), parts)


def _is_target(personas: pa.Table, path: Path, history: History) -> np.ndarray:
    """(rows,) bool: the rows of the target domain; a UserError unless they follow those of the source domain."""
    is_target, is_source = (
        pc.equal(personas["domain"], history.meta[side]).to_numpy(zero_copy_only=False) for side in ("target", "source")
    )
    if not (is_target | is_source).all() or (is_target[:-1] > is_target[1:]).any():
        raise UserError(
            f"{path}: its domains are not first '{history.meta['source']}', then '{history.meta['target']}'; "
            "run personas again"
        )
    return np.asarray(is_target, bool)


def _finite(column: pa.ChunkedArray, path: Path, stage: str) -> np.ndarray:
    """(rows, width) the vectors of a column; a UserError if a number is not finite."""
    if not len(column):
        return np.zeros((0, column.type.list_size), np.float32)
    values = tables.matrix(column)
    if not np.isfinite(values).all():
        raise UserError(f"{path}: row {int(np.argmin(np.isfinite(values).all(1)))} is not finite; run {stage} again")
    return values


def _places(known: np.ndarray, named: np.ndarray) -> np.ndarray:
    """(rows,) the place of each named user among the sorted known ones; NONE for an unknown one."""
    places = np.searchsorted(known, named)
    found = np.append(known, NONE)[places] == named
    return np.where(found, places, NONE).astype(np.int64)

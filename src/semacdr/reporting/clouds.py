"""The item vectors of runs as clouds of points: who is near whom, and how t-SNE lays them out."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow.compute as pc

from semacdr.errors import UserError
from semacdr.storage import tables

Array = npt.NDArray[np.float64]
BLOCK = 2048  # items whose neighbours are looked up at once


@dataclass(frozen=True)
class Cloud:
    """The vectors (items, width) of one run in one space, of unit length, and which are the target domain's."""

    path: Path
    release: str
    source: str
    target: str
    vectors: npt.NDArray[np.float32]
    is_target: npt.NDArray[np.bool_]

    @property
    def direction(self) -> tuple[str, str]:
        """Source and target."""
        return self.source, self.target


def load(path: Path) -> dict[str, Cloud]:
    """The clouds of a run by space; a UserError where the file does not say where it comes from."""
    table, meta = tables.read(path, "vectors")
    missing = [key for key in ("release", "source", "target") if key not in meta]
    if missing:
        raise UserError(f"{path}: the metadata lack {', '.join(missing)}; run the vectors stage again")
    clouds = {}
    for space in table["space"].unique().to_pylist():
        part = table.filter(pc.equal(table["space"], space))
        vectors = tables.matrix(part["vector"])
        vectors = vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-30)
        is_target = pc.equal(part["domain"], meta["target"]).to_numpy()
        clouds[space] = Cloud(path, meta["release"], meta["source"], meta["target"], vectors, is_target)
    return clouds


def neighbours(vectors: npt.NDArray, k: int) -> npt.NDArray[np.int64]:
    """(items, k): the k others with the largest inner product, in no order."""
    found = []
    for begin in range(0, len(vectors), BLOCK):
        near = vectors[begin : begin + BLOCK] @ vectors.T
        near[np.arange(len(near)), begin + np.arange(len(near))] = -np.inf
        found.append(np.argpartition(near, -k, axis=1)[:, -k:])
    return np.concatenate(found)


def shares(found: npt.NDArray[np.int64], is_target: npt.NDArray[np.bool_]) -> Array:
    """The mean share of neighbours of the other domain: of the source's items, the target's, all."""
    own = (is_target[found] != is_target[:, None]).mean(1)
    return np.array([own[~is_target].mean(), own[is_target].mean(), own.mean()])


def chances(source: int, target: int) -> Array:
    """The expectation of `shares` where domains are permuted, of so many items of the source and the target."""
    others = source + target - 1
    return np.array([target, source, 2 * source * target / (source + target)]) / others


def panels(variants: Mapping[str, Sequence[dict[str, Cloud]]]) -> dict[tuple, dict[str, list[Cloud]]]:
    """By direction and space the clouds of each variant's seeds; a variant without such a space has none there."""
    found: dict[tuple, dict[str, list[Cloud]]] = {}
    for name, runs in variants.items():
        for clouds in runs:
            for space, cloud in clouds.items():
                found.setdefault((cloud.direction, space), {}).setdefault(name, []).append(cloud)
    return found


def laid_out(vectors: npt.NDArray, perplexity: float, seed: int) -> Array:
    """(items, 2): the places that t-SNE gives unit vectors; the same for the same seed on one thread."""
    from sklearn.manifold import TSNE

    if len(vectors) <= 3 * perplexity:
        raise UserError(
            f"t-SNE of {len(vectors)} items takes a perplexity below {len(vectors) / 3:.0f}; lower overlap.perplexity"
        )
    return TSNE(perplexity=perplexity, init="pca", random_state=seed, n_jobs=1).fit_transform(vectors)

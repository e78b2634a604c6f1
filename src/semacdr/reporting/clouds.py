"""The item vectors of runs as clouds of points: nearest neighbours, shares of the other domain, and t-SNE."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow.compute as pc

from semacdr.errors import UserError
from semacdr.evaluation.runs import run_name
from semacdr.storage import tables

Array = npt.NDArray[np.float64]
BLOCK = 2048  # items per matrix product when searching neighbours


@dataclass(frozen=True)
class Cloud:
    """The unit-length vectors (items, width) of one run in one space, and which items are of the target domain."""

    path: Path
    release: str
    source: str
    target: str
    model: str
    run: str  # the run's name, without its seed
    vectors: npt.NDArray[np.float32]
    is_target: npt.NDArray[np.bool_]
    metadata: dict[str, str]

    @property
    def direction(self) -> tuple[str, str]:
        """Source and target."""
        return self.source, self.target


def load_clouds(folder: Path) -> dict[str, Cloud]:
    """The clouds of a run's vectors.parquet by space; a UserError where its metadata are incomplete."""
    path = folder / "vectors.parquet"
    table, metadata = tables.read(path, "vectors")
    missing = [key for key in ("release", "source", "target", "model") if key not in metadata]
    if missing:
        raise UserError(f"{path}: the metadata lack {', '.join(missing)}; run stage vectors again")
    clouds = {}
    for space in table["space"].unique().to_pylist():
        part = table.filter(pc.equal(table["space"], space))
        vectors = tables.matrix(part["vector"])
        clouds[space] = Cloud(
            path=path,
            release=metadata["release"],
            source=metadata["source"],
            target=metadata["target"],
            model=metadata["model"],
            run=run_name(folder, metadata),
            vectors=vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-30),
            is_target=pc.equal(part["domain"], metadata["target"]).to_numpy(),
            metadata=metadata,
        )
    return clouds


def neighbours(vectors: npt.NDArray[np.float32], k: int) -> npt.NDArray[np.int64]:
    """(items, k): each item's k other items with the largest inner product, in no order."""
    found = []
    for begin in range(0, len(vectors), BLOCK):
        near = vectors[begin : begin + BLOCK] @ vectors.T
        near[np.arange(len(near)), begin + np.arange(len(near))] = -np.inf
        found.append(np.argpartition(near, -k, axis=1)[:, -k:])
    return np.concatenate(found)


def shares(found: npt.NDArray[np.int64], is_target: npt.NDArray[np.bool_]) -> Array:
    """(3,) the mean share of neighbours of the other domain: of the source's items, the target's, and all.

    `found` (items, k) are neighbours, `is_target` (items,) says which items are of the target domain.
    """
    share = (is_target[found] != is_target[:, None]).mean(1)
    return np.array([share[~is_target].mean(), share[is_target].mean(), share.mean()])


def chances(source: int, target: int) -> Array:
    """(3,) the expectation of `shares` under random permutations of the domains, from the number of items of each."""
    others = source + target - 1
    return np.array([target, source, 2 * source * target / (source + target)]) / others


def by_space(
    variants: Mapping[str, Sequence[dict[str, Cloud]]],
) -> dict[tuple[tuple[str, str], str], dict[str, list[Cloud]]]:
    """The clouds of each variant's seeds by direction and space; a variant without such a space is left out there."""
    found: dict[tuple[tuple[str, str], str], dict[str, list[Cloud]]] = {}
    for name, runs in variants.items():
        for clouds in runs:
            for space, cloud in clouds.items():
                found.setdefault((cloud.direction, space), {}).setdefault(name, []).append(cloud)
    return found


def tsne(vectors: npt.NDArray[np.float32], perplexity: float, seed: int) -> Array:
    """(items, 2): the coordinates that t-SNE gives unit vectors; one thread, so that a seed determines them."""
    from sklearn.manifold import TSNE

    if len(vectors) <= 3 * perplexity:
        raise UserError(
            f"t-SNE of {len(vectors)} items needs a perplexity below {len(vectors) / 3:.0f}; "
            "lower domain_mixing.perplexity"
        )
    return TSNE(perplexity=perplexity, init="pca", random_state=seed, n_jobs=1).fit_transform(vectors)

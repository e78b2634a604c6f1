"""The nearest source personas of each target persona: exact by matrix products, or by an index for many of them.

Similarities are computed in float64 and compared at six decimals, and of equal ones the lower source user comes first:
so the order does not depend on how products are blocked. Nobody is among his own neighbours.
"""

import logging
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from semacdr.errors import UserError
from semacdr.personas.space import Space

NONE = -1
STEPS = 10**6  # similarities are compared as multiples of 1 / STEPS
ROWS, BLOCK = 256, 32_768  # target and source personas of one product, which takes some 200 MB
MORE = 32  # candidates of the index beyond those wanted, for ties and one's own account
QUERIES, ADDED = 2048, 65_536  # personas that the index searches for, or takes in, at once
SAMPLE = 64  # source personas for each list of the index that it learns its lists from
SEED = 1234


@dataclass(frozen=True)
class Near:
    """The neighbours of Q target personas, the nearest first."""

    place: np.ndarray  # (Q, n) i64 places among the source personas; NONE: no more above the floor
    similarity: np.ndarray  # (Q, n) f32


def nearest(source: Space, target: Space, own: np.ndarray, most: int, floor: float) -> Iterator[tuple[slice, Near]]:
    """The exact neighbours, for chunks of target personas. `own` (P_target,): one's own source persona, or NONE."""
    most, vectors = min(most, len(source)), source.rows(slice(0, len(source))).astype(np.float64)
    for first in range(0, len(target), ROWS):
        chunk = slice(first, min(first + ROWS, len(target)))
        queries = target.rows(chunk).astype(np.float64)
        keys = np.zeros((chunk.stop - first, 0), np.int64)
        for begin in range(0, len(source), BLOCK):
            block = slice(begin, min(begin + BLOCK, len(source)))
            found = _keys(queries @ vectors[block].T, np.arange(block.start, block.stop), own[chunk])
            keys = _largest(np.concatenate([keys, _largest(found, most)], 1), most)
        yield chunk, _read(-np.sort(-keys, axis=1), floor)


def nearest_by_index(
    source: Space, target: Space, own: np.ndarray, most: int, floor: float, probes: int, threads: int
) -> Iterator[tuple[slice, Near]]:
    """The same, found by an inverted index of faiss: approximate, as only `probes` of its lists are searched.

    The index keeps vectors as 16-bit numbers; similarities are computed again from the vectors themselves. A UserError
    where faiss is not installed.
    """
    index = build_index(source, probes, threads)
    wanted = min(most + MORE, len(source))
    for first in range(0, len(target), QUERIES):
        chunk = slice(first, min(first + QUERIES, len(target)))
        queries = target.rows(chunk)
        _, places = index.search(queries, wanted)
        places = np.sort(places, axis=1)
        products = np.empty(places.shape)
        for row in range(0, len(queries), ROWS):
            some = slice(row, row + ROWS)
            vectors = source.rows(np.maximum(places[some], 0).reshape(-1)).reshape(*places[some].shape, -1)
            products[some] = np.einsum("qd,qcd->qc", queries[some], vectors, dtype=np.float64, casting="safe")
        keys = np.where(places == NONE, -1, _keys(products, places, own[chunk]))
        yield chunk, _read(-np.sort(-keys, axis=1)[:, :most], floor)


def build_index(source: Space, probes: int, threads: int) -> Any:
    """An inverted index of the source personas, the same for the same personas."""
    faiss = _faiss()
    faiss.omp_set_num_threads(threads)
    lists = max(1, int(2 * np.sqrt(len(source))))
    coarse = faiss.IndexFlatIP(source.width)
    index = faiss.IndexIVFScalarQuantizer(
        coarse, source.width, lists, faiss.ScalarQuantizer.QT_fp16, faiss.METRIC_INNER_PRODUCT
    )
    index.cp.seed, index.cp.niter, index.cp.min_points_per_centroid = SEED, 10, 1
    chosen = np.random.default_rng(SEED).permutation(len(source))[: SAMPLE * lists]
    index.train(source.rows(np.sort(chosen)))
    for begin in range(0, len(source), ADDED):
        index.add(source.rows(slice(begin, begin + ADDED)))
    index.nprobe = min(probes, lists)
    return index


def _keys(products: np.ndarray, places: np.ndarray, own: np.ndarray) -> np.ndarray:
    """(Q, C) i64 that order candidates by similarity, then by place; -1: one's own account.

    A key is (similarity in steps + 2 STEPS) x 2^32 + 2^32 - 1 - place, so it is distinct and gives both back.
    """
    steps = np.rint(np.clip(products, -1, 1) * STEPS).astype(np.int64)
    keys = ((steps + 2 * STEPS) << 32) + (2**32 - 1 - places)
    keys[places == own[:, None] if places.ndim == 2 else places[None] == own[:, None]] = -1
    return keys


def _largest(keys: np.ndarray, most: int) -> np.ndarray:
    """The `most` largest keys of each row, in any order."""
    return keys if keys.shape[1] <= most else np.partition(keys, keys.shape[1] - most, axis=1)[:, -most:]


def _read(keys: np.ndarray, floor: float) -> Near:
    """The neighbours that keys stand for, without those below the floor."""
    steps = (keys >> 32) - 2 * STEPS
    kept = (keys >= 0) & (steps >= np.ceil(floor * STEPS - 1e-6))
    place = np.where(kept, 2**32 - 1 - (keys & (2**32 - 1)), NONE)
    return Near(place, np.where(kept, steps / STEPS, 0).astype(np.float32))


def _faiss() -> Any:
    logging.getLogger("faiss").setLevel(logging.WARNING)  # it logs which build it tries
    try:
        import faiss
    except ModuleNotFoundError as error:
        raise UserError(
            "communities of so many source users need faiss: pip install 'semacdr[index]'; or raise "
            "communities.exact_up_to, which takes longer"
        ) from error
    return faiss

"""Measures of a ranking with one relevant item, as functions of that item's rank: pure numpy, one value per user.

A rank is 1 + #(score above) + half of #(ties): the mean position of the item when ties are broken at random. It is a
float and may lie half-way between two positions. The measures use it as it is and do not average over tie
breaks: a half rank k + 1/2 misses the cut-off k, and inside the cut-off its gain lies between those of its neighbours.
Callers take the mean over users from the returned array.
"""

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]


def hit_rate(ranks: npt.ArrayLike, k: int) -> Array:
    """1 if rank <= k, else 0: with one relevant item this is also recall at k.

    Edge cases: rank k hits and rank k + 1/2 misses; no users give an empty array; ValueError for k < 1 and for a rank
    that is below 1 or not finite.
    Source: Deshpande & Karypis, Item-based top-N recommendation algorithms, TOIS 2004.
    """
    return (_checked(ranks) <= _cutoff(k)).astype(np.float64)


def ndcg(ranks: npt.ArrayLike, k: int) -> Array:
    """1 / log2(1 + rank) if rank <= k, else 0: the discounted gain at k; the ideal one is 1, so it is normalised.

    Edge cases: rank 1 gives 1; a half rank gives the same formula's value between its neighbours (rank 1.5:
    1 / log2(2.5) = 0.7565), at rank k + 1/2 zero; no users give an empty array; ValueError as in `hit_rate`.
    Source: Järvelin & Kekäläinen, Cumulated gain-based evaluation of IR techniques, TOIS 2002, with the discount
    log2(1 + rank) of Burges et al., Learning to rank using gradient descent, ICML 2005.
    """
    checked = _checked(ranks)
    return np.where(checked <= _cutoff(k), 1.0 / np.log2(1.0 + checked), 0.0)


def reciprocal_rank(ranks: npt.ArrayLike) -> Array:
    """1 / rank without a cut-off; its mean over users is the MRR.

    Edge cases: a half rank gives 1 / rank (1.5: 0.6667); no users give an empty array; ValueError for a rank that is
    below 1 or not finite.
    Source: Voorhees, The TREC-8 question answering track report, 1999.
    """
    return 1.0 / _checked(ranks)


def _checked(ranks: npt.ArrayLike) -> Array:
    array = np.asarray(ranks, dtype=np.float64)
    wrong = array[~(np.isfinite(array) & (array >= 1.0))]
    if wrong.size:
        raise ValueError(f"a rank must be finite and at least 1; {wrong.size} are not, the first is {wrong[0]}")
    return array


def _cutoff(k: int) -> int:
    if k < 1:
        raise ValueError(f"the cut-off k must be at least 1, it is {k}")
    return k


PLATEAU = 1.2  # up to this multiple of popularity's value a system is at its level: it ranks by little else


def at_level(value: float, popularity: float) -> bool:
    """Whether a system's NDCG@10 is at the level of popularity's: not clearly above it."""
    return value <= PLATEAU * popularity

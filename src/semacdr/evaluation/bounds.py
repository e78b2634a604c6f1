"""Arithmetic bounds between HR and NDCG of the same ranks, which any table that has both must obey.

Each user whose rank lies beyond the cut-off a and within b adds 1 to HR@b - HR@a, and to NDCG@b - NDCG@a a gain between
1 / log2(1 + b) and that of the best rank beyond a. So the second difference, divided by the first, lies between these
two; for a = 0 it is NDCG@b / HR@b. Means over users and over seeds keep the bounds, since they are linear.
"""

from collections.abc import Mapping
from math import log2


def broken_bound(
    hr: Mapping[int, float], ndcg: Mapping[int, float], *, step: float = 1.0, rounding: float = 1e-9
) -> str | None:
    """The first bound that HR and NDCG by cut-off break, in words, or None if all hold.

    `step` is the distance from a cut-off to the best rank beyond it: 1 for whole ranks, 1/2 where ties make half ranks.
    `rounding` is how far each number may lie from its true value: 0.5e-4 for a table with four decimals.
    """
    below = 0
    for k in sorted(hr):
        slack = rounding * (2 if below else 1)  # a difference carries the rounding of two numbers
        hits, gain = hr[k] - hr.get(below, 0.0), ndcg[k] - ndcg.get(below, 0.0)
        least, most = 1 / log2(1 + k), 1 / log2(1 + max(1.0, below + step))
        low, high = least * (hits - slack), most * (hits + slack)
        if hits < -slack or gain + slack < low or gain - slack > high:
            return (
                f"from rank {below} to {k} HR grows by {hits:.6f} and NDCG by {gain:.6f}, "
                f"which must lie within [{least:.4f}, {most:.4f}] times that"
            )
        below = k
    return None

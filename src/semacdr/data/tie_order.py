"""The order of a user's events with the same timestamp, which stage preprocess decides once for all stages."""

import hashlib

import polars as pl


def tie_order(events: pl.DataFrame, seed: int) -> pl.Series:
    """(events,) u64: the place of each event among its user's events with the same timestamp.

    A hash of (seed, user id, item id). The true order within a timestamp is unknown, and ids or lines of a file carry
    signals (ids carry an item's age), so an order by them would leak into every system.
    """
    start = hashlib.blake2b(f"{seed}\0".encode(), digest_size=8)

    def place(user: str, item: str) -> int:
        key = start.copy()
        key.update(f"{user}\0{item}".encode())
        return int.from_bytes(key.digest(), "big")

    places = [place(user, item) for user, item in events.select("user_id", "item_id").iter_rows()]
    return pl.Series("tie_order", places, dtype=pl.UInt64)

"""Users who are in one domain only (`preprocess: {users: disjoint}`), and ids that both domains have.

Nothing links the users of two disjoint domains. Where an id is in both domains, `shared_ids` says what it means.
`draw`: it is one person, who is kept in one domain by a draw; the other account is discarded before anything is counted
or filtered. `different`: it is two people, and every id gets its domain as prefix, such as `game:12`.
"""

import hashlib
from collections.abc import Mapping, Sequence
from typing import Literal, Protocol

import polars as pl

from semacdr.data.funnel import Funnel
from semacdr.errors import UserError

RULE = "domain number blake2b(draw_seed, user id) modulo 2, of the sorted domains; only ids of both domains are drawn"
KEPT = "one domain for each person"  # a step of the funnel


class Rules(Protocol):
    """The settings of stage preprocess that say in which domain a user is."""

    @property
    def users(self) -> Literal["shared", "any", "disjoint"]:
        """Whether users need both domains, any of them, or have one only."""

    @property
    def shared_ids(self) -> Literal["refuse", "draw", "different"]:
        """What an id is that both domains have, where users are disjoint."""

    @property
    def draw_seed(self) -> int:
        """Seed of the draw."""


def one_domain_each(events: pl.DataFrame, rules: Rules, funnel: Funnel) -> pl.DataFrame:
    """The events (user_id, domain, ...) of disjoint users: each user_id of the result is in one domain.

    A UserError if both domains have an id and `shared_ids` is refuse.
    """
    if rules.shared_ids == "different":
        return events.with_columns(user_id=pl.concat_str("domain", pl.lit(":"), "user_id"))
    both = ids_of_both(events)
    if len(both) and rules.shared_ids == "refuse":
        raise UserError(
            f"preprocess.users is disjoint, but both domains have {len(both):,} user ids, such as '{both[0]}'; set "
            "preprocess.shared_ids to draw if such an id is one person (a draw keeps one of the two accounts), or to "
            "different if ids of different domains are different people"
        )
    if rules.shared_ids == "refuse":
        return events
    return _drawn(events, both, rules.draw_seed, funnel)


def ids_of_both(events: pl.DataFrame) -> pl.Series:
    """The user ids that are in more than one domain, sorted."""
    pairs = events.select("domain", "user_id").unique()
    return pairs.filter(pl.col("user_id").is_duplicated())["user_id"].unique().sort()


def kept_domain(user_id: str, domains: Sequence[str], seed: int) -> str:
    """The domain in which the person with this id is kept; it does not depend on any other id."""
    digest = hashlib.blake2b(f"draw\0{seed}\0{user_id}".encode(), digest_size=8).digest()
    return sorted(domains)[int.from_bytes(digest, "big") % len(domains)]


def _drawn(events: pl.DataFrame, both: pl.Series, seed: int, funnel: Funnel) -> pl.DataFrame:
    """The events without the discarded accounts of the people in `both`; the counts go into the funnel."""
    kept = pl.DataFrame(
        {"user_id": both, "kept": [kept_domain(user_id, funnel.domains, seed) for user_id in both]},
        schema={"user_id": pl.String, "kept": pl.String},
    )
    marked = events.join(kept, on="user_id", how="left", maintain_order="left")
    discarded = pl.col("kept") != pl.col("domain")
    for domain in funnel.domains:
        lost = marked.filter(discarded, pl.col("domain") == domain)
        here = (kept["kept"] == domain).sum()
        funnel.add_count(domain, "people drawn to this domain (shared_ids, draw_seed)", int(here))
        funnel.add_count(domain, "accounts discarded by the draw", lost["user_id"].n_unique())
        funnel.add_count(domain, "events of discarded accounts", lost.height)
    return funnel.add_events(KEPT, marked.filter(~discarded | pl.col("kept").is_null()).drop("kept"))


def described(rules: Rules) -> dict[str, str]:
    """The metadata of the tables: how users are disjoint, and the seed and rule of a draw; empty if they are not."""
    if rules.users != "disjoint":
        return {}
    draw = {"draw_seed": str(rules.draw_seed), "draw_rule": RULE} if rules.shared_ids == "draw" else {}
    return {"users": "disjoint", "shared_ids": rules.shared_ids} | draw


def raw_ids(user_ids: Sequence[str], domain: str, meta: Mapping[str, str]) -> list[str | None]:
    """The ids of the raw files for ids of users.parquet with these metadata; None for users of another domain.

    They differ only with `shared_ids: different`; without it, users of another domain are not recognised.
    """
    if meta.get("shared_ids") != "different":
        return list(user_ids)
    start = f"{domain}:"
    return [user_id.removeprefix(start) if user_id.startswith(start) else None for user_id in user_ids]

"""Which events of a scenario are kept: no duplicates, and items and users with enough events."""

from typing import Literal, Protocol

import polars as pl

from semacdr.data import disjoint
from semacdr.data.funnel import Funnel
from semacdr.errors import UserError

DUPLICATES = {
    "earliest": "duplicates removed (the earliest of a user and an item stays)",
    "latest": "duplicates removed (the latest of a user and an item stays)",
    "all": "duplicates removed (of the same user, item and time; other repeats stay)",
}


class Rules(disjoint.Rules, Protocol):
    """The settings of stage preprocess that say what is kept."""

    @property
    def min_item_interactions(self) -> int:
        """Fewest events of an item."""

    @property
    def min_user_interactions(self) -> int:
        """Fewest events of a user: in each domain, in one of them (`users: any`), or in the user's own (disjoint)."""

    @property
    def filter(self) -> Literal["once", "iterated"]:
        """Whether the filters are applied once or until nothing changes."""

    @property
    def duplicates(self) -> Literal["earliest", "latest", "all"]:
        """Which of the events of a user with the same item stay."""


def filter_interactions(events: pl.DataFrame, rules: Rules, funnel: Funnel) -> pl.DataFrame:
    """The events (user_id, item_id, domain, timestamp, perhaps position) that pass the filters, without duplicates.

    Users who are disjoint get one domain each before anything else. A UserError names the filter after which a domain
    has no event.
    """
    if rules.users == "disjoint":
        events = disjoint.one_domain_each(events, rules, funnel)
    elif rules.shared_ids != "refuse":
        raise UserError(
            f"preprocess.shared_ids is for disjoint users; set preprocess.users to disjoint (it is {rules.users}), or "
            "shared_ids to refuse"
        )
    fewest_item = rules.min_item_interactions
    events = funnel.add_events(DUPLICATES[rules.duplicates], without_duplicates(events, rules.duplicates))
    for _ in range(events.height):
        before = events.height
        step = f"items with >= {fewest_item} interactions (min_item_interactions)"
        events = funnel.add_events(step, events.filter(pl.len().over("domain", "item_id") >= fewest_item))
        events = _enough_events_of_users(events, rules, funnel)
        if rules.filter == "once" or events.height == before:
            break
    return events


def without_duplicates(events: pl.DataFrame, kept: str) -> pl.DataFrame:
    """One event of each user and item in a domain, the earliest or the latest; with `all`, one at each time."""
    order = [name for name in ("timestamp", "position") if name in events.columns]
    key = ["domain", "user_id", "item_id"]
    if kept == "all":
        return events.unique([*key, *order])
    return events.sort(order, descending=kept == "latest").unique(key, keep="first")


def _enough_events_of_users(events: pl.DataFrame, rules: Rules, funnel: Funnel) -> pl.DataFrame:
    fewest, enough = rules.min_user_interactions, pl.len().over("domain", "user_id") >= rules.min_user_interactions
    if rules.users == "any":
        step = f"users with >= {fewest} interactions in a domain (min_user_interactions)"
        return funnel.add_events(step, events.filter(enough.any().over("user_id")))
    if rules.users == "disjoint":
        return funnel.add_events(f"users with >= {fewest} interactions (min_user_interactions)", events.filter(enough))
    step = f"users with >= {fewest} interactions in each domain (min_user_interactions)"
    events = funnel.add_events(step, events.filter(enough))
    shared = pl.col("domain").n_unique().over("user_id") == len(funnel.domains)
    hint = "; check that both domains have the same user ids, or set preprocess.users to any or disjoint"
    return funnel.add_events("users of both domains", events.filter(shared), hint)

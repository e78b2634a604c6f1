"""What a scenario's data are, before anything runs: counts, what the filters leave, and what looks wrong.

All numbers come from the functions of stage preprocess and from the roles of stage split, so they are what the workflow
will find.
"""

import logging
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import pairwise
from typing import Any

import polars as pl

from semacdr.data.dates import DAY, day_of
from semacdr.data.disjoint import KEPT, ids_of_both
from semacdr.data.filters import Rules, filter_interactions
from semacdr.data.funnel import Funnel
from semacdr.data.loading import load_events, load_items
from semacdr.data.numbering import attributes_of, number
from semacdr.data.reading import Source
from semacdr.data.roles import by_time, choose_dates, leave_one_out
from semacdr.data.ties import tied
from semacdr.errors import UserError
from semacdr.reporting.data_check.facts import ERROR, Asked, Domain, Facts
from semacdr.reporting.findings import FEW_USERS
from semacdr.runtime.cli import log
from semacdr.semantics.column_categories import attribute_rows, column_categories
from semacdr.semantics.languages import MANY, Languages, foreign_texts, languages
from semacdr.semantics.text_encoder import ENGLISH_ONLY

FEW_EVENTS = 5  # of the median user in a domain; two of them are held out
FEW_SHARED = 0.05  # share of the smaller domain's users that are shared
LOST = 0.8  # share of events that the filters drop
MUCH_TIED = 0.5  # share of events with the time of another event of their user


def examine(source: Source, asked: Asked) -> Facts:
    """All that can be found in a source; what stops the workflow is an error among the findings."""
    facts, funnel = Facts(), Funnel(sorted(source.domains))
    with _warnings_into(facts):
        try:
            _examine(source, asked, facts, funnel)
        except UserError as error:
            facts.findings.append((ERROR, str(error)))
        facts.rows = funnel.rows("")
    return facts


@contextmanager
def _warnings_into(facts: Facts) -> Iterator[None]:
    """What is logged as a warning becomes a finding; nothing is printed."""

    class Collector(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            if record.levelno >= logging.WARNING:
                facts.warn(record.getMessage())

    collector, before = Collector(), log.propagate
    log.addHandler(collector)
    log.propagate = False
    try:
        yield
    finally:
        log.removeHandler(collector)
        log.propagate = before


def _examine(source: Source, asked: Asked, facts: Facts, funnel: Funnel) -> None:
    rules, apart = asked.preprocess, asked.preprocess.users == "disjoint"
    events, by_position = load_events(source, rules.max_malformed_share, funnel, apart)
    events = funnel.add_events("usable", events)
    _users(events, rules, facts)
    kept = filter_interactions(events, rules, funnel)
    _check_loss(funnel, facts, apart)
    metadata = load_items(source, kept, rules.max_malformed_share, funnel)
    interactions, _, items = number(kept, metadata, rules.tie_seed, apart)
    both = interactions.select("user", "domain").unique()["user"]
    facts.left_shared = None if apart else int(both.is_duplicated().sum()) // 2
    for domain in source.domains:
        facts.domains[domain] = _domain(
            interactions.filter(pl.col("domain") == domain),
            items.filter(pl.col("domain") == domain),
            by_position[domain],
        )
    _check_texts(asked, facts)
    if asked.columns and asked.texts:
        rows = attribute_rows(attributes_of(items).to_arrow(), items.to_arrow())
        facts.categories, said = column_categories(rows, asked.columns, asked.values, asked.min_value_items)
        for text in said:
            facts.warn(text)
    for name, (_, target) in asked.directions.items():
        _rank(name, target, interactions, items, asked.split, facts)
    _check_size(facts)


def _users(events: pl.DataFrame, rules: Rules, facts: Facts) -> None:
    """The users of each domain, and a finding if few or none are shared, unless they are to be disjoint."""
    pairs = events.select("user_id", "domain").unique()
    facts.users = dict(pairs.group_by("domain").len().sort("domain").rows())
    facts.shared, facts.shared_ids = len(ids_of_both(pairs)), rules.shared_ids if rules.users == "disjoint" else None
    smaller = min(facts.users.values())
    if facts.shared_ids is None and facts.shared < FEW_SHARED * smaller:
        shown = pairs.sort("domain", "user_id").group_by("domain", maintain_order=True).first()
        ids = " and ".join(f"'{user}' in {domain}" for domain, user in shown.rows())
        text = (
            f"{facts.shared:,} users are in both domains, of {smaller:,} in the smaller one; ids are such as {ids}: "
            "check that both files name a user alike"
        )
        if not facts.shared and rules.users == "shared":
            raise UserError(f"{text}; if no user can be shared, set `preprocess: {{users: any}}` or `disjoint`")
        facts.warn(f"{text}; else only the contents of items connect the domains")


def _check_loss(funnel: Funnel, facts: Facts, disjoint: bool) -> None:
    """A finding for each domain of which the filters drop most events, with the filter that drops the most.

    Events of accounts that a draw discards do not count.
    """
    for domain in funnel.domains:
        rows = [row for row in funnel.rows("") if row.domain == domain and row.users is not None]
        rows = rows[1:] if rows[1].step == KEPT else rows
        lost = 1 - rows[-1].count / rows[0].count
        if lost > LOST:
            drops = [(before.count - row.count, row.step) for before, row in pairwise(rows)]
            any_users = "" if disjoint else ", or set `preprocess: {users: any}` if users of one domain may stay"
            facts.warn(
                f"the filters drop {lost:.0%} of the events of {domain}, most at '{max(drops)[1]}': lower that "
                f"threshold{any_users}"
            )


def _domain(events: pl.DataFrame, items: pl.DataFrame, by_position: bool) -> Domain:
    user, time = events["user"].to_numpy(), events["timestamp"].to_numpy()
    texts = items.select(
        "title",
        all=pl.concat_str(
            "title", "brand", pl.col("categories").list.join(" "), "description", separator=" "
        ).str.strip_chars(),
        own=pl.concat_str("title", "description", separator=" ").str.strip_chars(),
    )
    days = None if by_position else (day_of(int(time.min())), day_of(int(time.max())))
    return Domain(
        days, events.height, events["user"].n_unique(), items.height, _spread(events["user"]), _spread(events["item"]),
        (float(tied(user, time).mean()), None if by_position else float(tied(user, time // DAY).mean())),
        float(1 - events.select("user", "item").unique().height / events.height),
        float((texts["title"] != "").mean()), float((texts["all"] != "").mean()), languages(texts["own"].to_list()),  # type: ignore[arg-type]
    )  # fmt: skip


def _spread(keys: pl.Series) -> tuple[float, float, int]:
    """Median, mean and maximum of the numbers of events."""
    counts = keys.value_counts()["count"]
    return float(counts.median()), float(counts.mean()), int(counts.max())  # type: ignore[arg-type]


def _check_texts(asked: Asked, facts: Facts) -> None:
    found = facts.domains.values()
    if not asked.texts:
        return
    if not any(domain.with_text for domain in found):
        raise UserError("no item has a text: set `train: {texts: false}` for the scenario")
    counts = sum((domain.languages.counts for domain in found), start=Counter())
    joined = Languages(counts, sum(domain.languages.texts for domain in found))
    if joined.foreign > MANY and asked.encoder in ENGLISH_ONLY:
        facts.warn(foreign_texts(joined))


def _rank(name: str, target: str, interactions: pl.DataFrame, items: pl.DataFrame, split: Any, facts: Facts) -> None:
    """The users that a direction ranks; a UserError where it ranks none or the catalogue is too small."""
    if split.by == "time":
        shares, given = (split.valid_share, split.test_share), (split.valid_from, split.test_from)
        roles = by_time(interactions, target, choose_dates(interactions, target, shares, given))
    else:
        roles = leave_one_out(interactions, target)
    test = roles.filter(pl.col("role") == "test")["user"].unique()
    facts.ranked[name] = len(test)
    own = roles.filter(pl.col("user").is_in(test.implode())).group_by("user").agg(pl.col("item").n_unique())
    catalogue = items.filter(pl.col("domain") == target).height
    left = catalogue - int(own["item"].max())  # type: ignore[arg-type]
    if left < split.candidates:
        text = (
            f"{name}: {target} has {catalogue:,} items, and a user has all but {left:,} of them, fewer than the "
            f"{split.candidates} candidates of split.candidates: "
        )
        hint = f"set `split: {{candidates: {left}}}`, or use more items" if left > 0 else "use more items"
        facts.findings.append((ERROR, text + hint))


def _check_size(facts: Facts) -> None:
    """Findings about few users, few events and tied events."""
    fewest = min(facts.ranked.values())
    if fewest < FEW_USERS:
        facts.warn(
            f"{fewest:,} users are ranked; with fewer than {FEW_USERS}, differences between systems are hardly certain"
        )
    for name, domain in facts.domains.items():
        if domain.per_user[0] < FEW_EVENTS:
            facts.warn(
                f"half the users have at most {domain.per_user[0]:g} events in {name}; two are held out, so little is"
                " left to learn from"
            )
        if domain.tied[0] > MUCH_TIED:
            facts.warn(
                f"{domain.tied[0]:.0%} of the events in {name} have the time of another event of their user, so a hash "
                "orders them; if a column knows the order, name it as columns.position"
            )

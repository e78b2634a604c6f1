"""The counts of preprocess.tsv: lines, events, users and items of each domain after each step."""

from collections.abc import Sequence
from dataclasses import dataclass

import polars as pl

from semacdr.errors import UserError


@dataclass(frozen=True)
class FunnelRow:
    """A row of preprocess.tsv: the counts of a domain after a step."""

    domain: str
    step: str
    count: int  # of lines, events or items
    users: int | None  # with events; None where the count is not of events
    items: int | None
    release: str


class Funnel:
    """The counts after each step in each domain and, for counts of events, their users and items."""

    def __init__(self, domains: Sequence[str]) -> None:
        self.domains = domains
        self._steps: list[tuple[str, str, int, int | None, int | None]] = []

    def add_count(self, domain: str, step: str, count: int) -> None:
        """Record a count that is not of events."""
        self._steps.append((domain, step, count, None, None))

    def add_events(self, step: str, events: pl.DataFrame, hint: str = "") -> pl.DataFrame:
        """Record the events that remain after a step; return them. A UserError, with a hint, if a domain has none."""
        for domain in self.domains:
            part = events.filter(pl.col("domain") == domain)
            row = (domain, step, part.height, part["user_id"].n_unique(), part["item_id"].n_unique())
            before = next((r for r in reversed(self._steps) if r[0] == domain and r[3] is not None), None)
            self._steps.append(row)
            if not part.height:
                had = f"; before it: {before[2]:,} events, {before[3]:,} users, {before[4]:,} items" if before else ""
                raise UserError(f"no interaction of domain '{domain}' is left after '{step}'{had}{hint}")
        return events

    def rows(self, release: str) -> list[FunnelRow]:
        """The rows of preprocess.tsv, grouped by domain."""
        return [FunnelRow(*step, release) for step in sorted(self._steps, key=lambda step: step[0])]

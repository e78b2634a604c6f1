"""What is known of a scenario's data before anything runs."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from semacdr.data.filters import Rules
from semacdr.data.funnel import FunnelRow
from semacdr.semantics.column_categories import ColumnCategory
from semacdr.semantics.column_settings import ValueMap
from semacdr.semantics.languages import Languages

ERROR, WARNING = "error", "warning"


class Preprocess(Rules, Protocol):
    """The settings of stage preprocess."""

    @property
    def max_malformed_share(self) -> float:
        """Share of a file's lines that may be malformed."""

    @property
    def tie_seed(self) -> int:
        """Seed of the order of tied events."""


@dataclass(frozen=True)
class Asked:
    """What the config asks of a scenario."""

    directions: Mapping[str, tuple[str, str]]  # by name source and target
    preprocess: Preprocess
    split: Any  # the settings of stage split
    texts: bool  # whether systems use the items' texts
    encoder: str
    columns: Mapping[str, str] = field(default_factory=dict)  # taxonomy.columns, where they make the categories
    values: Mapping[str, ValueMap] = field(default_factory=dict)
    min_value_items: int = 1


@dataclass(frozen=True)
class Domain:
    """What is left of a domain after the filters."""

    period: tuple[str, str] | None  # first and last day; None where positions take the place of times
    events: int
    users: int
    items: int
    per_user: tuple[float, float, int]  # events: median, mean, maximum
    per_item: tuple[float, float, int]
    tied: tuple[float, float | None]  # share of events with the second, or the day, of another event of their user
    repeated: float  # share of events of an item that the user had before
    titled: float  # share of items
    with_text: float
    languages: Languages


@dataclass
class Facts:
    """All that was found in a scenario's data."""

    rows: list[FunnelRow] = field(default_factory=list)
    users: dict[str, int] = field(default_factory=dict)  # by domain, before the filters
    shared: int | None = None  # users with events in both domains, before the filters
    left_shared: int | None = None  # after the filters; None where users are disjoint
    shared_ids: str | None = None  # where users are disjoint: what an id is that both domains have
    domains: dict[str, Domain] = field(default_factory=dict)
    ranked: dict[str, int] = field(default_factory=dict)  # by direction the users with a test event
    categories: list[ColumnCategory] = field(default_factory=list)
    findings: list[tuple[str, str]] = field(default_factory=list)  # ERROR or WARNING, and the text

    @property
    def failed(self) -> bool:
        """Whether the workflow would stop, or rank nobody."""
        return any(level == ERROR for level, _ in self.findings)

    def warn(self, text: str) -> None:
        """Add a warning."""
        self.findings.append((WARNING, text))


def shown_steps(rows: Sequence[FunnelRow], domains: Sequence[str]) -> dict[str, dict[str, FunnelRow]]:
    """By step and domain the rows of events: the first round of the filters, and the last one if there are several."""
    shown: dict[str, dict[str, FunnelRow]] = {}
    for domain in domains:
        own = [row for row in rows if row.domain == domain and row.users is not None]
        seen: dict[str, int] = {}
        for row in own:
            seen[row.step] = seen.get(row.step, 0) + 1
            shown.setdefault(row.step, {}).setdefault(domain, row)
        if own and (rounds := max(seen.values())) > 1:
            shown.setdefault(f"after {rounds} rounds of these filters", {})[domain] = own[-1]
    return shown

"""The summary at the top of a page: which system is first in each direction, by how much, and how certainly."""

from collections.abc import Sequence
from dataclasses import dataclass

from semacdr.evaluation.lead import KINDS, LEVEL, LeadRow
from semacdr.reporting.markdown import decimals, p_value
from semacdr.reporting.names import column_name, count_of, system_name

METRIC = column_name(("ndcg", 10))
FEW_USERS = 100  # below it, intervals are so wide that few differences between systems are certain
HOW_CERTAIN = (
    f"All numbers are {METRIC} of full ranking on test events. [low, high] is a 95 % bootstrap interval over users, of "
    "differences over the same users. p is of a paired bootstrap test, Holm-corrected over the systems of a direction. "
    "The first system is the best one on these events, which favours it slightly."
)


@dataclass(frozen=True)
class Finding:
    """What is said of a direction, or of a group of its users."""

    title: str  # movie → book, 399 users
    first: str  # the name of the best system
    sentences: list[str]  # the first one continues after that name


def findings(rows: Sequence[LeadRow]) -> list[Finding]:
    """One for each direction and group, in the order of the rows."""
    keys = dict.fromkeys((row.source, row.target, row.group) for row in rows)
    return [_finding([row for row in rows if (row.source, row.target, row.group) == key]) for key in keys]


def name_of(row: LeadRow) -> str:
    """The display name of a row's system."""
    return system_name(row.model, row.variant)


def best_of(rows: Sequence[LeadRow], learned: bool) -> LeadRow | None:
    """The best learned or non-learned system among the rows of a direction; popularity only where it is alone."""
    kind = [row for row in rows if row.kind == KINDS[learned]]
    return next((row for row in kind if row.model != "popularity"), kind[0] if kind else None)


def is_level(row: LeadRow) -> bool:
    """Whether the best system is not clearly better than this one."""
    return row.p_bootstrap_holm is not None and row.p_bootstrap_holm >= LEVEL


def where(row: LeadRow) -> str:
    """The direction of a row, with the group of its users: movie → book, cold users."""
    return f"{row.source} → {row.target}" + (f", {row.group} users" if row.group else "")


def _finding(rows: Sequence[LeadRow]) -> Finding:
    best = rows[0]
    note = "" if best.users >= FEW_USERS else f", fewer than {FEW_USERS}"
    title = f"{where(best)}, {count_of(best.users, 'test user')}{note}"
    kind = "" if best.kind == KINDS[True] else ", a non-learned baseline,"
    first = (
        f"{kind} is first with {METRIC} {decimals(best.mean)} [{decimals(best.low)}, {decimals(best.high)}] "
        f"({count_of(best.seeds, 'seed')})."
    )
    return Finding(title, name_of(best), [first.lstrip() if not kind else first, *_ahead(rows), *_level(rows)])


def _ahead(rows: Sequence[LeadRow]) -> list[str]:
    """Sentences on the distance to the most popular items and to the best system of the other kind."""
    best = rows[0]
    popular = next((row for row in rows if row.model == "popularity"), None)
    other = best_of(rows, learned=best.kind != KINDS[True])
    sentences = []
    if popular is not None and popular is not best:
        sentences.append(f"It is {_gap(best, popular)} ahead of the most popular items.")
    if other is not None and other is not best and other is not popular:
        kind = "non-learned baseline" if best.kind == KINDS[True] else "learned system"
        sentences.append(f"It is {_gap(best, other)} ahead of the best {kind}, {name_of(other)}.")
    return sentences


def _gap(best: LeadRow, row: LeadRow) -> str:
    """The difference with its interval, its p and its size: 0.0191 [0.0145, 0.0238] (32 %, p = 0.0002)."""
    assert row.behind is not None and row.behind_low is not None and row.behind_high is not None
    size = ""
    if row.mean > 0:
        ratio = best.mean / row.mean
        size = f"{ratio:.1f} times its value, " if ratio >= 2 else f"{ratio - 1:.0%}, ".replace("%", " %")
    p = p_value(row.p_bootstrap_holm)
    p = f"p {p}" if p.startswith("<") else f"p = {p}"
    return f"{row.behind:.4f} [{row.behind_low:.4f}, {row.behind_high:.4f}] ({size}{p})".replace("-", "\u2212")


def _level(rows: Sequence[LeadRow]) -> list[str]:
    """A sentence on the systems that the best one is not certainly better than."""
    level = [name_of(row) for row in rows[1:] if is_level(row)]
    if len(rows) == 1:
        return ["There is no other system to compare it with."]
    if not level:
        return [f"It is ahead of every other system (p < {LEVEL})."]
    return [f"Not clearly worse (p ≥ {LEVEL}): {', '.join(level)}."]

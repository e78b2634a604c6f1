"""The screen of `semacdr check` for a scenario: plain text, at most WIDTH columns and about 45 lines."""

import textwrap
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from semacdr.reporting.data_check.facts import ERROR, Domain, Facts, shown_steps
from semacdr.semantics.languages import EN, UNKNOWN, Languages

WIDTH = 100
LABEL, CELL = 34, 32  # widths of the first column and of each domain's
MOST_FINDINGS = 8  # shown; the log of stage preprocess has all warnings
TIMES = "interactions rows with "  # how preprocess.tsv counts the kinds of times
MOST_COUNTS = 8  # rows on lines, times and items
SHARED_IDS = {  # by preprocess.shared_ids what becomes of ids that both domains have
    "refuse": "",
    "draw": "; a draw keeps each in one domain",
    "different": "; they are different people",
}


@dataclass(frozen=True)
class Origin:
    """Where a scenario's data come from."""

    scenario: str
    release: str
    source: str
    files: Mapping[str, Mapping[str, str]] = field(default_factory=dict)  # by label and domain: files or columns
    command: str = ""  # that makes the result table


def screen(origin: Origin, facts: Facts, domains: Sequence[str], most: int | None = MOST_FINDINGS) -> str:
    """The report of a scenario, with at most so many findings; None: with all."""
    parts = [
        [f"{origin.scenario}: release {origin.release}, source {origin.source}"],
        _columns("", dict(zip(domains, domains, strict=True)), domains),
        *(_columns(f"  {label}", cells, domains) for label, cells in origin.files.items()),
        _counts(facts, domains),
        _filters(facts, domains),
        _left(facts, domains),
        _categories(facts, domains),
        _findings(facts, most),
        [_verdict(origin, facts)],
    ]
    return "\n".join(line for part in parts for line in part)


def _columns(label: str, cells: Mapping[str, str], domains: Sequence[str]) -> list[str]:
    """A row of the table; none where no domain has anything in it."""
    if not any(cells.values()):
        return []
    row = "".join(f"{_cut(cells.get(domain, ''), CELL):<{CELL + 1}}" for domain in domains)
    return [f"{_cut(label, LABEL - 1):<{LABEL}}{row}".rstrip()]


def _cut(text: str, width: int) -> str:
    """A text of at most `width` characters; a path loses its beginning, another text its middle."""
    if len(text) <= width:
        return text
    if "/" in text and " / " not in text:
        return f"…{text[1 - width :]}"
    head = (width - 1) // 2
    return f"{text[:head]}…{text[len(text) - (width - 1 - head) :]}"


def _counts(facts: Facts, domains: Sequence[str]) -> list[str]:
    """Lines, kinds of times and other counts of the files that are not 0."""
    found: dict[str, dict[str, str]] = {}
    for row in facts.rows:
        if row.users is None and row.count:
            if row.step.startswith(TIMES):
                known = found.setdefault("times", {}).get(row.domain)
                kind = f"{row.step.removeprefix(TIMES)}: {row.count:,}"
                found["times"][row.domain] = f"{known}, {kind}" if known else kind
            else:
                label = row.step.replace("interactions rows left", "rows left").partition(" (")[0]
                found.setdefault(label, {})[row.domain] = f"{row.count:,}"
    return [line for step in list(found)[:MOST_COUNTS] for line in _columns(f"  {step}", found[step], domains)]


def _filters(facts: Facts, domains: Sequence[str]) -> list[str]:
    steps = shown_steps(facts.rows, domains)
    if not steps:
        return []
    lines = ["events / users / items"]
    for step, rows in steps.items():
        name = step.partition(" (")[0].replace(" interactions", "")
        cells = {d: f"{row.count:,} / {row.users:,} / {row.items:,}" for d, row in rows.items()}
        lines += _columns(f"  {name}", cells, domains)
    if facts.shared is not None:
        if facts.shared_ids is not None:
            label, text = (
                "disjoint users: ids in both",
                f"{facts.shared:,}{SHARED_IDS[facts.shared_ids] if facts.shared else ''}",
            )
        else:
            left = "" if facts.left_shared is None else f"; after the filters {facts.left_shared:,}"
            label, text = "users in both domains", f"{facts.shared:,} before the filters{left}"
        lines.append(f"  {label:<{LABEL - 2}}{text}")
    return lines


def _left(facts: Facts, domains: Sequence[str]) -> list[str]:
    """What the scenario consists of after the filters."""
    if not facts.domains:
        return []
    shown: dict[str, Callable[[Domain], str]] = {
        "from, to": lambda one: " to ".join(one.period) if one.period else "positions, no dates",
        "events per user": lambda one: _spread(one.per_user),
        "events per item": lambda one: _spread(one.per_item),
        "tied within a second, a day": lambda one: ", ".join(f"{share:.0%}" for share in one.tied if share is not None),
        "repeated events": lambda one: f"{one.repeated:.0%}" if one.repeated else "",
        "items with title, with any text": lambda one: f"{one.titled:.0%}, {one.with_text:.0%}",
        "languages of titles and texts": lambda one: _languages(one.languages) if one.languages.texts else "",
    }
    lines = ["after the filters"]
    for label, cell in shown.items():
        lines += _columns(f"  {label}", {name: cell(one) for name, one in facts.domains.items()}, domains)
    if facts.ranked:
        ranked = "; ".join(f"{name} {count:,}" for name, count in facts.ranked.items())
        lines.append(f"  {'ranked users':<{LABEL - 2}}{ranked}")
    return lines


def _languages(found: Languages) -> str:
    english, unknown = (found.counts[name] / found.counts.total() for name in (EN, UNKNOWN))
    return f"{english:.0%} English, {1 - english - unknown:.0%} not, {unknown:.0%} unknown"


def _spread(numbers: tuple[float, float, int]) -> str:
    median, mean, most = numbers
    return f"median {median:g}, mean {mean:.1f}, max {most:,}"


def _categories(facts: Facts, domains: Sequence[str]) -> list[str]:
    lines = ["shared categories: values, of them in both domains"] if facts.categories else []
    for category in facts.categories:
        cells = {
            domain: f"{sum(counts[domain] > 0 for counts in category.items.values()):,}, {len(category.shared):,}"
            for domain in domains
        }
        lines += _columns(f"  {category.name}", cells, domains)
    return lines


def _findings(facts: Facts, most: int | None) -> list[str]:
    """Errors first, then warnings, each wrapped."""
    ordered = sorted(dict.fromkeys(facts.findings), key=lambda finding: finding[0] != ERROR)
    lines = []
    for level, text in ordered[:most]:
        lines += textwrap.wrap(f"{level}: {text}", WIDTH, subsequent_indent="  ", break_on_hyphens=False)
    if most is not None and len(ordered) > most:
        lines.append(f"and {len(ordered) - most} more (--all shows them)")
    return lines


def _verdict(origin: Origin, facts: Facts) -> str:
    errors = sum(level == ERROR for level, _ in facts.findings)
    if errors:
        return f"not ready: {errors} error{'s' * (errors > 1)}"
    return f"ready: {origin.command}"

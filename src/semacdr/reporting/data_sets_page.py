"""The page of stage data_sets: a row per system, a column per data set; one table per ranking, and ratios."""

from collections.abc import Callable, Sequence
from statistics import fmean, stdev

from semacdr.evaluation.data_sets import DataSetRow
from semacdr.evaluation.measures import PLATEAU
from semacdr.reporting.markdown import decimals, header, line, page_head
from semacdr.reporting.names import RANKING_TITLES, count_of, system_name

Rows = Sequence[DataSetRow]
System = tuple[str, str]  # model, variant
Column = tuple[str, str, str]  # a data set: scenario, source, target

METHOD = (
    "NDCG@10 of test events: mean ± standard deviation over seeds; the best mean of a column is bold. Ratios: the best "
    "validation NDCG@10 (full ranking) divided by that of a non-learned baseline, the smallest over seeds; in "
    "parentheses, where it differs, the ratio if patience counted from the first epoch, not from the first above "
    "popularity. †: the best epoch of at least one seed is at the level of popularity on validation events (up to "
    f"{PLATEAU} times its value), so the number does not show what the system can do."
)
MEANS: dict[str, Callable[[DataSetRow], float]] = {"full": lambda row: row.full, "sampled": lambda row: row.sampled}
RATIOS: dict[str, Callable[[DataSetRow], float | None]] = {
    "most popular items": lambda row: row.to_popularity,
    "sequential rules": lambda row: row.to_rules,
}


def data_sets_page(rows: Rows, title: str) -> str:
    """The page: the data sets, then a section per experiment."""
    releases = {row.release for row in rows}
    lines = page_head(title, releases.pop() if len(releases) == 1 else "")
    lines += [METHOD, "", *_data(rows)]
    for experiment in dict.fromkeys(row.experiment for row in rows):
        lines += _experiment([row for row in rows if row.experiment == experiment])
    return "\n".join(lines)


def _data(rows: Rows) -> list[str]:
    lines = ["## Data sets", "", *header(["Data set", "Release", "Direction", "Test users"], words=3)]
    for scenario, release, source, target, users in dict.fromkeys(
        (row.scenario, row.release, row.source, row.target, row.users) for row in rows
    ):
        lines.append(line([scenario, release, f"{source} → {target}", f"{users:,}"]))
    return [*lines, ""]


def _experiment(rows: Rows) -> list[str]:
    lines = [f"## {rows[0].experiment}", "", f"{count_of(len({row.seed for row in rows}), 'seed')}.", ""]
    lines += [line for note in _same_runs(rows) for line in (note, "")]
    for ranking, value in MEANS.items():
        lines += [f"### {RANKING_TITLES[ranking]}, NDCG@10", "", *_means(rows, value), ""]
    for name, ratio in RATIOS.items():
        if any(ratio(row) is not None for row in rows):
            lines += [f"### Validation divided by that of {name}", "", *_ratios(rows, ratio), ""]
    return lines


def _means(rows: Rows, value: Callable[[DataSetRow], float]) -> list[str]:
    """The table of a test metric."""
    means = {place: decimals(fmean(map(value, own))) for place, own in _cells(rows).items()}
    best = {column: max(mean for (_, other), mean in means.items() if other == column) for _, column in means}

    def cell(place: tuple[System, Column], own: Rows) -> str:
        mean, spread = means[place], f" ± {decimals(stdev(map(value, own)))}" if len(own) > 1 else ""
        return (f"**{mean}**" if mean == best[place[1]] else mean) + spread

    return _table(rows, cell)


def _ratios(rows: Rows, ratio: Callable[[DataSetRow], float | None]) -> list[str]:
    """The table of a ratio, the smallest over seeds."""

    def cell(_: tuple[System, Column], own: Rows) -> str:
        values = [(value, row) for row in own if (value := ratio(row)) is not None]
        if not values:
            return "–"
        smallest = min(value for value, _ in values)
        from_start = min(value * (row.valid_from_start or row.valid) / row.valid for value, row in values if row.valid)
        return f"{smallest:.2f}" + (f" ({from_start:.2f})" if f"{from_start:.2f}" != f"{smallest:.2f}" else "")

    return _table(rows, cell)


def _table(rows: Rows, cell: Callable[[tuple[System, Column], Rows], str]) -> list[str]:
    """A table with a row per system and a column per data set; † marks cells with a run at popularity's level."""
    cells = _cells(rows)
    columns = list(dict.fromkeys(column for _, column in cells))
    lines = header(["System", *(f"{name}: {source} → {target}" for name, source, target in columns)])
    for system in dict.fromkeys(system for system, _ in cells):
        shown = [system_name(*system)]
        for column in columns:
            own = cells.get((system, column))
            mark = " †" if own and any(row.at_popularity for row in own) else ""
            shown.append(cell((system, column), own) + mark if own else "–")
        lines.append(line(shown))
    return lines


def _cells(rows: Rows) -> dict[tuple[System, Column], list[DataSetRow]]:
    """The seeds of each system on each data set."""
    found: dict[tuple[System, Column], list[DataSetRow]] = {}
    for row in rows:
        found.setdefault(((row.model, row.variant), (row.scenario, row.source, row.target)), []).append(row)
    return found


def _same_runs(rows: Rows) -> list[str]:
    """A sentence for each scenario in which two variants are the same runs, as where items have no texts."""
    notes = []
    for scenario in dict.fromkeys(row.scenario for row in rows):
        names: dict[str, dict[str, None]] = {}
        for row in [row for row in rows if row.scenario == scenario]:
            names.setdefault(f"{row.source} {row.run}", {})[system_name(row.model, row.variant)] = None
        for same in dict.fromkeys(tuple(own) for own in names.values() if len(own) > 1):
            notes.append(f"On {scenario}, {' and '.join(same)} are the same runs: their settings do not differ.")
    return notes

"""metrics.md: the results as a Markdown page, with costs, and with the paper's numbers for real data."""

from collections.abc import Mapping, Sequence

from semacdr.evaluation.costs import Cost
from semacdr.evaluation.summary import MetricsRow, System
from semacdr.reporting.cost_table import COST_TITLES, cost_cells, cost_note
from semacdr.reporting.glossary import GLOSSARY
from semacdr.reporting.markdown import COLD_NOTE, code, decimals, header, line, page_head
from semacdr.reporting.names import RANKING_TITLES, Column, column_name, shown_k, system_name
from semacdr.reporting.paper import DAGGER, PAPER_COLUMNS, REAL_ONLY, REFERENCE, PaperRows, impossible, paper_of

Costs = Mapping[tuple[str, str, str, str], Cost]  # by source, target, model, variant
Negatives = Mapping[tuple[str, str], int]  # stored negatives by direction

PROTOCOL = (
    "Ranks are of test events. Full ranking: the whole target catalogue without the user's earlier items. Sampled "
    "ranking: the test item among stored negatives, the same for every system and seed. "
    "Rank = 1 + number of higher scores + half the ties. Mean ± sample standard deviation over seeds; with one seed, "
    "[low, high] is a 95 % bootstrap interval over users. The best mean of a column is bold. The last column names the "
    "run that a row was computed from."
)


def metrics_page(
    rows: Sequence[MetricsRow],
    scenario: str,
    runs: int,
    paper: PaperRows,
    costs: Costs,
    negatives: Negatives,
    summary: Sequence[str],
    split: Sequence[str],
) -> str:
    """The whole page: a summary, and by direction and group of users a table per ranking, then the direction's costs.

    `runs` is the number of runs behind the rows, `summary` the lines of the first section, `split` the lines that say
    how events were held out.
    """
    release = rows[0].release
    lines = page_head(f"Results: {scenario}", release)
    lines += [*summary, "## How to read the tables", ""]
    lines += [f"Data: release `{release}`, ranks of {runs} runs.", "", PROTOCOL, ""]
    lines += [*(f"* **{word}**: {meaning}" for word, meaning in GLOSSARY), "", *split]
    lines += [COLD_NOTE, ""] if rows[0].group else []
    lines += [REAL_ONLY, ""] if paper and release == "sample" else []
    for direction in dict.fromkeys((row.source, row.target) for row in rows):
        part = [row for row in rows if (row.source, row.target) == direction]
        for group in dict.fromkeys(row.group for row in part):
            group_rows = [row for row in part if row.group == group]
            lines += _section(group_rows, paper_of(paper, *direction, release), negatives.get(direction))
        lines += _cost_section(part, costs)
    return "\n".join(lines)


def _cost_section(rows: Sequence[MetricsRow], costs: Costs) -> list[str]:
    """The table of what training the systems of a direction cost."""
    source, target = rows[0].source, rows[0].target
    systems = dict.fromkeys((row.model, row.variant) for row in rows)
    by_system = {system: costs[source, target, *system] for system in systems}
    lines = [f"## {source} → {target}: cost", "", cost_note(list(by_system.values())), ""]
    lines += header(["System", *COST_TITLES])
    return [*lines, *(line([system_name(*system), *cost_cells(cost)]) for system, cost in by_system.items()), ""]


def _section(rows: Sequence[MetricsRow], paper: Mapping[System, Mapping], negatives: int | None) -> list[str]:
    first = rows[0]
    users = f"{first.group} users" if first.group else "users"
    lines = [f"## {first.source} → {first.target} ({users}: {first.users})", ""]
    for ranking, title in RANKING_TITLES.items():
        part = [row for row in rows if row.ranking == ranking]
        number = f" ({negatives} negatives)" if negatives and ranking == "sampled" else ""
        lines += [f"### {title}{number}", "", *_table(part), ""]
    # the paper has no cold users
    return lines if first.group else lines + _paper_table(part, paper)


def _table(rows: Sequence[MetricsRow]) -> list[str]:
    columns = list(dict.fromkeys((row.metric, row.k) for row in rows))
    best = {column: max(decimals(row.mean) for row in rows if (row.metric, row.k) == column) for column in columns}
    main = ("ndcg", shown_k(columns))
    interval = f"{column_name(main)}, 95 %"
    with_interval = any(row.std is None for row in rows)
    lines = header(["System", *map(column_name, columns), *([interval] if with_interval else []), "Seeds", "Run"])
    for system, by_column in _by_system(rows).items():
        numbers = [_number(by_column[column], best[column]) for column in columns]
        first = by_column[main]
        numbers += [f"[{decimals(first.low)}, {decimals(first.high)}]"] if with_interval else []
        lines.append(line([system_name(*system), *numbers, str(first.seeds), code(first.run)]))
    return lines


def _number(row: MetricsRow, best: str) -> str:
    mean = decimals(row.mean)
    mean = f"**{mean}**" if mean == best else mean
    return mean if row.std is None else f"{mean} ± {decimals(row.std)}"


def _paper_table(rows: Sequence[MetricsRow], paper: Mapping[System, Mapping[Column, float]]) -> list[str]:
    """Our sampled means next to the paper's, for the systems and cut-offs that both have."""
    systems = {system: by_column for system, by_column in _by_system(rows).items() if system in paper}
    columns = [column for column in PAPER_COLUMNS if any((row.metric, row.k) == column for row in rows)]
    if not systems or not columns:
        return []
    lines = ["#### Comparison with the paper", "", REFERENCE, ""]
    lines += header(
        ["System", *(f"{column_name(column)} {whose}" for column in columns for whose in ("ours", "paper"))]
    )
    marked = {system for system in systems if impossible(paper[system])}
    for system, by_column in systems.items():
        pairs = [decimals(number) for column in columns for number in (by_column[column].mean, paper[system][column])]
        lines.append(line([system_name(*system) + (" †" if system in marked else ""), *pairs]))
    return [*lines, "", *([DAGGER, ""] if marked else [])]


def _by_system(rows: Sequence[MetricsRow]) -> dict[System, dict[Column, MetricsRow]]:
    found: dict[System, dict[Column, MetricsRow]] = {}
    for row in rows:
        found.setdefault((row.model, row.variant), {})[row.metric, row.k] = row
    return found

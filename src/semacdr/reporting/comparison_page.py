"""Output of the stages compare, cold_start and ties: variants with their differences from a reference."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from semacdr.evaluation.comparison import ComparisonRow
from semacdr.evaluation.costs import read_settings
from semacdr.evaluation.validation import read_plateaus, seeds_at_popularity
from semacdr.reporting.markdown import COLD_NOTE, code, decimals, header, line, p_value, page_head
from semacdr.reporting.names import RANKING_TITLES, column_name, count_of, system_name
from semacdr.reporting.plateau_notes import with_plateaus
from semacdr.reporting.tuning_notes import tuning_lines
from semacdr.storage import tsv

METHOD = (
    "Mean over users and seeds ± standard deviation over seeds. Δ: difference from {reference} in {metric}, with a "
    "95 % bootstrap interval over users. p: of a paired bootstrap test and of Wilcoxon's signed-rank test over users, "
    "Holm-corrected{within}. The interval and the bootstrap test compare means; the signed-rank test also rejects "
    "where differences are asymmetric, for example when one system's seeds agree more. All condition on the "
    "trained seeds. A user has one held-out event, so recall equals HR at each cut-off."
)
NAMED_REFERENCE = "the system of column Against"
VALID_NOTE = "**All numbers are of validation events**, for model selection. No test event was used."
GROUPINGS = {  # of users: title of the table, title of the column
    "user": ("by the user's training events", "Training events"),
    "item": ("by the training events of the test item", "Item's events"),
    "tie": ("by ties of the ranked event", "Ranked event"),
}
TEST_TITLES = ("Δ", "p (bootstrap)", "p (signed rank)", "Run")

OPTIONAL = ("split", "grouping", "group", "against", "tied_share", "at_popularity")  # columns that a table may lack

Runs = Sequence[Sequence[str]]


def write_comparison(output: Path, table: Path, runs: Runs, rows: Sequence[ComparisonRow], page: str) -> None:
    """Write the TSV, and the page with notes on plateaus and tuning; `runs`: variants with their folders."""
    models = {row.variant: system_name(row.model, row.variant) for row in rows}
    tuned = {models[name]: [read_settings(Path(folder)) for folder in folders] for name, *folders in runs}
    plateaus = {name: read_plateaus(map(Path, folders)) for name, *folders in runs}
    rows = [
        replace(row, at_popularity=seeds_at_popularity(plateaus[row.variant], row.source, row.target)) for row in rows
    ]
    page = with_plateaus(page, {models[name]: own for name, own in plateaus.items()})
    tsv.write(output, tsv.text(rows, optional=OPTIONAL))
    tsv.write(table, page + tuning_lines(tuned))


def comparison_page(rows: Sequence[ComparisonRow], title: str, split: Sequence[str]) -> str:
    """The page of stage compare: a table per direction, group of users and ranking.

    `split`: the lines that say how events were held out.
    """
    first = rows[0]
    names = {row.variant: system_name(row.model, row.variant) for row in rows}
    lines = page_head(title, first.release)
    lines += [_method(rows), "", *split]
    lines += [VALID_NOTE, ""] if first.split else []
    lines += [COLD_NOTE, ""] if first.group else []
    for key in dict.fromkeys((row.source, row.target, row.group, row.ranking) for row in rows):
        part = [row for row in rows if (row.source, row.target, row.group, row.ranking) == key]
        source, target, group, ranking = key
        users = f", {group} users ({part[0].users:,})" if group else ""
        columns = list(dict.fromkeys((row.metric, row.k) for row in part))
        lines += [f"## {source} → {target}{users}, {RANKING_TITLES[ranking].lower()}", ""]
        lines += header(["System", *map(column_name, columns), *_test_titles(rows)])
        lines += [line(_cells(metrics, names, _names_references(rows))) for metrics in _by_variant(part)]
        lines.append("")
    users = "" if first.group else f", {count_of(first.users, 'user')}"
    return "\n".join([*lines, f"{count_of(first.seeds, 'seed')}{users}.", ""])


def grouped_page(rows: Sequence[ComparisonRow], title: str, groups: str, split: Sequence[str]) -> str:
    """The page of stages cold_start and ties: a table per direction and grouping, of full ranking.

    `groups` says what the groups are, `split` are the lines that say how events were held out.
    """
    first = rows[0]
    lines = page_head(title, first.release)
    lines += [groups, "", _method(rows, " within each group"), "", *split]
    lines += [VALID_NOTE, ""] if first.split else []
    rows = [row for row in rows if row.ranking == "full"]
    for key in dict.fromkeys((row.source, row.target, row.grouping) for row in rows):
        part = [row for row in rows if (row.source, row.target, row.grouping) == key]
        source, target, grouping = key
        how, column = GROUPINGS[str(grouping)]
        metrics = list(dict.fromkeys((row.metric, row.k) for row in part))
        lines += [f"## {source} → {target}, {how}", ""]
        lines += header([column, "Users", "System", *map(column_name, metrics), *_test_titles(rows)], words=3)
        lines += _group_lines(part)
        lines.append("")
    return "\n".join([*lines, f"{count_of(first.seeds, 'seed')}.", ""])


def _method(rows: Sequence[ComparisonRow], within: str = "") -> str:
    first = rows[0]
    reference = NAMED_REFERENCE if _names_references(rows) else system_name(first.model, first.variant)
    return METHOD.format(reference=reference, metric=column_name((first.metric, first.k)), within=within)


def _names_references(rows: Sequence[ComparisonRow]) -> bool:
    return any(row.against for row in rows)


def _test_titles(rows: Sequence[ComparisonRow]) -> tuple[str, ...]:
    """The titles of the columns on differences; the first names the references if they are not all the same."""
    return ("Against", *TEST_TITLES) if _names_references(rows) else TEST_TITLES


def _group_lines(rows: Sequence[ComparisonRow]) -> list[str]:
    """The lines of one table; the first line of a group has its name and size."""
    names = {row.variant: system_name(row.model, row.variant) for row in rows}
    lines = []
    for group in dict.fromkeys(row.group for row in rows):
        part = [row for row in rows if row.group == group]
        for place, metrics in enumerate(_by_variant(part)):
            named = ["", ""] if place else [str(group), f"{part[0].users:,}"]
            lines.append(line([*named, *_cells(metrics, names, _names_references(rows))]))
    return lines


def _by_variant(rows: Sequence[ComparisonRow]) -> list[list[ComparisonRow]]:
    """The rows of one table by variant: each variant's metrics, the main one first."""
    return [[row for row in rows if row.variant == name] for name in dict.fromkeys(row.variant for row in rows)]


def _cells(metrics: Sequence[ComparisonRow], names: Mapping[str, str], against: bool) -> list[str]:
    """A variant's cells: name, means, difference of the main metric with its reference and p-values, run."""
    main = metrics[0]
    difference = ""
    if main.difference is not None:
        difference = f"{main.difference:+.4f} [{main.difference_low:+.4f}, {main.difference_high:+.4f}]"
    tests = [difference, p_value(main.p_bootstrap_holm), p_value(main.p_holm), code(main.run)]
    reference = [names[main.against] if main.against else ""] if against else []
    return [names[main.variant], *map(_mean, metrics), *reference, *tests]


def _mean(row: ComparisonRow) -> str:
    return decimals(row.mean) + (f" ± {decimals(row.std)}" if row.std is not None else "")

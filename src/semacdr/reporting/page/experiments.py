"""The page's section on experiments: tables and charts of the results of stages compare and cold_start."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from markupsafe import Markup

from semacdr.evaluation.lead import RunKey
from semacdr.evaluation.main_metric import CUTOFF, EVENTS
from semacdr.reporting.markdown import decimals, p_value
from semacdr.reporting.names import RANKING_TITLES, column_name, row_name
from semacdr.reporting.page import charts
from semacdr.storage import tsv

NEEDS = ("source", "target", "ranking", "metric", "k", "variant", "mean", "std", "low", "high", "difference",
         "difference_low", "difference_high", "p_bootstrap_holm", "seeds", "users", "release")  # fmt: skip
GROUPINGS = {"user": "training events of the user", "item": "training events of the test item"}
MAIN = ("ndcg", str(CUTOFF))  # metric and k of differences and charts
MAIN_NAME = column_name(("ndcg", CUTOFF))
INTERVAL = ("difference", "difference_low", "difference_high")
Rows = Sequence[Mapping[str, str]]


@dataclass(frozen=True)
class ExperimentLine:
    """A variant's row, as it is shown."""

    group: str
    users: str
    name: str
    run: str
    means: list[str]
    against: str  # what the difference is from, where the table names it
    difference: str
    interval: str
    p: str
    significant: bool  # p below 0.05 after correction


@dataclass(frozen=True)
class ExperimentTable:
    """A table of an experiment: of one direction, grouping and ranking."""

    source: str
    target: str
    ranking: str
    grouping: str
    users: str
    metrics: list[str]
    lines: list[ExperimentLine]
    chart: Markup | None
    chart_label: str


@dataclass(frozen=True)
class Experiment:
    """An experiment: its name, its reference ("" if rows name their own), its seeds, its events, and its tables."""

    name: str
    reference: str
    seeds: str
    events: str
    at_popularity: str  # runs at the level of popularity on validation events
    tables: list[ExperimentTable]


def read_experiment(path: Path, names: Mapping[RunKey, str]) -> Experiment:
    """The experiment of a TSV that compare or cold_start wrote.

    `names`: of the runs of the result table. A variant that is one of them has its name, so that a system has one name
    on the page; any other variant is named after itself.
    """
    rows = _named(tsv.read(path, NEEDS), names)
    keys = dict.fromkeys(_key(row) for row in rows)
    tables = [_table(path.stem, [row for row in rows if _key(row) == key]) for key in keys]
    events = EVENTS[rows[0].get("split") or "test"]
    reference = "" if rows[0].get("against") is not None else rows[0]["name"]
    return Experiment(path.stem, reference, rows[0]["seeds"], events, _at_popularity(rows), tables)


def _named(rows: Rows, names: Mapping[RunKey, str]) -> Rows:
    """The rows with a column name: its run's, or the variant's own where several variants are the same run.

    Column reference: the name of the variant that the row's column against names, if the table has that column.
    """
    found: dict[tuple[str, ...], dict[str, str]] = {}
    for row in rows:
        own = row_name(row)
        runs = [(row["source"], row["target"], run) for run in (row.get("run") or "").split(", ")]
        name = next((names[run] for run in runs if run in names), own)
        found.setdefault((row["source"], row["target"]), {})[row["variant"]] = name
    shared = {
        (*place, name)
        for place, by_variant in found.items()
        for name, n in Counter(by_variant.values()).items()
        if n > 1
    }
    places = [(row["source"], row["target"], found[row["source"], row["target"]][row["variant"]]) for row in rows]
    shown = [row_name(row) if place in shared else place[-1] for row, place in zip(rows, places, strict=True)]
    by_variant = {(row["source"], row["target"], row["variant"]): name for row, name in zip(rows, shown, strict=True)}
    references = [by_variant.get((row["source"], row["target"], row.get("against") or ""), "") for row in rows]
    return [
        dict(row) | {"name": name, "reference": reference}
        for row, name, reference in zip(rows, shown, references, strict=True)
    ]


def _at_popularity(rows: Rows) -> str:
    found = dict.fromkeys(
        f"{row['name']}, {row['source']} → {row['target']}, seeds {row['at_popularity']}"
        for row in rows
        if row.get("at_popularity")
    )
    return "; ".join(found)


def _grouping(row: Mapping[str, str]) -> str:
    return row.get("grouping") or ("users" if row.get("group") else "")


def _key(row: Mapping[str, str]) -> tuple[str, str, str, str]:
    return row["source"], row["target"], row["ranking"], _grouping(row)


def _table(name: str, rows: Rows) -> ExperimentTable:
    source, target, ranking, grouping = _key(rows[0])
    metrics = list(dict.fromkeys((row["metric"], row["k"]) for row in rows))
    lines = []
    for group, variant in dict.fromkeys((row.get("group", ""), row["variant"]) for row in rows):
        part = [row for row in rows if row["variant"] == variant and row.get("group", "") == group]
        lines.append(_line(group, {(row["metric"], row["k"]): row for row in part}))
    what = f"{source} to {target}, {RANKING_TITLES[ranking].lower()}"
    chart, label = _chart(name, rows, grouping, what) if ranking == "full" else (None, "")
    return ExperimentTable(
        source=source,
        target=target,
        ranking=ranking,
        grouping=GROUPINGS.get(grouping, grouping),
        users="" if grouping else f"{int(rows[0]['users']):,}",
        metrics=[column_name((metric, int(k) if k else None)) for metric, k in metrics],
        lines=lines,
        chart=chart,
        chart_label=label,
    )


def _line(group: str, by_metric: Mapping[tuple[str, str], Mapping[str, str]]) -> ExperimentLine:
    row = by_metric[MAIN]
    difference = interval = p = ""
    if row["difference"]:
        difference, low, high = (f"{float(row[name]):+.4f}".replace("-", "\u2212") for name in INTERVAL)
        interval, p = f"[{low}, {high}]", p_value(float(row["p_bootstrap_holm"]))
    return ExperimentLine(
        group=group,
        users=f"{int(row['users']):,}",
        name=row["name"],
        run=row.get("run") or "",
        means=[decimals(float(metric["mean"])) for metric in by_metric.values()],
        against=row["reference"],
        difference=difference,
        interval=interval,
        p=p,
        significant=bool(p) and float(row["p_bootstrap_holm"]) < 0.05,
    )


def _interval(row: Mapping[str, str], columns: tuple[str, str, str]) -> charts.Interval:
    value, low, high = (float(row[column]) for column in columns)
    return value, low, high


def _chart(name: str, rows: Rows, grouping: str, what: str) -> tuple[Markup | None, str]:
    """A chart and its label: the differences of a comparison, or the means by group."""
    rows = [row for row in rows if (row["metric"], row["k"]) == MAIN]
    salt = f"{name}-{grouping}-{what}"
    if not grouping:
        named = any(row["reference"] for row in rows)
        points = [
            (f"{row['name']} − {row['reference']}" if named else row["name"], _interval(row, INTERVAL))
            for row in rows
            if row["difference"]
        ]
        start = "" if named else f" from {rows[0]['name']}"
        label = f"Difference in {MAIN_NAME}{start} with 95 % intervals, {what}"
        return charts.as_svg(charts.forest(points, f"Δ {MAIN_NAME}"), salt, label), label
    groups = list(dict.fromkeys(row["group"] for row in rows))
    if len(groups) < 2:
        return None, ""
    lines = []
    for variant in dict.fromkeys(row["variant"] for row in rows):
        part = [row for row in rows if row["variant"] == variant]
        lines.append((part[0]["name"], [_interval(row, ("mean", "low", "high")) for row in part]))
    title = GROUPINGS.get(grouping, grouping)
    label = f"{MAIN_NAME} by {title} with 95 % intervals, {what}"
    return charts.as_svg(charts.groups(groups, lines, title, MAIN_NAME), salt, label), label

"""The experiments of the page: what stages compare and cold_start wrote, as tables and charts."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from markupsafe import Markup

from semacdr.evaluation.main_metric import EVENTS
from semacdr.reporting.markdown import p_value
from semacdr.reporting.metrics_page import TITLES, label
from semacdr.reporting.page import charts
from semacdr.storage import tsv

NEEDS = ("source", "target", "ranking", "metric", "k", "variant", "mean", "std", "low", "high", "difference",
         "difference_low", "difference_high", "p_bootstrap_holm", "seeds", "users", "release")  # fmt: skip
GROUPINGS = {"user": "training events of the user", "item": "training events of the item to predict"}
MAIN = "ndcg"  # at 10: what differences and charts are of


@dataclass(frozen=True)
class Line:
    """A variant's row, as it is shown."""

    group: str
    users: str
    variant: str
    means: list[str]
    difference: str
    interval: str
    p: str
    clear: bool  # p below 0.05 after correction


@dataclass(frozen=True)
class Part:
    """A table of an experiment: of one direction, grouping and ranking."""

    source: str
    target: str
    ranking: str
    grouping: str
    users: str
    metrics: list[str]
    lines: list[Line]
    chart: Markup | None
    chart_label: str


@dataclass(frozen=True)
class Experiment:
    """An experiment: its name, its first variant, its seeds, which events it is of, and its tables."""

    name: str
    first: str
    seeds: str
    events: str
    parts: list[Part]


def experiment(path: Path) -> Experiment:
    """The experiment of a TSV that compare or cold_start wrote."""
    rows = tsv.read(path, NEEDS)
    keys = dict.fromkeys((row["source"], row["target"], row["ranking"], _grouping(row)) for row in rows)
    parts = [_part(path.stem, [row for row in rows if _key(row) == key]) for key in keys]
    events = EVENTS[rows[0].get("split") or "test"]
    return Experiment(path.stem, rows[0]["variant"], rows[0]["seeds"], events, parts)


def _grouping(row: dict) -> str:
    return row.get("grouping") or ("users" if row.get("group") else "")


def _key(row: dict) -> tuple[str, str, str, str]:
    return row["source"], row["target"], row["ranking"], _grouping(row)


def _part(name: str, rows: Sequence[dict]) -> Part:
    source, target, ranking, grouping = _key(rows[0])
    metrics = list(dict.fromkeys((row["metric"], row["k"]) for row in rows))
    lines = []
    for group, variant in dict.fromkeys((row.get("group", ""), row["variant"]) for row in rows):
        own = {
            (row["metric"], row["k"]): row
            for row in rows
            if row["variant"] == variant and row.get("group", "") == group
        }
        lines.append(_line(group, variant, own, metrics))
    what = f"{source} to {target}, {TITLES[ranking].lower()}"
    chart, words = _chart(name, rows, grouping, what) if ranking == "full" else (None, "")
    titles = [label((metric, int(k) if k else None)) for metric, k in metrics]
    users = "" if grouping else f"{int(rows[0]['users']):,}"
    return Part(source, target, ranking, GROUPINGS.get(grouping, grouping), users, titles, lines, chart, words)


def _line(group: str, variant: str, own: dict, metrics: Sequence[tuple[str, str]]) -> Line:
    row = next(row for (metric, _), row in own.items() if metric == MAIN)
    means = [f"{float(own[key]['mean']):.4f}" for key in metrics]
    shown = (group, f"{int(row['users']):,}", variant, means)
    if not row["difference"]:
        return Line(*shown, "", "", "", False)
    p = float(row["p_bootstrap_holm"])
    difference, low, high = (
        f"{float(row[name]):+.4f}".replace("-", "\u2212")
        for name in ("difference", "difference_low", "difference_high")
    )
    return Line(*shown, difference, f"[{low}, {high}]", p_value(p), p < 0.05)


def _chart(name: str, rows: Sequence[dict], grouping: str, what: str) -> tuple[Markup | None, str]:
    """Of a comparison the differences; of groups the means by group."""
    rows = [row for row in rows if row["metric"] == MAIN]
    salt = f"{name}-{grouping}-{what}"
    if not grouping:
        apart = [row for row in rows if row["difference"]]
        points = [
            (
                row["variant"].replace("_", " "),
                *(float(row[c]) for c in ("difference", "difference_low", "difference_high")),
            )
            for row in apart
        ]
        words = f"Difference of NDCG@10 to {rows[0]['variant']} with 95 % intervals, {what}"
        return charts.as_svg(charts.forest(points, "Δ NDCG@10"), salt, words), words
    names = list(dict.fromkeys(row["group"] for row in rows))
    if len(names) < 2:
        return None, ""
    lines = {
        variant.replace("_", " "): [
            tuple(float(row[c]) for c in ("mean", "low", "high")) for row in rows if row["variant"] == variant
        ]
        for variant in dict.fromkeys(row["variant"] for row in rows)
    }
    words = f"NDCG@10 by {GROUPINGS.get(grouping, grouping)} with 95 % intervals, {what}"
    return charts.as_svg(charts.groups(names, lines, GROUPINGS.get(grouping, grouping), "NDCG@10"), salt, words), words

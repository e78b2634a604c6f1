"""The result table of the page: a scenario's metrics, full and sampled, with the paper's numbers beside them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from semacdr.reporting.metrics_page import PAPER_COLUMNS, TITLES, Column, PaperRows, impossible, name, printed_of, shown
from semacdr.storage import tsv

COLUMNS = ("source", "target", "model", "variant", "ranking", "metric", "k", "mean", "std", "seeds", "users", "release")
SHORT = {"full": (("hr", 10), ("ndcg", 10), ("mrr", None)), "sampled": (("hr", 10), ("ndcg", 10))}
MAIN: Column = ("ndcg", 10)  # in full ranking: what the bars show


@dataclass(frozen=True)
class Cell:
    """A number of the table, as it is shown."""

    mean: str
    std: str | None
    best: bool  # of its column
    share: float  # of the column's largest


@dataclass(frozen=True)
class System:
    """A row: a system's cells by ranking and column; the paper's by column, where it prints them."""

    name: str
    seeds: str
    cells: dict[tuple[str, Column], Cell]
    paper: dict[Column, str] | None
    impossible: bool  # the paper's row, by arithmetic


@dataclass(frozen=True)
class Direction:
    """A table: of a direction, and of a group of its users where some are cold."""

    source: str
    target: str
    group: str
    users: int
    columns: dict[str, list[Column]]  # of each ranking
    systems: list[System]
    printed: list[System]  # all that the paper prints of this direction


def directions(metrics: Path, paper: PaperRows) -> list[Direction]:
    """The tables of metrics.tsv, in its order."""
    rows = tsv.read(metrics, COLUMNS)
    keys = dict.fromkeys((row["source"], row["target"], row.get("group", "")) for row in rows)
    return [
        _direction([row for row in rows if (row["source"], row["target"], row.get("group", "")) == key], paper)
        for key in keys
    ]


def _direction(rows: Sequence[dict], paper: PaperRows) -> Direction:
    source, target = rows[0]["source"], rows[0]["target"]
    columns = {
        ranking: list(dict.fromkeys(_column(row) for row in rows if row["ranking"] == ranking)) for ranking in TITLES
    }
    printed = printed_of(paper, source, target)
    known = dict.fromkeys((row["model"], row["variant"]) for row in rows)
    largest = {
        key: max(float(row["mean"]) for row in rows if (row["ranking"], _column(row)) == key)
        for key in {(row["ranking"], _column(row)) for row in rows}
    }
    systems = []
    for model, variant in known:
        own = [row for row in rows if (row["model"], row["variant"]) == (model, variant)]
        cells = {(row["ranking"], _column(row)): _cell(row, largest) for row in own}
        theirs = None if rows[0].get("group") else printed.get((model, variant))
        systems.append(System(name(model, variant), own[0]["seeds"], cells, *_paper(theirs)))
    all_printed = [System(name(*system), "5", {}, *_paper(cells)) for system, cells in printed.items()]
    return Direction(source, target, rows[0].get("group", ""), int(rows[0]["users"]), columns, systems, all_printed)


def _column(row: Mapping[str, str]) -> Column:
    return row["metric"], int(row["k"]) if row["k"] else None


def _cell(row: Mapping[str, str], largest: Mapping) -> Cell:
    mean, most = float(row["mean"]), largest[row["ranking"], _column(row)]
    best = shown(mean) == shown(most)
    return Cell(shown(mean), shown(float(row["std"])) if row["std"] else None, best, mean / most if most else 0.0)


def _paper(cells: Mapping[Column, float] | None) -> tuple[dict[Column, str] | None, bool]:
    if cells is None:
        return None, False
    return {column: shown(cells[column]) for column in PAPER_COLUMNS}, impossible(cells)


def short(direction: Direction, ranking: str) -> list[Column]:
    """The columns that the first table shows of a ranking: those of SHORT, or the first ones where there is none."""
    there = direction.columns[ranking]
    return [column for column in SHORT[ranking] if column in there] or there[:3]

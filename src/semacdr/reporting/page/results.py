"""The result tables of the page: a scenario's metrics, full and sampled, and the paper's numbers."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from semacdr.evaluation.lead import RunKey
from semacdr.evaluation.summary import System
from semacdr.reporting.markdown import decimals
from semacdr.reporting.names import RANKING_TITLES, Column, shown_k, system_name
from semacdr.reporting.paper import PAPER_COLUMNS, PAPER_SEEDS, PaperRows, PrintedRow, impossible, paper_of
from semacdr.storage import tsv

COLUMNS = (
    "source", "target", "model", "variant", "ranking", "metric", "k", "mean", "std", "seeds", "users", "release", "run",
    "low", "high",
)  # fmt: skip
ENDS = ("low", "high")  # of the interval


@dataclass(frozen=True)
class Cell:
    """A number of the table, as it is shown."""

    mean: str
    spread: str  # ± the standard deviation over seeds; of one seed, the interval over users
    best: bool  # of its column
    share: float  # of the column's largest value


@dataclass(frozen=True)
class SystemRow:
    """A system's row: its cells by ranking and column; the paper's by column, where it prints them."""

    name: str
    seeds: str
    run: str
    cells: dict[tuple[str, Column], Cell]
    paper: dict[Column, str] | None
    impossible: bool  # whether no ranks give the paper's numbers


@dataclass(frozen=True)
class ResultTable:
    """The table of a direction, and of a group of its users where some are cold."""

    source: str
    target: str
    group: str
    users: int
    columns: dict[str, list[Column]]  # of each ranking
    systems: list[SystemRow]
    printed: list[SystemRow]  # all that the paper prints of this direction


def result_tables(metrics: Path, paper: PaperRows) -> list[ResultTable]:
    """The tables of metrics.tsv, in its order."""
    rows = tsv.read(metrics, COLUMNS)
    keys = dict.fromkeys(_key(row) for row in rows)
    return [_table([row for row in rows if _key(row) == key], paper) for key in keys]


def names_by_run(metrics: Path) -> dict[RunKey, str]:
    """The display name of each run of metrics.tsv; of a run with several rows, all their names."""
    names: dict[RunKey, dict[str, None]] = {}
    for row in tsv.read(metrics, COLUMNS):
        for run in row["run"].split(", "):
            name = system_name(row["model"], row["variant"])
            names.setdefault((row["source"], row["target"], run), {})[name] = None
    return {run: " and ".join(found) for run, found in names.items()}


def _key(row: Mapping[str, str]) -> tuple[str, str, str]:
    return row["source"], row["target"], row.get("group", "")


def _table(rows: Sequence[dict[str, str]], paper: PaperRows) -> ResultTable:
    source, target, group = _key(rows[0])
    columns = {
        ranking: list(dict.fromkeys(_column(row) for row in rows if row["ranking"] == ranking))
        for ranking in RANKING_TITLES
    }
    printed = {} if group else paper_of(paper, source, target, rows[0]["release"])  # the paper has no cold users
    largest = {
        key: max(float(row["mean"]) for row in rows if (row["ranking"], _column(row)) == key)
        for key in {(row["ranking"], _column(row)) for row in rows}
    }
    systems = []
    for system in dict.fromkeys((row["model"], row["variant"]) for row in rows):
        part = [row for row in rows if (row["model"], row["variant"]) == system]
        cells = {(row["ranking"], _column(row)): _cell(row, largest) for row in part}
        systems.append(_row(system, part[0]["seeds"], part[0]["run"], cells, printed.get(system)))
    return ResultTable(
        source=source,
        target=target,
        group=group,
        users=int(rows[0]["users"]),
        columns=columns,
        systems=systems,
        printed=[_row(system, str(PAPER_SEEDS), "", {}, row) for system, row in printed.items()],
    )


def _row(
    system: System, seeds: str, run: str, cells: dict[tuple[str, Column], Cell], printed: PrintedRow | None
) -> SystemRow:
    paper = None if printed is None else {column: decimals(printed[column]) for column in PAPER_COLUMNS}
    return SystemRow(system_name(*system), seeds, run, cells, paper, printed is not None and impossible(printed))


def _column(row: Mapping[str, str]) -> Column:
    return row["metric"], int(row["k"]) if row["k"] else None


def _cell(row: Mapping[str, str], largest: Mapping[tuple[str, Column], float]) -> Cell:
    mean, most = float(row["mean"]), largest[row["ranking"], _column(row)]
    spread = f"±{decimals(float(row['std']))}" if row["std"] else "\u2013".join(decimals(float(row[e])) for e in ENDS)
    return Cell(decimals(mean), spread, decimals(mean) == decimals(most), mean / most if most else 0.0)


def main_column(table: ResultTable) -> Column:
    """The column of full ranking whose values are drawn as bars."""
    return "ndcg", shown_k(table.columns["full"])


def first_columns(table: ResultTable, ranking: str) -> list[Column]:
    """The columns of a ranking that the first table shows: HR and NDCG at one cut-off, and MRR of full ranking."""
    columns = table.columns[ranking]
    wanted = [(metric, shown_k(columns)) for metric in ("hr", "ndcg")] + [("mrr", None)] * (ranking == "full")
    return [column for column in wanted if column in columns]

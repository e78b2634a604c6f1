"""The results as a Markdown page to read, with the numbers that the paper prints beside ours for real data."""

from collections.abc import Mapping, Sequence

from semacdr.evaluation import costs
from semacdr.evaluation.bounds import broken_bound
from semacdr.evaluation.costs import Cost
from semacdr.evaluation.groups import COLD_NOTE
from semacdr.evaluation.summary import METRICS, Row
from semacdr.reporting.markdown import header, line
from semacdr.storage.tables import SAMPLE_NOTE

System = tuple[str, str]  # model, variant
Column = tuple[str, int | None]  # metric, cut-off
Costs = Mapping[tuple[str, str, str, str], Cost]  # by source, target, model, variant
PaperRows = Mapping[tuple[str, str, str, str], Mapping[Column, float]]  # by source, target, model, variant

NAMES = {
    "sasrec": "SASRec",
    "cl4srec": "CL4SRec",
    "pinet": "π-Net",
    "c2dsr": "C2DSR",
    "mgcl": "MGCL",
    "cd_sasrec": "CD-SASRec",
    "tri_cdr": "Tri-CDR",
    "tjapl": "TJAPL",
    "semacdr": "SemaCDR",
}
TITLES = {"full": "Full ranking", "sampled": "Sampled (100 negatives)"}
PAPER_COLUMNS: tuple[Column, ...] = (("hr", 5), ("hr", 10), ("ndcg", 5), ("ndcg", 10))
PAPER_ROUNDING = 0.5e-4  # the paper prints four decimals

PROTOCOL = (
    "Protocol: leave-one-out, the test event of every user; full = the whole target catalogue without the user's "
    "earlier items; sampled = the test item among 100 stored negatives, the same for every system and seed; "
    "rank = 1 + #above + half the ties. Mean ± sample standard deviation over seeds (one seed has none); "
    "the best mean of a column is bold."
)
REFERENCE = (
    "The paper's numbers (SemaCDR, arXiv 2604.09551, tables 1 and 2) are a reference and not a target: its users, "
    "items and candidates differ from ours, by another filtering and sample."
)
DAGGER = "† Impossible as printed: no ranks give this HR and NDCG together, even with the rounding of four decimals."
REAL_ONLY = "The paper's numbers are shown for real data only."


def page(rows: Sequence[Row], scenario: str, files: int, paper: PaperRows, costs_of: Costs) -> str:
    """The whole page: where the numbers come from, then a section per direction and group with a table per ranking.

    Behind a direction's sections stands what its systems cost, where that is given.
    """
    release = rows[0].release
    lines = [f"# Results: {scenario}", "", f"Data: release `{release}`, ranks of {files} runs.", ""]
    if release == "sample":
        lines += [f"**{SAMPLE_NOTE}**", ""]
    lines += [PROTOCOL, ""] + ([COLD_NOTE, ""] if rows[0].group else [])
    for direction in dict.fromkeys((row.source, row.target) for row in rows):
        here = [row for row in rows if (row.source, row.target) == direction]
        for group in dict.fromkeys(row.group for row in here):
            lines += _section([row for row in here if row.group == group], paper)
        lines += _cost_part(here, costs_of) if costs_of else []
    return "\n".join(lines)


def _cost_part(rows: Sequence[Row], costs_of: Costs) -> list[str]:
    """What training the systems of a direction took."""
    first, systems = rows[0], dict.fromkeys((row.model, row.variant) for row in rows)
    own = {system: costs_of[first.source, first.target, *system] for system in systems}
    lines = [f"## {first.source} → {first.target}: cost", "", costs.told(list(own.values())), ""]
    lines += header(["System", *costs.TITLES])
    return [*lines, *(line([name(*system), *costs.cells(cost)]) for system, cost in own.items()), ""]


def _section(rows: Sequence[Row], paper: PaperRows) -> list[str]:
    first = rows[0]
    who = f"{first.group} users" if first.group else "users"
    lines = [f"## {first.source} → {first.target} ({who}: {first.users})", ""]
    for ranking, title in TITLES.items():
        part = [row for row in rows if row.ranking == ranking]
        lines += [f"### {title}", "", *_table(part), ""]
    printed = printed_of(paper, first.source, first.target)
    if first.group:  # the paper hides nothing
        return lines
    if printed and first.release == "sample":
        return [*lines, REAL_ONLY, ""]
    return lines + _paper_part(part, printed)


def _table(rows: Sequence[Row]) -> list[str]:
    cells = _cells(rows)
    columns = list(dict.fromkeys((row.metric, row.k) for row in rows))
    best = {column: max(shown(row.mean) for row in rows if (row.metric, row.k) == column) for column in columns}
    lines = header(["System", *map(label, columns), "Seeds"])
    for system, row_of in cells.items():
        numbers = [_number(row_of[column], best[column]) for column in columns]
        lines.append(line([name(*system), *numbers, str(row_of[columns[0]].seeds)]))
    return lines


def _number(row: Row, best: str) -> str:
    mean = shown(row.mean)
    mean = f"**{mean}**" if mean == best else mean
    return mean if row.std is None else f"{mean} ± {shown(row.std)}"


def printed_of(paper: PaperRows, source: str, target: str) -> dict[System, Mapping[Column, float]]:
    """What the paper prints of a direction."""
    return {key[2:]: cells for key, cells in paper.items() if key[:2] == (source, target)}


def _paper_part(rows: Sequence[Row], printed: Mapping[System, Mapping[Column, float]]) -> list[str]:
    """Our sampled means beside the paper's, for the systems and cut-offs that both have."""
    cells = {system: row_of for system, row_of in _cells(rows).items() if system in printed}
    columns = [column for column in PAPER_COLUMNS if any((row.metric, row.k) == column for row in rows)]
    if not cells or not columns:
        return []
    lines = ["#### Beside the paper", "", REFERENCE, ""]
    lines += header(["System", *(f"{label(column)} {who}" for column in columns for who in ("ours", "paper"))])
    marked = {system for system in cells if impossible(printed[system])}
    for system, row_of in cells.items():
        pairs = [shown(number) for column in columns for number in (row_of[column].mean, printed[system][column])]
        lines.append(line([name(*system) + (" †" if system in marked else ""), *pairs]))
    return [*lines, "", *([DAGGER, ""] if marked else [])]


def impossible(cells: Mapping[Column, float]) -> bool:
    """Whether a row of four-decimal HR and NDCG breaks the bounds of arithmetic, whatever the ranks behind it."""
    hr, ndcg = ({k: cell for (metric, k), cell in cells.items() if metric == wanted} for wanted in METRICS[:2])
    return broken_bound(hr, ndcg, rounding=PAPER_ROUNDING) is not None


def name(model: str, variant: str) -> str:
    """How a system is shown: its name, and the variant in brackets unless it is the full system."""
    return NAMES.get(model, model) + ("" if variant == "full" else f" ({variant})")


def label(column: Column) -> str:
    """A column's title: HR@10, MRR."""
    metric, k = column
    return metric.upper() if k is None else f"{metric.upper()}@{k}"


def shown(number: float) -> str:
    """Four decimals, as the paper prints."""
    return f"{number:.4f}"


def _cells(rows: Sequence[Row]) -> dict[System, dict[Column, Row]]:
    cells: dict[System, dict[Column, Row]] = {}
    for row in rows:
        cells.setdefault((row.model, row.variant), {})[row.metric, row.k] = row
    return cells

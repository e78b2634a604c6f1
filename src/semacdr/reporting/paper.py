"""The numbers that the paper prints (SemaCDR, arXiv 2604.09551, tables 1 and 2), for comparison with results."""

from collections.abc import Mapping
from pathlib import Path

from semacdr.errors import UserError
from semacdr.evaluation.bounds import broken_bound
from semacdr.evaluation.summary import System
from semacdr.reporting.names import Column, column_name
from semacdr.storage import tsv

PrintedRow = Mapping[Column, float]
PaperRows = Mapping[tuple[str, str, str, str], PrintedRow]  # by source, target, model, variant

PAPER_COLUMNS: tuple[Column, ...] = (("hr", 5), ("hr", 10), ("ndcg", 5), ("ndcg", 10))
PAPER_ROUNDING = 0.5e-4  # the paper prints four decimals
PAPER_NEGATIVES = 100
PAPER_SEEDS = 5

REFERENCE = (
    "The paper's numbers (SemaCDR, arXiv 2604.09551, tables 1 and 2) are a reference, not a target: the paper filtered "
    f"and sampled its data differently, so its users and items differ. It ranks among {PAPER_NEGATIVES} negatives, "
    "and its systems may train with other losses: experiment `published` has their published ones."
)
DAGGER = "† Impossible as printed: no ranks give this HR and NDCG together, even allowing for rounding."
REAL_ONLY = "The paper's numbers are shown for real data only."


def read_paper(path: Path) -> PaperRows:
    """The paper's numbers by direction, model and variant; a UserError names a file or a line that cannot be read."""
    columns = {column_name(column).lower(): column for column in PAPER_COLUMNS}
    lines = tsv.read(path, ("source", "target", "model", "variant", *columns))
    try:
        return {
            (line["source"], line["target"], line["model"], line["variant"]): {
                column: float(line[title]) for title, column in columns.items()
            }
            for line in lines
        }
    except (TypeError, ValueError) as error:
        raise UserError(f"{path}: cannot be read as the paper's table: {error}") from error


def paper_of(paper: PaperRows, source: str, target: str, release: str) -> dict[System, PrintedRow]:
    """The paper's numbers of a direction by system; none for the embedded sample, whose data are simulated."""
    if release == "sample":
        return {}
    return {(model, variant): row for (*pair, model, variant), row in paper.items() if pair == [source, target]}


def impossible(row: PrintedRow) -> bool:
    """Whether a row of HR and NDCG breaks the bounds of arithmetic, even allowing for rounding."""
    hr, ndcg = (
        {k: cell for (metric, k), cell in row.items() if metric == wanted and k is not None}
        for wanted in ("hr", "ndcg")
    )
    return broken_bound(hr, ndcg, rounding=PAPER_ROUNDING) is not None

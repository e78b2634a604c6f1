"""The page's section of figures: those that other stages drew, each with its table."""

import base64
from dataclasses import dataclass
from pathlib import Path

from semacdr.errors import UserError
from semacdr.evaluation.main_metric import CUTOFF
from semacdr.reporting.names import column_name
from semacdr.storage import tsv

MAIN_NAME = column_name(("ndcg", CUTOFF))

ABOUT = {  # by name: title, what the figure shows, how to read it
    "domain_mixing": (
        "Do the items of both domains mix?",
        "t-SNE of the item vectors of both domains, a panel per variant and space",
        "t-SNE preserves neighbours, not distances. The table gives the fraction of each item's nearest neighbours "
        "that are of the other domain, and its expectation by chance.",
    ),
    "efficiency": (
        "What does training cost?",
        f"{MAIN_NAME} of full ranking against the seconds until the best epoch; each system has a number",
        "The dashed line joins the systems that no other beats in both. Seconds are wall time; on a busy machine they "
        "mean little.",
    ),
    "sensitivity": (
        "How sensitive is the system to its settings?",
        f"{MAIN_NAME} over the values of each setting, in full and in sampled ranking",
        "The panels of a row share one scale: a steep line is a setting that matters. Whether two values differ on the "
        "same users is a question for the paired tests in the table.",
    ),
    "taste_similarity": (
        "Do users have the same tastes in both domains?",
        "Histograms of one user's events over the shared categories in both domains, and that user among all users",
        "Similarity is high for any two users, since tastes have much in common. What counts is the difference between "
        "own pairs and random pairs.",
    ),
}
PNG = b"\x89PNG\r\n\x1a\n"


@dataclass(frozen=True)
class PageFigure:
    """A picture as a data URI, and its table."""

    name: str
    title: str
    shows: str
    how: str
    uri: str
    columns: list[str]
    rows: list[list[str]]


def read_figure(path: Path) -> PageFigure:
    """The figure of a PNG and of the TSV of the same name; a UserError where one cannot be read."""
    try:
        picture = path.read_bytes()
    except OSError as error:
        raise UserError(f"{path}: cannot be read: {error.strerror}") from error
    if not picture.startswith(PNG):
        raise UserError(f"{path}: is not a PNG; run the stage of the figure again")
    curves = (f"Sensitivity: {path.stem}", f"Curves of {path.stem}: metrics over the values of a setting", "")
    title, shows, how = ABOUT.get(path.stem, curves)
    rows = tsv.read(path.with_suffix(".tsv"))
    columns = [column for column in (rows[0] if rows else {}) if column != "release"]
    cells = [[_shown(row[column]) for column in columns] for row in rows]
    uri = f"data:image/png;base64,{base64.b64encode(picture).decode()}"
    return PageFigure(path.stem, title, shows, how, uri, columns, cells)


def _shown(cell: str) -> str:
    """A cell; long numbers are rounded to four decimals."""
    head, point, digits = cell.partition(".")
    return (
        f"{float(cell):.4f}" if point and len(digits) > 4 and head.lstrip("-").isdigit() and digits.isdigit() else cell
    )

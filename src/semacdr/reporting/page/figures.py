"""Pictures that other stages drew, inside the page, with the numbers that stand beside each."""

import base64
from dataclasses import dataclass
from pathlib import Path

from semacdr.errors import UserError
from semacdr.storage import tsv

ABOUT = {  # by name: title, what the picture shows, how to read it
    "overlap": (
        "Do the items of both domains mix?",
        "t-SNE of the item vectors of both domains, a panel for each variant and space",
        "The picture keeps neighbours, not distances. The numbers beside it: of each item's nearest neighbours the "
        "share that is of the other domain, beside what chance would give.",
    ),
    "efficiency": (
        "What does it cost?",
        "NDCG@10 of full ranking against the seconds until the best epoch, each system a number",
        "The dashed line joins systems that none beats in both. Seconds are wall time: they say little of a machine "
        "that was busy.",
    ),
    "sensitivity": (
        "How much does the system hang on its settings?",
        "NDCG@10 over the values of each setting, in full and in sampled ranking",
        "The panels of a row have one scale: a steep line is a setting that matters. Whether two values differ on the "
        "same users, the paired tests in the table say.",
    ),
    "profiles": (
        "Do people want the same in both domains?",
        "Histograms of one user's events over the shared categories in both domains, and where the user stands",
        "Similarity is high for any two people, as all tastes are alike in part. What counts is how far own pairs are "
        "above random pairs.",
    ),
}
PNG = b"\x89PNG\r\n\x1a\n"


@dataclass(frozen=True)
class Figure:
    """A picture as a data URI, and its table."""

    name: str
    title: str
    shows: str
    how: str
    uri: str
    columns: list[str]
    rows: list[list[str]]


def figure(path: Path) -> Figure:
    """The figure of a PNG and the TSV beside it."""
    try:
        picture = path.read_bytes()
    except OSError as error:
        raise UserError(f"{path}: cannot be read: {error.strerror}") from error
    if not picture.startswith(PNG):
        raise UserError(f"{path}: is no PNG; make the figure anew")
    curves = (f"Sensitivity: {path.stem}", f"Curves of {path.stem}: metrics over the values of a setting", "")
    title, shows, how = ABOUT.get(path.stem, curves)
    rows = tsv.read(path.with_suffix(".tsv"))
    columns = [column for column in (rows[0] if rows else {}) if column != "release"]
    cells = [[_shown(row[column]) for column in columns] for row in rows]
    uri = f"data:image/png;base64,{base64.b64encode(picture).decode()}"
    return Figure(path.stem, title, shows, how, uri, columns, cells)


def _shown(cell: str) -> str:
    """A cell; of a number with many digits the first four after the point."""
    head, point, digits = cell.partition(".")
    return (
        f"{float(cell):.4f}" if point and len(digits) > 4 and head.lstrip("-").isdigit() and digits.isdigit() else cell
    )

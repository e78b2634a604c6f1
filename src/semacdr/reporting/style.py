"""The style of all figures: font size, colours for colour-blind readers, and the title with the release."""

from pathlib import Path

from matplotlib import rc_context
from matplotlib.figure import Figure

from semacdr.storage.tables import SAMPLE_NOTE

COLOURS = ("#0072B2", "#E69F00", "#009E73", "#D55E00", "#CC79A7", "#56B4E9")  # Okabe & Ito 2008; first two: domains
MARKERS = ("o", "s", "^", "D", "v", "P")
STYLE = {
    "font.size": 9,
    "axes.titlesize": 9,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "text.parse_math": False,  # a name may hold $
}
styled = rc_context(STYLE)  # a decorator: the function draws in this style


def figure(width: float, height: float) -> Figure:
    """An empty figure of that size in inches; needs no display."""
    return Figure(figsize=(width, height), layout="constrained")


def title(figure: Figure, text: str, release: str) -> None:
    """Add a title: what the figure shows, and the release of its data."""
    data = SAMPLE_NOTE if release == "sample" else f"data: release {release}"
    figure.suptitle(f"{text}\n{data}", fontsize=10)


@styled
def save(figure: Figure, path: Path) -> None:
    """Write a figure as PNG; the same figure gives the same bytes."""
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, format="png", dpi=150, metadata={"Software": None})

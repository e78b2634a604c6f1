"""Building blocks of the pages: the head of a page, Markdown tables, and how numbers are shown."""

from collections.abc import Sequence

from semacdr.storage.tables import SAMPLE_NOTE

COLD_NOTE = (
    "Cold users: all their target events except the test event are hidden, so they are ranked by their source events "
    "alone. Warm users are all others."
)


def page_head(title: str, release: str) -> list[str]:
    """The first lines of a page: its title, and for the embedded sample a note that the data are simulated."""
    return [f"# {title}", "", *([f"**{SAMPLE_NOTE}**", ""] if release == "sample" else [])]


def header(titles: Sequence[str], words: int = 1) -> list[str]:
    """The two lines that begin a table: the first `words` columns are aligned left, the others, numbers, right."""
    return [line(titles), line(["---"] * words + ["---:"] * (len(titles) - words))]


def line(cells: Sequence[str]) -> str:
    """A row of a table."""
    return f"| {' | '.join(cells)} |"


def code(text: str) -> str:
    """A cell in fixed width; nothing for an empty one."""
    return f"`{text}`" if text else ""


def decimals(number: float) -> str:
    """A number with four decimals, as the paper prints it; rounded from six, which tables have, so that pages agree."""
    return f"{round(number, 6):.4f}"


def p_value(p: float | None) -> str:
    """A p-value with four decimals; nothing where there is none."""
    if p is None:
        return ""
    return "< 0.0001" if p < 1e-4 else f"{p:.4f}"

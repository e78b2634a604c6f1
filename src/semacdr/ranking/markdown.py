"""Lines of Markdown tables, and what stands in their cells."""

from collections.abc import Sequence


def header(titles: Sequence[str], words: int = 1) -> list[str]:
    """The two lines that begin a table: the first `words` columns are aligned left, the others, numbers, right."""
    return [line(titles), line(["---"] * words + ["---:"] * (len(titles) - words))]


def line(cells: Sequence[str]) -> str:
    """A row of a table."""
    return f"| {' | '.join(cells)} |"


def p_value(p: float) -> str:
    """A p-value as it is shown."""
    return "< 0.0001" if p < 1e-4 else f"{p:.4f}"

"""Lines of Markdown tables."""

from collections.abc import Sequence


def header(titles: Sequence[str], words: int = 1) -> list[str]:
    """The two lines that begin a table: the first `words` columns are aligned left, the others, numbers, right."""
    return [line(titles), line(["---"] * words + ["---:"] * (len(titles) - words))]


def line(cells: Sequence[str]) -> str:
    """A row of a table."""
    return f"| {' | '.join(cells)} |"

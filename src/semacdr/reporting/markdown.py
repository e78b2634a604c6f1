"""Lines of Markdown tables, and what stands in their cells."""

import argparse
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


def add_tuning(cli: argparse.ArgumentParser) -> None:
    """The options that say whose settings were chosen by tuning, given where that is true of some alone."""
    cli.add_argument("--tuned", nargs="+", default=[], metavar="NAME", help="whose settings were chosen by tuning, and")
    cli.add_argument("--untuned", nargs="+", default=[], metavar="NAME", help="whose were not: the page then says so")
    cli.add_argument(
        "--tuned-on",
        nargs="+",
        default=[],
        metavar="SETTING=VALUE",
        help="how the data of tuning were filtered, if other",
    )


def unequal(args: argparse.Namespace) -> str:
    """What a page says where some of its systems were tuned and others were not, or on other data."""
    told = {"Unequal budgets": told_unequal(args), "Tuned on other data": told_elsewhere(args)}
    return "".join(f"\n**{what}**: {text}\n" for what, text in told.items() if text)


def told_unequal(args: argparse.Namespace) -> str:
    """The same without a heading, as a sentence."""
    if not args.tuned or not args.untuned:
        return ""
    return (
        f"settings of {', '.join(args.tuned)} were chosen by tuning, those of "
        f"{', '.join(args.untuned)} were not, be it in one direction."
    )


def told_elsewhere(args: argparse.Namespace) -> str:
    """A sentence where tuning chose on data that were filtered otherwise; nothing otherwise."""
    if not args.tuned_on:
        return ""
    return f"what tuning chose was found on data filtered by {', '.join(args.tuned_on)}, which these are not."

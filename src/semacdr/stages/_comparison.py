"""Options of the stages that compare the runs of variants."""

import argparse
from pathlib import Path


def add_variants(cli: argparse.ArgumentParser) -> None:
    """Add the option that names variants and their runs."""
    help = "a variant, and the folders of its runs: all directions and seeds"
    cli.add_argument("--runs", nargs="+", action="append", required=True, metavar=("NAME", "FOLDER"), help=help)


def add_comparison(cli: argparse.ArgumentParser, title: str) -> None:
    """Add the options of a comparison with a page."""
    add_variants(cli)
    cli.add_argument("--title", default=title, help="title of the page")
    cli.add_argument("--output", type=Path, required=True, help="the TSV")
    cli.add_argument("--table", type=Path, required=True, help="the Markdown page")

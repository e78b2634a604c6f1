"""Options of the stages that compare the runs of variants."""

import argparse
from collections.abc import Collection
from pathlib import Path
from typing import Any

from semacdr.errors import UserError
from semacdr.evaluation.comparison import metrics_at
from semacdr.evaluation.main_metric import CUTOFF


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


def add_tests(cli: argparse.ArgumentParser) -> None:
    """Add the options that say what is compared with what, and by which metrics."""
    cli.add_argument(
        "--against", nargs=2, action="append", default=[], metavar=("NAME", "REFERENCE"),
        help="a variant and the one that it is compared with, if that is not the first one",
    )  # fmt: skip
    cli.add_argument(
        "--cutoffs",
        nargs="+",
        type=int,
        default=[CUTOFF],
        help=f"of NDCG and HR, the tested one first; default {CUTOFF}",
    )


def how_compared(args: argparse.Namespace, shown: Collection[str] = ("ndcg", "hr", "mrr")) -> dict[str, Any]:
    """The arguments `metrics` (those named in `shown`) and `against` of evaluation.comparison.compare."""
    twice = sorted({name for name, _ in args.against if [one for one, _ in args.against].count(name) > 1})
    if twice:
        raise UserError(f"--against {twice[0]}: give one reference for each variant")
    if min(args.cutoffs) < 1 or len(set(args.cutoffs)) < len(args.cutoffs):
        raise UserError(f"--cutoffs must be different numbers from 1; they are {', '.join(map(str, args.cutoffs))}")
    metrics = {key: measure for key, measure in metrics_at(args.cutoffs).items() if key[0] in shown}
    return {"metrics": metrics, "against": dict(args.against)}

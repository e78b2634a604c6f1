"""Cold start: compare variants by the number of training events of the user, and of the test item.

Reads   the folders of the runs, --runs NAME FOLDER..., once per variant (seeds, directions): ranks.parquet
        and settings.json of each, and cost.json and history.tsv for runs at the level of popularity. split.parquet
        of each direction (--splits).
Writes  --output, a TSV: a row per direction, group, ranking, metric and variant, with the columns of stage compare.
        grouping user: by the user's training events in the target domain; cold users have none and form group 0.
        grouping item: by all users' training events with the user's test item. Empty groups have no row.
        --table, full ranking as a Markdown page: a table per direction and grouping.

P-values are corrected for the number of variants within a group.
"""

import argparse
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import numpy as np
import numpy.typing as npt
import pyarrow.compute as pc

from semacdr.evaluation.comparison import compare, load_variants
from semacdr.evaluation.groups import Group, Split, by_count, by_split
from semacdr.evaluation.runs import Run
from semacdr.reporting.comparison_page import grouped_page, write_comparison
from semacdr.reporting.split_lines import split_lines
from semacdr.runtime.cli import log, parser, run
from semacdr.runtime.settings import Bounds, Natural, add_flags, from_flags, setting
from semacdr.stages._comparison import add_comparison, add_tests, how_compared

SHOWN = ("ndcg", "hr")  # metrics
TRAINING_EVENTS = (
    "Full ranking of the test events. Training events: target-domain events in the training data. Users without any "
    "are cold: all their target events except the test event are hidden or, with a split by time, came after training."
)

TRAINING_GROUPINGS = ("user", "item")  # columns of split.parquet


@dataclass(frozen=True)
class Settings:
    """How users and test items are grouped: the largest count of training events of each group except the last."""

    user_groups: Annotated[tuple[Natural, ...], Bounds(1)] = setting(
        (2, 5, 10), "largest count of each group of users except the last; there is always a group 0"
    )
    item_groups: Annotated[tuple[Natural, ...], Bounds(1)] = setting(
        (5, 10, 20, 50), "largest count of each group of test items except the last"
    )


def training_counts(run: Run, split: Split) -> dict[str, npt.NDArray[np.int64]]:
    """By grouping, (users,) the training events of each user of a run, and of each user's test item."""
    train, test = pc.equal(split.rows["role"], "train").to_numpy(), split.held_out(run)
    counts = {}
    for grouping in TRAINING_GROUPINGS:
        column = split.rows[grouping].to_numpy()
        counts[grouping] = np.bincount(column[train], minlength=column.max() + 1)[column[test]]
    return counts


def grouped(bounds: Mapping[str, Sequence[int]]) -> Callable[[Run, Split], list[Group]]:
    """A function that groups a run's users by training events, of the user and of the test item, up to bounds."""

    def groups(run: Run, split: Split) -> list[Group]:
        counts = training_counts(run, split)
        return [group for name in TRAINING_GROUPINGS for group in by_count(name, counts[name], bounds[name])]

    return groups


def arguments(argv: Sequence[str] | None) -> argparse.Namespace:
    """The stage's command line."""
    cli = parser(__doc__)
    add_comparison(cli, "Cold start")
    add_tests(cli)
    cli.add_argument("--splits", nargs="+", type=Path, required=True, help="split.parquet of each direction")
    add_flags(cli, Settings)
    return cli.parse_args(argv)


def main(argv: Sequence[str] | None = None) -> None:
    """Run the stage."""
    args = arguments(argv)
    settings = from_flags(args, Settings, "cold_start")
    variants = load_variants(args.runs)
    bounds = {"user": [0, *settings.user_groups], "item": settings.item_groups}
    rows = compare(variants, by_split(args.splits, grouped(bounds)), **how_compared(args, SHOWN))
    write_comparison(
        args.output, args.table, args.runs, rows, grouped_page(rows, args.title, TRAINING_EVENTS, split_lines(variants))
    )
    log.info("%d variants, %d rows: %s", len(variants), len(rows), args.output)


if __name__ == "__main__":
    run(main)

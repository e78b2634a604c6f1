"""Cold start: variants by how much training knows of the user, and of the item that is to be predicted.

Reads   ranks.parquet of each run; --runs names a variant and its runs (seeds, directions) once for each variant.
        split.parquet of each direction (--splits): what training knows.
Writes  --output, a TSV: a row per direction, group, ranking, metric and variant, with the columns of stage compare.
        grouping user: by the user's training events in the target domain; cold users, who have none, are the group 0.
        grouping item: by the training events of the user's test item, of all users. Empty groups have no row.
        --table, the full ranking to read: a table per direction and grouping.

P-values are corrected for the number of variants within a group.
"""

import argparse
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np
import pyarrow.compute as pc

from semacdr.errors import UserError
from semacdr.evaluation import comparison
from semacdr.evaluation.comparison import METRICS, Row
from semacdr.evaluation.groups import Group, by_count
from semacdr.evaluation.runs import Run
from semacdr.reporting.markdown import header, line
from semacdr.runtime.cli import log, parser, run
from semacdr.storage import tables

SHOWN = ("ndcg", "hr")
TITLES = {  # of a grouping: of its tables, and of the column of groups
    "user": ("by the user's training events", "Training events"),
    "item": ("by the training events of the item to predict", "Item's events"),
}
ABOUT = (
    "Full ranking of the test events. Training events are those in the target domain that training knows of; a user "
    "with none is a cold user, of whom all target events but the test event are hidden."
)


def training_counts(path: Path, first: Run) -> dict[str, np.ndarray]:
    """By grouping, (users,) the training events of each user of a run, and of each one's test item."""
    split = tables.read(path, "split")[0]
    train, test = (split.filter(pc.equal(split["role"], role)) for role in ("train", "test"))
    if not np.array_equal(test["user"].to_numpy(), first.users):
        raise UserError(f"{path}: its users are not those of {first.path}; run the rank stage again")
    counts = {}
    for grouping in TITLES:
        known, asked = train[grouping].to_numpy(), test[grouping].to_numpy()
        counts[grouping] = np.bincount(known, minlength=asked.max() + 1)[asked]
    return counts


def grouped(splits: Sequence[Path], bounds: Mapping[str, Sequence[int]]) -> Callable[[Run], list[Group]]:
    """A function of a run: its users in groups by training events, of the user and of the test item, up to bounds."""
    paths = {}
    for path in splits:
        meta = tables.read(path, "split")[1]
        paths[meta.get("source"), meta.get("target")] = path

    def groups(first: Run) -> list[Group]:
        if first.direction not in paths:
            raise UserError(f"--splits lacks the split.parquet of {' to '.join(first.direction)}, which is ranked")
        counts = training_counts(paths[first.direction], first)
        return [group for name in TITLES for group in by_count(name, counts[name], bounds[name])]

    return groups


def page(rows: Sequence[Row], title: str) -> str:
    """A Markdown page: a table per direction and grouping, of the full ranking."""
    lines = [f"# {title}", ""] + ([f"**{tables.SAMPLE_NOTE}**", ""] if rows[0].release == "sample" else [])
    lines += [ABOUT, "", comparison.HOW.format(first=rows[0].variant, where=" within each group"), ""]
    rows = [row for row in rows if row.ranking == "full"]
    for part in dict.fromkeys((row.source, row.target, row.grouping) for row in rows):
        source, target, grouping = part
        how, column = TITLES[grouping]
        lines += [f"## {source} → {target}, {how}", ""]
        lines += header(
            [column, "Users", "Variant", "NDCG@10", "HR@10", "Δ", "p (bootstrap)", "p (signed rank)"], words=3
        )
        lines += _lines([row for row in rows if (row.source, row.target, row.grouping) == part])
        lines.append("")
    return "\n".join([*lines, f"{rows[0].seeds} seed{'s' * (rows[0].seeds > 1)}.", ""])


def _lines(rows: Sequence[Row]) -> list[str]:
    """The lines of one table; a group's name and size stand in its first line."""
    lines = []
    for group in dict.fromkeys(row.group for row in rows):
        here = [row for row in rows if row.group == group]
        for place, of in enumerate(comparison.by_variant(here)):
            named = ["", ""] if place else [group, f"{here[0].users:,}"]
            lines.append(line([*named, *comparison.cells(of, SHOWN)]))
    return lines


def arguments(argv: Sequence[str] | None) -> argparse.Namespace:
    """The stage's command line."""
    cli = parser(__doc__)
    comparison.add_arguments(cli, "Cold start")
    cli.add_argument("--splits", nargs="+", type=Path, required=True, help="split.parquet of each direction")
    help = "the largest count of each group but the last"
    cli.add_argument("--user-groups", nargs="+", type=int, default=[2, 5, 10], metavar="COUNT", help=help)
    cli.add_argument("--item-groups", nargs="+", type=int, default=[5, 10, 20, 50], metavar="COUNT", help=help)
    return cli.parse_args(argv)


def main(argv: Sequence[str] | None = None) -> None:
    """Run the stage."""
    args = arguments(argv)
    variants = comparison.load_variants(args.runs)
    bounds = {"user": [0, *args.user_groups], "item": args.item_groups}
    metrics = {key: measure for key, measure in METRICS.items() if key[0] in SHOWN}
    rows = comparison.compare(variants, grouped(args.splits, bounds), metrics)
    comparison.write(args, rows, page(rows, args.title))
    log.info("%d variants, %d rows: %s", len(variants), len(rows), args.output)


if __name__ == "__main__":
    run(main)

"""Summarise the ranks of all runs of a scenario: HR, NDCG and MRR, mean and deviation over seeds.

Reads   ranks.parquet of each run (--ranks): the rows of split 'test'; release, scenario, source, target, model,
        variant and seed come from the file's metadata. Optionally the paper's table (--paper).
Writes  metrics.tsv (--output): a row per direction, system, ranking, metric and cut-off. Where users are cold, these
        and the warm ones have rows of their own, by a column group.
        metrics.md (--table): the same to read, with costs, and the paper's numbers beside ours for real data.

All runs of a direction must rank the same users, and no run may be given twice.
"""

import argparse
from collections.abc import Sequence
from pathlib import Path

from semacdr.errors import UserError
from semacdr.evaluation import costs
from semacdr.evaluation.runs import check_together, load
from semacdr.evaluation.summary import summarise
from semacdr.reporting.markdown import add_tuning, unequal
from semacdr.reporting.metrics_page import PAPER_COLUMNS, Costs, PaperRows, label, page
from semacdr.runtime.cli import log, parser, run
from semacdr.storage import tsv


def main(argv: Sequence[str] | None = None) -> None:
    """Read the runs, check that they can be compared, write both tables."""
    options = _options(argv)
    runs = [load(path) for path in options.ranks]
    check_together(runs)
    paper = read_paper(options.paper) if options.paper else {}
    spent = read_costs(options.costs, options.ranks) if options.costs else {}
    rows = summarise(runs, sorted(set(options.ks)))
    tsv.write(options.output, tsv.text(rows, ".6f", optional=("group",)))
    tsv.write(options.table, page(rows, runs[0].scenario, len(runs), paper, spent) + unequal(options))
    log.info("%d runs, %d rows: %s and %s", len(runs), len(rows), options.output, options.table)


def _options(argv: Sequence[str] | None) -> argparse.Namespace:
    arguments = parser(__doc__)
    arguments.add_argument("--ranks", type=Path, nargs="+", required=True, help="ranks.parquet of each run")
    arguments.add_argument("--output", type=Path, required=True, help="metrics.tsv to write")
    arguments.add_argument("--table", type=Path, required=True, help="metrics.md to write")
    arguments.add_argument("--paper", type=Path, help="the numbers that the paper prints (TSV)")
    arguments.add_argument("--costs", type=Path, nargs="+", help="cost.json of each run, in the folders of its ranks")
    arguments.add_argument("--ks", type=_cutoff, nargs="+", default=[5, 10, 20], help="cut-offs of HR and NDCG")
    add_tuning(arguments)
    return arguments.parse_args(argv)


def _cutoff(text: str) -> int:
    k = int(text)
    if k < 1:
        raise argparse.ArgumentTypeError(f"a cut-off must be at least 1, not {k}")
    return k


def read_costs(paths: Sequence[Path], ranks: Sequence[Path]) -> Costs:
    """What the runs took; a UserError where they are not those of the ranks."""
    folders, ranked = {path.parent for path in paths}, {path.parent for path in ranks}
    for path in sorted(folders ^ ranked):
        raise UserError(
            f"{path}: has {'costs and no ranks' if path in folders else 'ranks and no costs'} among those given"
        )
    spent: dict[tuple[str, str, str, str], list[dict]] = {}
    for path in ranks:
        settings, cost = costs.read(path.parent)
        spent.setdefault(tuple(settings[name] for name in ("source", "target", "model", "variant")), []).append(cost)
    return {system: costs.summarise(own) for system, own in spent.items()}


def read_paper(path: Path) -> PaperRows:
    """The paper's numbers by direction, model and variant; a UserError names a file or a line that cannot be read."""
    columns = {label(column).lower(): column for column in PAPER_COLUMNS}
    lines = tsv.read(path, ("source", "target", "model", "variant", *columns))
    try:
        return {
            (line["source"], line["target"], line["model"], line["variant"]): {
                column: float(line[title]) for title, column in columns.items()
            }
            for line in lines
        }
    except (TypeError, ValueError) as error:
        raise UserError(f"{path}: cannot be read as the paper's table: {error}") from error


if __name__ == "__main__":
    run(main)

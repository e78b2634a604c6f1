"""Recommend the best items of the target catalogue to each user at the test event.

Reads   what train read, and the folder that train wrote.
Writes  recommendations.parquet: user, place (1 is the best), item, score. As in full ranking, the user's earlier items
        are left out and the item of the test event is not. So its place equals its rank in ranks.parquet, except
        that of tied items the one with the smaller number comes first, and that a test event that repeats an earlier
        item is not listed: among the items left out, it alone would be in the list.
"""

import argparse
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa

from semacdr.runtime.cli import log, parser, run
from semacdr.runtime.settings import Count, add_flags, from_flags, setting
from semacdr.serving.queries import of_users
from semacdr.serving.scoring import Scorer
from semacdr.stages._direction import ScoringOptions, add_run, trained_of
from semacdr.storage import tables
from semacdr.training.trained import Trained


@dataclass(frozen=True)
class Settings:
    """How many items stage recommend writes."""

    top: Count = setting(10, "items for each user")


@dataclass(frozen=True)
class Options(ScoringOptions):
    """The machine resources that ranking may use."""


def arguments(argv: Sequence[str] | None) -> argparse.Namespace:
    """Parse the stage's command line."""
    cli = parser(__doc__)
    add_run(cli)
    add_flags(cli, Settings, Options)
    cli.add_argument("--output", type=Path, required=True, help="recommendations.parquet")
    return cli.parse_args(argv)


def recommend(trained: Trained, count: int, batch: int) -> pa.Table:
    """The table of all users, each with the places in order; fewer than `count` if the catalogue has fewer items."""
    history = trained.history
    users = history.ranked("test")[0]
    items, scores = Scorer(trained, batch).top(of_users(history, users), count)
    user, place = np.nonzero(scores > -np.inf)
    return pa.table(
        {
            "user": users[user].astype(np.int32),
            "place": (place + 1).astype(np.int32),
            "item": (items[user, place] + history.target_items.start).astype(np.int32),
            "score": scores[user, place].astype(np.float32),
        }
    )


def main(argv: Sequence[str] | None = None) -> None:
    """Run the stage."""
    args = arguments(argv)
    options = from_flags(args, Options, "recommend")
    trained = trained_of(args, options.threads)
    table = recommend(trained, from_flags(args, Settings, "recommend").top, options.batch_size)
    tables.write(table, args.output, "recommendations", trained.meta)
    log.info("%d recommendations for %d users", len(table), len(trained.history.ranked("test")[0]))


if __name__ == "__main__":
    run(main)

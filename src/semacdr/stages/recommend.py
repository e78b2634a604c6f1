"""Recommend: what a trained system would put before each user at the test event, the whole target catalogue ranked.

Reads   what train read, its checkpoint.safetensors and settings.json.
Writes  recommendations.parquet: user, place (1 is the best), item, score. The user's earlier items are left out as in
        full ranking, the test event's item is not; so it stands at its rank of ranks.parquet, but for ties, where items
        with smaller numbers come first.
"""

import argparse
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa

from semacdr.evaluation.ranks import Ranker
from semacdr.runtime.cli import log, parser, run
from semacdr.storage import tables
from semacdr.training.trained import Trained, add_arguments, load_trained


def arguments(argv: Sequence[str] | None) -> argparse.Namespace:
    """The stage's command line."""
    cli = parser(__doc__)
    add_arguments(cli)
    cli.add_argument("--top", type=int, default=10, help="places a user")
    cli.add_argument("--batch-size", type=int, default=512)
    cli.add_argument("--output", type=Path, required=True, help="recommendations.parquet")
    return cli.parse_args(argv)


def recommend(trained: Trained, count: int, batch: int) -> pa.Table:
    """The table of all users, each one's places in order; fewer than `count` where the catalogue ends before."""
    history, training = trained.history, trained.settings["training"]
    ranker = Ranker(
        history, "test", training["max_length"], batch, trained.device, visibility=training["visibility"]
    )  # fmt: skip
    items, scores = ranker.top(trained.model, count)
    user, place = np.nonzero(scores > -np.inf)
    return pa.table(
        {
            "user": history.ranked("test")[0][user].astype(np.int32),
            "place": (place + 1).astype(np.int32),
            "item": (items[user, place] + history.target_items.start).astype(np.int32),
            "score": scores[user, place].astype(np.float32),
        }
    )


def main(argv: Sequence[str] | None = None) -> None:
    """Run the stage."""
    args = arguments(argv)
    trained = load_trained(args)
    table = recommend(trained, args.top, args.batch_size)
    tables.write(table, args.output, "recommendations", trained.meta)
    log.info("%d places for %d users", len(table), trained.history.users)


if __name__ == "__main__":
    run(main)

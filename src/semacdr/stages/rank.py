"""Rank: the rank of each user's validation and test event under a trained system, full and sampled.

Reads   what train read, its checkpoint.safetensors and settings.json, and candidates.parquet.
Writes  ranks.parquet: user, split (valid, test), ranking (full, sampled), rank (1 = best, ties count half). Cold
        users have no validation event, and so no rank of split valid.

Scores are computed in float64: so a rank depends on the parameters alone, and not on how users share a batch.
"""

import argparse
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa

from semacdr.evaluation.candidates import load_candidates
from semacdr.evaluation.measures import hit_rate, ndcg
from semacdr.evaluation.ranks import Ranker
from semacdr.runtime.cli import log, parser, run
from semacdr.storage import tables
from semacdr.training.trained import Trained, add_arguments, load_trained


def arguments(argv: Sequence[str] | None) -> argparse.Namespace:
    """The stage's command line."""
    cli = parser(__doc__)
    add_arguments(cli)
    cli.add_argument("--candidates", type=Path, required=True)
    cli.add_argument("--batch-size", type=int, default=512)
    cli.add_argument("--output", type=Path, required=True, help="ranks.parquet")
    return cli.parse_args(argv)


def rank_all(trained: Trained, candidates: Path, batch: int) -> pa.Table:
    """The ranks table of all users (of split valid, all but the cold ones), both splits and both rankings."""
    history, training, parts = trained.history, trained.settings["training"], []
    for split in ("valid", "test"):
        stored = load_candidates(candidates, history, split)
        ranker = Ranker(history, split, training["max_length"], batch, trained.device, stored, training["visibility"])
        for ranking, ranks in ranker.rank(trained.model).items():
            users = history.ranked(split)[0].astype(np.int32)
            named = {"split": [split] * len(ranks), "ranking": [ranking] * len(ranks)}
            parts.append(pa.table({"user": users} | named | {"rank": ranks}))
            log.info(
                "%s, %s: NDCG@10 %.4f, HR@10 %.4f", split, ranking, ndcg(ranks, 10).mean(), hit_rate(ranks, 10).mean()
            )
    return pa.concat_tables(parts)


def main(argv: Sequence[str] | None = None) -> None:
    """Run the stage."""
    args = arguments(argv)
    trained = load_trained(args)
    ranks = rank_all(trained, args.candidates, args.batch_size)
    tables.write(ranks, args.output, "ranks", trained.meta)


if __name__ == "__main__":
    run(main)

"""Rank each user's validation and test event with a trained model, in full and in sampled ranking.

Reads   what train read, the folder that train wrote, and candidates.parquet.
Writes  ranks.parquet: user, split (valid, test), ranking (full, sampled), rank (1 = best, ties count half). A
        user has ranks of a split only with an event of it; cold users have no validation event.

Scores are computed in float64, so that a rank depends on the parameters only and not on the users of a batch.
"""

import argparse
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa

from semacdr.evaluation.candidates import load_candidates
from semacdr.evaluation.measures import hit_rate, ndcg
from semacdr.evaluation.ranks import Ranker
from semacdr.runtime.cli import log, parser, run
from semacdr.runtime.settings import add_flags, from_flags
from semacdr.stages._direction import ScoringOptions, add_run, trained_of
from semacdr.storage import tables
from semacdr.training.inputs import metadata
from semacdr.training.trained import Trained


@dataclass(frozen=True)
class Options(ScoringOptions):
    """The machine resources that ranking may use."""


def arguments(argv: Sequence[str] | None) -> argparse.Namespace:
    """Parse the stage's command line."""
    cli = parser(__doc__)
    add_run(cli)
    add_flags(cli, Options)
    cli.add_argument("--candidates", type=Path, required=True)
    cli.add_argument("--output", type=Path, required=True, help="ranks.parquet")
    return cli.parse_args(argv)


def rank_all(trained: Trained, candidates: Path, batch: int) -> pa.Table:
    """The ranks table of the users with an event of a split, both splits and both rankings."""
    history, training, parts = trained.history, trained.system.training, []
    for split in ("valid", "test"):
        stored = load_candidates(candidates, history, split)
        ranker = Ranker(history, split, training.max_length, batch, trained.device, stored, training.visibility)
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
    options = from_flags(args, Options, "rank")
    trained = trained_of(args, options.threads)
    ranks = rank_all(trained, args.candidates, options.batch_size)
    made_from = tables.made_from(candidates=metadata(args.candidates))
    tables.write(ranks, args.output, "ranks", trained.meta | made_from)


if __name__ == "__main__":
    run(main)

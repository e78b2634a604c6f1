"""Rank: the rank of each user's validation and test event under a trained system, full and sampled.

Reads   what train read, its checkpoint.safetensors and settings.json, and candidates.parquet.
Writes  ranks.parquet: user, split (valid, test), ranking (full, sampled), rank (1 = best, ties count half).

Scores are computed in float64: so a rank depends on the parameters alone, and not on how users share a batch.
"""

import argparse
import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import torch
from safetensors.torch import load_file

from semacdr import models, tables
from semacdr.cli import log, parser, run, use_threads
from semacdr.data.history import History
from semacdr.errors import UserError
from semacdr.models.base import Model
from semacdr.ranking.measures import hit_rate, ndcg
from semacdr.ranking.ranks import Ranker
from semacdr.training.inputs import add_arguments, load_problem


def arguments(argv: Sequence[str] | None) -> argparse.Namespace:
    """The stage's command line."""
    cli = parser(__doc__)
    add_arguments(cli)
    cli.add_argument("--candidates", type=Path, required=True)
    cli.add_argument("--checkpoint", type=Path, required=True)
    cli.add_argument("--settings", type=Path, required=True, help="settings.json of the training run")
    cli.add_argument("--batch-size", type=int, default=512)
    cli.add_argument("--threads", type=int, help="default: all CPUs")
    cli.add_argument("--device", help="default: cuda where there is one, else cpu")
    cli.add_argument("--output", type=Path, required=True, help="ranks.parquet")
    return cli.parse_args(argv)


def load_candidates(path: Path, history: History, split: str) -> np.ndarray:
    """(users, negatives) stored negatives of a split, numbered within the target domain."""
    table, meta = tables.read(path, "candidates")
    table = table.filter(pa.compute.equal(table["split"], split))
    last = history.valid if split == "valid" else history.test
    if meta.get("target") != history.meta["target"] or not np.array_equal(
        table["positive"].to_numpy(), history.item[last]
    ):
        raise UserError(f"{path}: its positives are not the {split} events of this split; run the split stage again")
    negatives = table["negatives"].combine_chunks()
    return negatives.flatten().to_numpy().reshape(len(table), -1) - history.target_items.start


def rank_all(model: Model, history: History, candidates: Path, training: dict, batch: int, device) -> pa.Table:
    """The ranks table of all users, both splits and both rankings."""
    parts = []
    for split in ("valid", "test"):
        stored = load_candidates(candidates, history, split)
        ranker = Ranker(history, split, training["max_length"], batch, device, stored, training["visibility"])
        for ranking, ranks in ranker.rank(model).items():
            users = np.arange(len(ranks), dtype=np.int32)
            named = {"split": [split] * len(ranks), "ranking": [ranking] * len(ranks)}
            parts.append(pa.table({"user": users} | named | {"rank": ranks}))
            log.info(
                "%s, %s: NDCG@10 %.4f, HR@10 %.4f", split, ranking, ndcg(ranks, 10).mean(), hit_rate(ranks, 10).mean()
            )
    return pa.concat_tables(parts)


def main(argv: Sequence[str] | None = None) -> None:
    """Run the stage."""
    args = arguments(argv)
    settings = json.loads(args.settings.read_text())
    module = models.load(settings["model"])
    use_threads(args.threads)
    device = torch.device(args.device or ("cuda" if torch.cuda.is_available() else "cpu"))
    own = module.Settings(**settings["settings"])
    problem = load_problem(args, models.inputs(module, own), settings["training"]["max_length"], own)
    model = module.Model(problem, own)
    model.load_state_dict(load_file(args.checkpoint))
    model.double().to(device)
    ranks = rank_all(model, problem.history, args.candidates, settings["training"], args.batch_size, device)
    named = {name: str(settings[name]) for name in ("model", "variant", "seed")}
    tables.write(ranks, args.output, "ranks", problem.history.meta | named)


if __name__ == "__main__":
    run(main)

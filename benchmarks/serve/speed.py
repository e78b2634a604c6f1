"""Seconds of loading a run, of one history, and of all its users; and what a full sort would cost instead.

python benchmarks/serve/speed.py RUN [--histories 300]

It prints JSON. `load_s` is `semacdr.load` with torch imported before; `one_*_ms` are single calls of
`recommend(histories=[…], top=20)` with the histories of users; `all_s` is `recommend(users="all", top=20)`. `top_s` and
`sort_s` rank the catalogue for all users: by the 20 best of each (what is used) and by a stable sort of all scores,
which gives the same lists; their scores are included. All are wall seconds; those with `cpu` are CPU seconds of the
process, which hardly depend on what else the machine does. RUN needs the users' histories.
"""

import argparse
import json
import os
import time
from pathlib import Path

import numpy as np
import torch

import semacdr
from semacdr.serving.scoring import top_of

TOP = 20


def timed(job):
    """What a job returns, its wall seconds and its CPU seconds."""
    wall, cpu = time.perf_counter(), time.process_time()
    result = job()
    return result, time.perf_counter() - wall, time.process_time() - cpu


def sorted_top(scores, count):
    """`top_of` by a sort of all columns."""
    best = torch.sort(scores, dim=1, descending=True, stable=True)
    return best.indices[:, :count].numpy(), best.values[:, :count].numpy()


def ranked(recommender, queries, pick):
    """The items of all queries."""
    return np.concatenate([pick(scores, TOP)[0] for _, scores in recommender.scorer.scores(queries, keep_seen=False)])


def main() -> None:
    cli = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    cli.add_argument("run", type=Path)
    cli.add_argument("--histories", type=int, default=300)
    args = cli.parse_args()
    recommender, load_s, load_cpu_s = timed(lambda: semacdr.load(args.run))
    asked, history = recommender.understand(users="all"), recommender.trained.history
    chosen = np.random.default_rng(0).choice(asked.users, min(args.histories, len(asked.users)), replace=False)
    ids, domains = recommender.items["item_id"].to_list(), recommender.items["domain"].to_list()
    ends = history.test if recommender.as_of == "before_test" else history.start[1:]
    people = [[(domains[i], ids[i]) for i in history.item[history.start[user] : ends[user]]] for user in chosen]
    result = {"run": f"{args.run.parent.name}/{args.run.name}", "load_s": load_s, "load_cpu_s": load_cpu_s}
    if recommender.serves_unseen_users:
        _, result["first_s"], _ = timed(lambda: recommender.recommend(histories=people[:1], top=TOP))
        calls = [timed(lambda own=own: recommender.recommend(histories=[own], top=TOP)) for own in people]
        for name, place in (("", 1), ("cpu_", 2)):
            spent = [call[place] * 1000 for call in calls]
            result |= {f"one_{name}p{share}_ms": np.percentile(spent, share) for share in (50, 99)}
    _, result["all_s"], result["all_cpu_s"] = timed(lambda: recommender.recommend(users="all", top=TOP))
    queries = asked.queries(history)
    found = {}
    for name, pick in (("top", top_of), ("sort", sorted_top)):
        found[name], result[f"{name}_s"], result[f"{name}_cpu_s"] = timed(
            lambda pick=pick: ranked(recommender, queries, pick)
        )
    assert (found["top"] == found["sort"]).all()
    result |= {"users": len(asked.names), "items": len(recommender.target_items), "load_average": os.getloadavg()[0]}
    print(json.dumps({name: round(value, 3) if isinstance(value, float) else value for name, value in result.items()}))


if __name__ == "__main__":
    main()

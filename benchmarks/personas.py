"""Measure seconds and peak memory of personas and communities of many made-up users.

    python benchmarks/personas.py                                   # personas (engine compose) of a million users
    python benchmarks/personas.py --step communities --targets 20000    # their communities, by the index

Events are made up: each user has about ten, of items whose popularity falls as 1 / rank, and the items are filed under
seven facets of eight terms. Text vectors are random around 2,000 centres. Each step runs in a separate process, so that
its peak memory is measured separately. No request is sent, and no text is encoded. Figures: docs/personas.md.
"""

import argparse
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import pyarrow as pa

from semacdr.personas.compose import How, compose
from semacdr.personas.vocabulary import Filing, Vocabulary
from semacdr.runtime.machine import peak_mb
from semacdr.stages import communities, personas
from semacdr.storage import tables

ITEMS, FACETS, TERMS, WIDTH, CENTRES = 20_000, 7, 8, 384, 2_000
VOCABULARY = Vocabulary(tuple((f"Facet {f}", tuple(f"Term {f} {t}" for t in range(TERMS))) for f in range(FACETS)))
META = {"release": "benchmark", "scenario": "many", "source": "there", "target": "here"}


def filing(rng: np.random.Generator) -> Filing:
    """Each item has one term in each facet, and in about a fifth of them a second one."""
    first = rng.integers(0, TERMS, (ITEMS, FACETS))
    second = np.where(rng.random((ITEMS, FACETS)) < 0.2, (first + 1) % TERMS, -1)
    both = np.stack([first, second], -1)
    share = np.where(second >= 0, 0.5, 1.0)[..., None].repeat(2, -1)
    term = both + np.arange(FACETS)[:, None] * TERMS
    there = both >= 0
    counts = there.sum((1, 2))
    return Filing(np.append(0, np.cumsum(counts)), term[there], share[there])


def events(rng: np.random.Generator, users: int) -> tuple[np.ndarray, np.ndarray]:
    """User and item of each event, sorted by user."""
    user = np.repeat(np.arange(users), 1 + rng.poisson(9, users))
    item = (ITEMS ** rng.random(len(user))).astype(np.int64) - 1
    return user, item


def make_personas(folder: Path, users: int, targets: int) -> None:
    """Compose and write the personas of the source users, and of some of them again as target users."""
    rng = np.random.default_rng(0)
    filed, how = filing(rng), How(2.0, 5.0, personas.Settings().terms)
    source, target = events(rng, users), events(rng, targets)
    start, cpu = time.perf_counter(), time.process_time()
    composed = [compose(*one, filed, VOCABULARY, how) for one in (source, target)]
    said("compose", users, start, cpu)
    rows = sum(len(one.user) for one in composed)
    table = pa.table(
        {
            "user": np.concatenate([one.user for one in composed]),
            "domain": ["there"] * users + ["here"] * targets,
            "events": np.concatenate([one.events for one in composed]),
            "confidence": np.concatenate([one.confidence for one in composed]),
            "weights": tables.vectors(np.concatenate([one.weights for one in composed])),
            "text": pa.chunked_array([one.text.cast(pa.string()) for one in composed]),
            "provenance": ["engine=compose"] * rows,
        }
    )
    tables.write(table, folder / "personas.parquet", "personas", META)
    said("compose and write", users, start, cpu)
    print(f"distinct texts: {len(table['text'].unique()):,} of {rows:,}", flush=True)


def make_vectors(folder: Path, users: int, targets: int) -> None:
    """Write random unit vectors around some centres."""
    personas_table, meta = tables.read(folder / "personas.parquet", "personas")
    rng = np.random.default_rng(1)
    centres = rng.normal(size=(CENTRES, WIDTH)).astype(np.float32)
    vectors = np.empty((users + targets, WIDTH), np.float32)
    for first in range(0, len(vectors), 50_000):
        part = vectors[first : first + 50_000]
        noise = rng.standard_normal(part.shape, np.float32)
        part[:] = centres[rng.integers(0, CENTRES, len(part))] + 0.7 * noise
        part /= np.linalg.norm(part, axis=1, keepdims=True)
    columns = {name: personas_table[name] for name in ("user", "domain")}
    meta |= tables.made_from(personas=meta)
    tables.write(
        pa.table(columns | {"vector": tables.vectors(vectors)}), folder / "vectors.parquet", "persona_vectors", meta
    )


def find_communities(folder: Path, users: int, exact: bool) -> None:
    """Run the stage; exact: without the index."""
    start, cpu = time.perf_counter(), time.process_time()
    argv = ["--personas", folder / "personas.parquet", "--vectors", folder / "vectors.parquet", "--threads", "2"]
    argv += ["--exact-up-to", users if exact else 0, "--output", folder / f"{'exact' if exact else 'index'}.parquet"]
    communities.main(list(map(str, argv)))
    said(f"communities, {'exact' if exact else 'by index'}", users, start, cpu)


def recall(folder: Path) -> None:
    """The share of exact neighbours that the index found."""
    pairs = []
    for name in ("exact", "index"):
        table = tables.read(folder / f"{name}.parquet", "communities")[0]
        pairs.append(table["user"].to_numpy().astype(np.int64) << 32 | table["neighbour"].to_numpy())
    print(f"recall\t{len(np.intersect1d(*pairs)) / len(pairs[0]):.4f}", flush=True)


def said(step: str, users: int, start: float, cpu: float) -> None:
    """Print a line of the table."""
    seconds, own = time.perf_counter() - start, time.process_time() - cpu
    print(f"{step}\t{users}\t{seconds:.1f}\t{own:.1f}\t{peak_mb():.0f}", flush=True)


def main() -> None:
    cli = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    cli.add_argument("--users", type=int, default=1_000_000, help="source users")
    cli.add_argument("--targets", type=int, default=1_000, help="target users")
    cli.add_argument("--step", choices=("personas", "communities"), default="personas", help="communities: both steps")
    cli.add_argument("--exact", action="store_true", help="also the exact communities, and the recall of the index")
    cli.add_argument("--one", help=argparse.SUPPRESS)
    cli.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    args = cli.parse_args()
    steps = {
        "personas": lambda: make_personas(args.folder, args.users, args.targets),
        "vectors": lambda: make_vectors(args.folder, args.users, args.targets),
        "index": lambda: find_communities(args.folder, args.users, exact=False),
        "exact": lambda: find_communities(args.folder, args.users, exact=True),
        "recall": lambda: recall(args.folder),
    }
    if args.one:
        steps[args.one]()
        return
    chosen = ["personas"] if args.step == "personas" else ["personas", "vectors", "index"]
    chosen += ["exact", "recall"] if args.exact else []
    print("step\tusers\tseconds\tCPU seconds\tpeak MB", flush=True)
    with tempfile.TemporaryDirectory() as folder:
        for step in chosen:
            sizes = ["--users", str(args.users), "--targets", str(args.targets)]
            subprocess.run([sys.executable, __file__, *sizes, "--one", step, "--folder", folder], check=True)


if __name__ == "__main__":
    main()

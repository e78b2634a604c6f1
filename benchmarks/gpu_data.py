"""Pack a direction into a small folder for another machine, and unpack it there to the tables that training reads.

    python benchmarks/gpu_data.py pack results/scale/full/movie_to_book carried
    python benchmarks/gpu_data.py unpack carried results/carried/movie_to_book

Graphs are symmetric and binary: a graph is packed as the gaps between the columns of its upper half; weights follow
from degrees. Text vectors are left out; unpacking draws random ones. Needs only numpy and pyarrow.
"""

import argparse
import shutil
from pathlib import Path

import numpy as np
import pyarrow as pa

from semacdr.storage import tables

GRAPHS = ("source", "target", "mixed")
COPIED = ("interactions.parquet", "items.parquet", "semantics/agnostic.parquet")
WIDTH = 384  # of a text vector, as with the packaged encoder


def pack(folder: Path, output: Path) -> None:
    """Write the files of a direction into one folder."""
    output.mkdir(parents=True, exist_ok=True)
    for path in (folder / "split.parquet", *(folder.parent / name for name in COPIED)):
        shutil.copy(path, output / path.name)
    for name in GRAPHS:
        table, meta = tables.read(folder / f"graphs/{name}.parquet", "adjacency")
        row, column = (table[end].to_numpy().astype(np.int64) for end in ("row", "column"))
        nodes = int(meta["nodes"])
        gaps = np.diff((row * nodes + column)[row < column], prepend=0)
        np.savez_compressed(output / f"{name}.npz", gaps=gaps.astype(np.uint32), nodes=nodes)


def unpack(packed: Path, folder: Path) -> None:
    """Write the tables that training reads; those of the scenario are one folder above the direction's."""
    (folder.parent / "semantics").mkdir(parents=True, exist_ok=True)
    folder.mkdir(parents=True, exist_ok=True)
    for path in (folder / "split.parquet", *(folder.parent / name for name in COPIED)):
        shutil.copy(packed / path.name, path)
    meta = tables.read(folder / "split.parquet", "split")[1]
    items = len(tables.read(folder.parent / "items.parquet", "items")[0])
    vectors = np.random.default_rng(0).normal(size=(items, WIDTH)).astype(np.float32) / WIDTH**0.5
    embeddings = pa.table({"item": range(items), "vector": tables.vectors(vectors)})
    tables.write(embeddings, folder.parent / "embeddings.parquet", "embeddings", meta)
    for name in GRAPHS:
        with np.load(packed / f"{name}.npz") as file:
            gaps, nodes = file["gaps"], int(file["nodes"])
        row, column = np.divmod(np.cumsum(gaps, dtype=np.int64), nodes)
        own = np.arange(nodes)
        key = np.sort(np.concatenate([row * nodes + column, column * nodes + row, own * nodes + own]))
        row, column = np.divmod(key, nodes)
        degree = np.bincount(row).astype(float)
        adjacency = pa.table({"row": row, "column": column, "weight": 1 / np.sqrt(degree[row] * degree[column])})
        tables.write(adjacency, folder / f"graphs/{name}.parquet", "adjacency", meta | {"nodes": str(nodes)})


def main() -> None:
    cli = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    cli.add_argument("what", choices=["pack", "unpack"])
    cli.add_argument("given", type=Path)
    cli.add_argument("output", type=Path)
    args = cli.parse_args()
    {"pack": pack, "unpack": unpack}[args.what](args.given, args.output)


if __name__ == "__main__":
    main()

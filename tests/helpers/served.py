"""A trained run where the workflow would make it: <scenario>/<direction>/<run>/seed<N>, beside its tables."""

import json
import shutil
from pathlib import Path

import pyarrow as pa
from direction_world import META, World

from semacdr.stages import final, final_split, graph
from semacdr.storage import tables


def lay_out(world: World, root: Path) -> Path:
    """Copy a world into the workflow's layout, with users 'user 0', 'user 1', …; returns the scenario's folder."""
    scenario = root / "results" / "small"
    direction = scenario / "movie_to_book"
    direction.mkdir(parents=True)
    for name in ("interactions", "items", "embeddings"):
        shutil.copy(world.folder / f"{name}.parquet", scenario)
    (scenario / "semantics").mkdir()
    shutil.copy(world.folder / "agnostic.parquet", scenario / "semantics")
    shutil.copy(world.folder / "split.parquet", direction)
    for name in ("graphs", "personas"):
        shutil.copytree(world.folder / name, direction / name)
    users = range(40)
    table = pa.table({"user": users, "user_id": [f"user {user}" for user in users]})
    tables.write(table, scenario / "users.parquet", "users", META)
    return scenario


def train(world: World, scenario: Path, name: str, **settings) -> Path:
    """Train a system for two epochs and return its folder."""
    run = scenario / "movie_to_book" / f"{name}-{len(json.dumps(settings))}" / "seed3"
    return world.train(name, run, "--epochs", "2", **settings)


def train_final(scenario: Path, run: Path) -> Path:
    """Train a run again on all events, as the workflow does, and return the new folder."""
    folder = scenario / "movie_to_book" / "final"
    paths = ["--interactions", str(scenario / "interactions.parquet"), "--items", str(scenario / "items.parquet")]
    split = folder / "split.parquet"
    final_split.main([*paths, "--source", "movie", "--target", "book", "--output", str(split)])
    graph.main([*paths, "--split", str(split), "--output", str(folder / "graphs")])
    extra = ["--embeddings", str(scenario / "embeddings.parquet"), "--graphs", str(folder / "graphs")]
    extra += ["--agnostic", str(scenario / "semantics/agnostic.parquet")]
    output = folder / run.parent.name / run.name
    final.main([*paths, "--split", str(split), *extra, "--run", str(run), "--output", str(output)])
    return output

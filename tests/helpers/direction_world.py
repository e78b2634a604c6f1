"""A small data set of two domains, made by the real stages, on which every system is tested."""

import importlib
import json
import pkgutil
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl
import pyarrow as pa
import torch

from semacdr import models
from semacdr.data.history import load_history
from semacdr.data.persona_parts import parts_of
from semacdr.models import base
from semacdr.stages import graph, rank, split, train
from semacdr.storage import tables
from semacdr.training.inputs import DirectionPaths, load_inputs

MODULES = tuple(module.name for module in pkgutil.iter_modules(models.__path__))
SYSTEMS = tuple(name for name in MODULES if hasattr(importlib.import_module(f"semacdr.models.{name}"), "INPUTS"))
LEARNED = tuple(name for name in SYSTEMS if models.load(name).LOSS)
ENHANCED = (("c2dsr", {"semantics": True}), ("tri_cdr", {"semantics": True}))  # with SemaCDR's item semantics
MERGED = ("sasrec", {"history": "mixed", "loss_over": "both"})
PLUS = ("semacdr", {"source_weight": 1.0, "contrastive_weight": 0.0, "graph": "none"})
SPHERES = (("sphere", {"backbone": "svdpp"}), ("sphere", {"backbone": "neumf"}))
LEARNED_FORMS = (*((name, {}) for name in LEARNED), *ENHANCED, MERGED, PLUS, *SPHERES)
FORMS = (*((name, {}) for name in SYSTEMS if name not in LEARNED), *LEARNED_FORMS)
TERMS = {"rules_weight": 0.7, "profile_weight": 0.3}  # what SemaCDR can add to its inner products in ranking
INNER = tuple(  # forms whose scores are inner products
    (name, settings)
    for name, settings in FORMS
    if (name == "semacdr" or models.load(name).Model.scores is base.Model.scores)
    and "neumf" not in (name, settings.get("backbone"))
)
META = {"release": "test", "scenario": "small", "domains": "book movie"}
DAY = 86_400
PARTS = 2  # of target events that personas for training leave out


def random_events(users=40, items=(30, 25), seed=0):
    """Events of all users in both domains, on few days so that many share one; each item of a user once."""
    rng, rows = np.random.default_rng(seed), []
    for user in range(users):
        for domain, first, count in (("book", 0, items[0]), ("movie", items[0], items[1])):
            length = rng.integers(3, 12)
            chosen = first + rng.choice(count, length, replace=False)
            days = rng.integers(10_000, 10_040, length)
            rows += [(user, int(item), domain, int(day) * DAY) for item, day in zip(chosen, days, strict=True)]
    return pl.DataFrame(rows, schema=["user", "item", "domain", "timestamp"], orient="row")


@dataclass(frozen=True)
class World:
    """A folder of tables as the stages write them, for movie to book."""

    folder: Path
    items: tuple[int, int]

    def inputs(self, name, settings=None):
        """The command line's input options of a system under its settings, by default its own."""
        module = models.load(name)
        needs = models.required_inputs(module, settings or module.Settings())
        options = {"interactions": "interactions.parquet", "items": "items.parquet", "split": "split.parquet"}
        folders = ("graphs", "personas")
        options |= {need: need if need in folders else f"{need}.parquet" for need in needs}
        return [part for key, file in options.items() for part in (f"--{key}", str(self.folder / file))]

    def model_inputs(self, name, max_length=20, settings=None):
        """The system's ModelInputs."""
        module, settings = models.load(name), settings or models.load(name).Settings()
        files = ("interactions", "items", "split", "embeddings", "agnostic")
        paths = DirectionPaths(
            *(self.folder / f"{file}.parquet" for file in files), self.folder / "graphs", self.folder / "personas"
        )
        return load_inputs(paths, models.required_inputs(module, settings), max_length, settings)

    def train(self, name, output, *options, **settings):
        """Run the train stage with the model's published loss and return its folder."""
        settings = ({"dim": 16, "dropout": 0.2} if name in LEARNED else {}) | settings
        argv = [*self.inputs(name, models.load(name).Settings(**settings)), "--model", name, "--output", str(output)]
        argv += ["--model-settings", json.dumps(settings), "--seed", "3", "--threads", "1"]
        argv += ["--loss", models.load(name).LOSS or "bpr"]
        train.main([*argv, "--max-length", "20", "--batch-size", "16", "--epochs", "3", *options])
        return output

    def rank(self, name, trained, output, *options):
        """Run the rank stage and return its table."""
        files = {"candidates": self.folder / "candidates.parquet", "run": trained, "output": output}
        argv = [part for key, file in files.items() for part in (f"--{key}", str(file))]
        own = models.load(name).Settings(**json.loads((trained / "settings.json").read_text())["settings"])
        rank.main([*self.inputs(name, own), *argv, "--threads", "1", *options])
        return pl.from_arrow(tables.read(output, "ranks")[0])


def make_world(folder, events, items=(30, 25), cold=0.0, how=()):
    """Write the tables of `events` and run split and graph on them; texts and categories are random but fixed.

    `cold` is the share of cold users, `how` other options of stage split.
    """
    events = events.sort("user", "timestamp", "domain", "item")
    tables.write(events.to_arrow(), folder / "interactions.parquet", "interactions", META)
    domain = ["book"] * items[0] + ["movie"] * items[1]
    total = sum(items)
    text = {name: [f"{name} {i}" for i in range(total)] for name in ("item_id", "title", "brand", "description")}
    catalogue = pa.table({"item": range(total), "domain": domain, "categories": [["x"]] * total} | text)
    tables.write(catalogue, folder / "items.parquet", "items", META)
    return finish_world(folder, items, cold, how)


def finish_world(folder, items, cold=0.0, how=()):
    """Make a World from a folder with interactions and items of movie and book."""
    total, rng = sum(items), np.random.default_rng(7)
    vectors = rng.normal(size=(total, 12)).astype(np.float32)
    column = pa.FixedSizeListArray.from_arrays(pa.array(vectors.ravel()), 12)
    tables.write(pa.table({"item": range(total), "vector": column}), folder / "embeddings.parquet", "embeddings", META)
    rows = [(i, category, f"{category}{rng.integers(3)}") for category in "AB" for i in range(total) if i % 9]
    columns = zip(("item", "category", "subcategory"), zip(*rows, strict=True), strict=True)
    agnostic = {name: list(column) for name, column in columns}
    agnostic = pa.table(agnostic | {"provenance": ["test"] * len(rows)})
    tables.write(agnostic, folder / "agnostic.parquet", "agnostic", META)
    paths = ["--interactions", str(folder / "interactions.parquet"), "--items", str(folder / "items.parquet")]
    direction = ["--source", "movie", "--target", "book", "--candidates", "10"]
    split.main([*paths, *direction, "--cold-users", str(cold), *how, "--output", str(folder)])
    graph.main([*paths, "--split", str(folder / "split.parquet"), "--output", str(folder / "graphs")])
    random_personas(folder)
    return World(folder, items)


def random_personas(folder, terms=6, width=12, community=4):
    """Write personas, vectors and communities of a world's direction: random, but the same for the same user.

    Only who has a persona, and from how many events, is as in stage personas; weights and vectors are random.
    """
    history = load_history(*(folder / f"{name}.parquet" for name in ("interactions", "items", "split")))
    for part in range(PARTS + 1):
        _random_personas(history, folder / "personas" / (f"part{part}" if part else ""), part, terms, width, community)


def _random_personas(history, folder, part, terms, width, community):
    rows, communities = [], []
    for number, domain in enumerate(("movie", "book")):
        chosen = history.training() & (history.is_target == bool(number))
        if part and number:
            chosen &= parts_of(history, PARTS) != part
        counts = np.bincount(history.user()[chosen], minlength=history.users)
        for user in np.flatnonzero(counts):
            rng, events = np.random.default_rng([number, user, part * number]), int(counts[user])
            weights, vector = rng.dirichlet(np.ones(terms)), rng.normal(size=width)
            rows.append((int(user), domain, events, events / (events + 5), weights, vector / np.linalg.norm(vector)))
    source, target = ([row[0] for row in rows if row[1] == domain] for domain in ("movie", "book"))
    for user in target:
        rng = np.random.default_rng([2, user, part])
        near = [other for other in rng.permutation(history.users).tolist() if other in source and other != user]
        scores = np.sort(rng.random(community))[::-1]
        communities += [(user, place + 1, *pair) for place, pair in enumerate(zip(near, scores, strict=False))]
    names = ("user", "domain", "events", "confidence")
    table = {name: [row[i] for row in rows] for i, name in enumerate(names)}
    weights, vectors = (np.array([row[i] for row in rows], np.float32) for i in (4, 5))
    texts = {"text": [f"persona {row[0]}" for row in rows], "provenance": ["test"] * len(rows)}
    meta = history.meta | tables.made_from(split=history.meta) | {"parts": str(PARTS)}
    personas = pa.table(table | texts | {"weights": tables.vectors(weights)})
    meta = tables.write(personas, folder / "personas.parquet", "personas", meta)
    meta |= tables.made_from(personas=meta)
    vectors = pa.table({"user": table["user"], "domain": table["domain"], "vector": tables.vectors(vectors)})
    meta = tables.write(vectors, folder / "vectors.parquet", "persona_vectors", meta)
    names = ("user", "place", "neighbour", "similarity")
    columns = dict(zip(names, zip(*communities, strict=True), strict=True)) if communities else dict.fromkeys(names, ())
    meta |= tables.made_from(persona_vectors=meta)
    tables.write(
        pa.table({k: list(v) for k, v in columns.items()}), folder / "communities.parquet", "communities", meta
    )


def build(world, name, seed=0, max_length=20, **settings):
    """A model with small settings in training mode, and its inputs."""
    module = models.load(name)
    if name in LEARNED:
        settings = {"dim": 16, "dropout": 0.0} | settings
    torch.manual_seed(seed)
    own = module.Settings(**settings)
    inputs = world.model_inputs(name, max_length, own)
    return module.Model(inputs, own), inputs

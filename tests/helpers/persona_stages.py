"""The stages of personas on a world, with an encoder that needs no model."""

import hashlib
import json

import numpy as np

from semacdr.stages import communities, persona_vectors, personas
from semacdr.storage import tables

TAXONOMY = {
    "categories": [{"name": name, "subcategories": [{"name": f"{name}{n}"} for n in range(3)]} for name in "AB"]
}
TABLES = {"personas": "personas", "vectors": "persona_vectors", "communities": "communities"}


class HashEncoder:
    """An encoder without a model: a text's vector depends on its hash."""

    def __init__(self, *_):
        self.asked = []

    def encode(self, texts):
        self.asked.append(texts)
        seeds = [int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big") for text in texts]
        rows = np.array([np.random.default_rng(seed).normal(size=8) for seed in seeds], np.float32).reshape(-1, 8)
        return rows / np.linalg.norm(rows, axis=1, keepdims=True)


def compose_argv(world, output, *options):
    """The command line of stage personas on a world's direction."""
    output.mkdir(parents=True, exist_ok=True)
    taxonomy = output / "taxonomy.json"
    taxonomy.write_text(json.dumps(TAXONOMY))
    files = {name: world.folder / f"{name}.parquet" for name in ("interactions", "items", "split", "agnostic")}
    files |= {"taxonomy": taxonomy, "output": output}
    return [*(part for name, path in files.items() for part in (f"--{name}", str(path))), *options]


def make(world, folder, monkeypatch, *options, near=("--neighbours", "5", "--floor", "-1"), parts=2):
    """Run the three stages, whole and without each part, and return the whole tables by name."""
    monkeypatch.setattr(persona_vectors, "TextEncoder", HashEncoder)
    for part in range(parts + 1):
        own = folder / f"part{part}" if part else folder
        paths = {name: own / f"{name}.parquet" for name in TABLES}
        personas.main(compose_argv(world, own, *options, "--part", str(part), "--parts", str(parts)))
        known = ["--known", str(folder / "personas.parquet"), str(folder / "vectors.parquet")] if part else []
        persona_vectors.main(["--personas", str(paths["personas"]), *known, "--output", str(paths["vectors"])])
        given = ["--personas", str(paths["personas"]), "--vectors", str(paths["vectors"])]
        communities.main([*given, *near, "--output", str(paths["communities"])])
    return read(folder)


def read(folder):
    """The tables of a folder by name."""
    return {name: tables.read(folder / f"{name}.parquet", contract)[0] for name, contract in TABLES.items()}

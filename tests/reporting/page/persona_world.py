"""The scenario of the page's tests with a system that reads personas, and its backbone."""

import json
from pathlib import Path

import numpy as np
import pyarrow as pa
from page_world import BOOKS, META, USERS, PageWorld, options

from semacdr.stages import communities, personas
from semacdr.storage import tables

SPHERE, BACKBONE = "sphere-bpr", "lightgcn-bpr"
TWO = {SPHERE: ("sphere", "full"), BACKBONE: ("lightgcn", "full")}
SETTINGS = {"dim": 64, "backbone": "lightgcn", "community": "nearest", "neighbours": 6}
STORED = 8  # members of a community
WEIGHTS = [round(0.2 + 0.02 * user, 2) for user in range(USERS)]  # of the gate


class PersonaWorld(PageWorld):
    """Personas and communities by their own stages; text vectors and the gate's weights are random."""

    systems, shown = TWO, (SPHERE, BACKBONE)

    def personas(self) -> None:
        """The three tables of both directions."""
        self.digests = {}
        for world in self.worlds.values():
            folder = self.of(world.target)
            files = {name: self.folder / f"{name}.parquet" for name in ("interactions", "items", "agnostic")}
            files |= {"taxonomy": self.folder / "taxonomy.json", "split": folder.parent / "split.parquet"}
            files |= {"output": folder}
            personas.main(options(files))
            table, meta = tables.read(folder / "personas.parquet", "personas")
            self.digests[world.target] = meta["digest"]
            vectors = self.rng.normal(size=(len(table), 4)).astype(np.float32)
            rows = table.select(["user", "domain"]).append_column("vector", tables.vectors(vectors))
            meta |= tables.made_from(personas=meta)
            tables.write(rows, folder / "vectors.parquet", "persona_vectors", meta)
            files = {name: folder / f"{name}.parquet" for name in ("personas", "vectors")}
            files |= {"output": folder / "communities.parquet"}
            communities.main([*options(files), "--neighbours", str(STORED), "--floor", "-1"])

    def of(self, target: str) -> Path:
        """The folder of a direction's personas."""
        return self.folder / f"{self.worlds[target].source}_to_{target}/personas"

    def more(self, target: str, name: str) -> tuple[dict, dict]:
        """The system reads personas, its backbone does not."""
        if name != SPHERE:
            return {}, {"dim": 64}
        return {"made_from_personas": self.digests[target]}, SETTINGS

    def run(self, target: str, name: str) -> Path:
        """The run; of the system with a gate also its weights: the higher the user's number, the higher."""
        folder = super().run(target, name)
        if name == SPHERE:
            meta = json.loads((folder / "settings.json").read_text())
            meta = META | {key: str(meta[key]) for key in ("source", "target", "model", "seed")}
            columns = {"side": ["item"] * BOOKS + ["user"] * USERS, "id": [*range(BOOKS), *range(USERS)]}
            columns |= {"events": [1] * (BOOKS + USERS), "weight": [0.5] * BOOKS + WEIGHTS}
            tables.write(pa.table(columns), folder / "gate_weights.parquet", "gate_weights", meta)
        return folder

    def argv(self, output: Path, *more, given=("personas", "gates"), **parts):
        """The stage's command line, with folders of personas and the gates' tables."""
        argv = super().argv(output, *more, **parts)
        gates = [run / "gate_weights.parquet" for run in self.runs if run.parent.name == SPHERE]
        files = {"personas": [self.of(target) for target in self.worlds], "gates": gates}
        return argv + [str(part) for name in given for part in (f"--{name}", *files[name])]

"""Where the files of a run are: from its folder alone, in `results/` as in a bundle."""

from dataclasses import dataclass
from pathlib import Path

from semacdr.errors import UserError
from semacdr.training.inputs import DirectionPaths


@dataclass(frozen=True)
class Places:
    """The files of a run: its folder, the tables of its direction and of its scenario."""

    run: Path
    tables: DirectionPaths
    users: Path


def find(run: Path) -> Places:
    """The places of a run's folder, <scenario>/<direction>[/final]/<run>/seed<N>; a UserError if it is not one."""
    if not (run / "settings.json").is_file():
        raise UserError(
            f"{run}: is not the folder of a trained run (it has no settings.json) and not a bundle (.zip); "
            "`snakemake runs` lists the runs"
        )
    direction = run.resolve().parent.parent
    scenario = next((folder for folder in direction.parents if (folder / "items.parquet").is_file()), None)
    if scenario is None:
        raise UserError(
            f"{run}: there is no items.parquet in a folder above it; use the run where the workflow made it"
        )
    paths = DirectionPaths(
        interactions=scenario / "interactions.parquet",
        items=scenario / "items.parquet",
        split=direction / "split.parquet",
        embeddings=scenario / "embeddings.parquet",
        agnostic=scenario / "semantics/agnostic.parquet",
        graphs=direction / "graphs",
        personas=direction / "personas",
    )
    return Places(run, paths, scenario / "users.parquet")

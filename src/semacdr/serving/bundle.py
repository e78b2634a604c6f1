"""A bundle: one file with a trained run and the tables that it needs, which loads without the pipeline's other files.

The file is a zip archive. `bundle.json` says what it holds, from what it was made, and the sha256 of each file. The
tables and the run also name each other by digests, so files that do not belong together are refused. Bundles of the
same run have the same bytes.
"""

import hashlib
import json
import zipfile
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np

from semacdr.data.history import NONE, History
from semacdr.errors import UserError
from semacdr.serving.places import Places, find
from semacdr.serving.queries import as_of
from semacdr.storage import files
from semacdr.training import run_folder
from semacdr.training.inputs import GRAPH_FILES
from semacdr.training.personas import persona_files
from semacdr.training.trained import load_trained

FORMAT, MANIFEST = 1, "bundle.json"
MEANING = "semacdr bundle"


def pack(run: Path, output: Path, histories: bool = True) -> dict[str, Any]:
    """Write the bundle of a run and return its manifest; a UserError if its files do not belong together.

    Without `histories` the bundle holds no user and no event: it recommends only to given histories. A UserError for a
    system that needs the events, or that cannot serve unseen users.
    """
    places = find(run)
    trained = load_trained(places.tables, run, "cpu", 1)  # refuses files that do not belong together
    name = trained.system.name
    if not histories and trained.model.reads_events:
        raise UserError(f"{name} is built from the events of users, so a bundle without histories cannot hold it")
    if not histories and not trained.model.serves_unseen_users:
        raise UserError(f"{name} cannot serve unseen users with these settings, so its bundle needs the histories")
    chosen = _members(places, run_folder.read(run), histories)
    manifest = {
        "what": MEANING,
        "format": FORMAT,
        "model": name,
        "as_of": as_of(trained.history),
        "histories": histories,
        "history": _outline(trained.history),
        "provenance": trained.meta,
        "files": {inside: _sha256(path) for inside, path in chosen.items()},
    }
    with files.replacing(output) as temporary, zipfile.ZipFile(temporary, "w") as archive:
        _add(archive, MANIFEST, json.dumps(manifest, indent=2).encode())
        for inside, path in chosen.items():
            _add(archive, inside, path.read_bytes())
    return manifest


def unpack(bundle: Path, folder: Path) -> tuple[Places, str, History | None]:
    """Unpack a bundle into an empty folder: its places, what its run recommends as of, and a history without events.

    The last is None if the bundle holds the histories. A UserError if the file is no bundle, or a file in it is
    missing or changed.
    """
    try:
        with zipfile.ZipFile(bundle) as archive:
            manifest = json.loads(archive.read(MANIFEST))
            if manifest.get("what") != MEANING or manifest.get("format") != FORMAT:
                raise UserError(f"{bundle}: is not a bundle of format {FORMAT}; pack the run again with this version")
            for inside, wanted in manifest["files"].items():
                _extract(archive, inside, wanted, folder, bundle)
    except (OSError, KeyError, ValueError, TypeError, AttributeError, zipfile.BadZipFile) as error:
        raise UserError(f"{bundle}: cannot be read as a bundle of `semacdr pack`: {error}") from error
    run = next(folder.rglob("settings.json"), None)
    if run is None:
        raise UserError(f"{bundle}: holds no run; pack it again")
    history = None if manifest["histories"] else _without_events(manifest["history"])
    return find(run.parent), manifest["as_of"], history


def _members(places: Places, run: run_folder.RunFolder, histories: bool) -> dict[str, Path]:
    """The files of a bundle by their names in it."""
    paths, needs = places.tables, run.system.needs
    found: dict[str, Path | None] = {"items.parquet": paths.items}
    if histories:
        found |= {"interactions.parquet": paths.interactions, "users.parquet": places.users}
        found |= {"direction/split.parquet": paths.split}
    if "embeddings" in needs:
        found["embeddings.parquet"] = paths.embeddings
    if "agnostic" in needs or (paths.agnostic and paths.agnostic.is_file()):  # also explains recommendations
        found["semantics/agnostic.parquet"] = paths.agnostic
    if "graphs" in needs:
        assert paths.graphs is not None
        kind = GRAPH_FILES[getattr(run.system.settings, "graph", "co_interaction")]
        found |= {f"direction/graphs/{name}.parquet": paths.graphs / f"{name}.parquet" for name in kind}
    if "personas" in needs:
        assert paths.personas is not None
        folder = paths.personas
        found |= {f"direction/personas/{path.relative_to(folder)}": path for path in persona_files(folder).values()}
    seed = f"direction/run/seed{run.content['seed']}"
    for name in (run_folder.SETTINGS, run_folder.CHECKPOINT):
        found[f"{seed}/{name}"] = places.run / name
    return {inside: path for inside, path in found.items() if path is not None}


def _outline(history: History) -> dict[str, Any]:
    """What a history without its events is made from."""
    ranges = {"source_items": history.source_items, "target_items": history.target_items}
    return {"users": history.users, "meta": history.meta} | {
        name: [own.start, own.stop] for name, own in ranges.items()
    }


def _without_events(outline: dict[str, Any]) -> History:
    """A history of users without events."""
    users = int(outline["users"])
    none = np.full(users, NONE)
    return History(
        item=np.zeros(0, np.int64),
        is_target=np.zeros(0, bool),
        start=np.zeros(users + 1, np.int64),
        training_end=np.zeros(users, np.int64),
        valid=none,
        test=none,
        hidden=np.zeros((2, 0), np.int64),
        source_items=range(*outline["source_items"]),
        target_items=range(*outline["target_items"]),
        meta=outline["meta"],
    )


def _add(archive: zipfile.ZipFile, name: str, content: bytes) -> None:
    entry = zipfile.ZipInfo(name)  # dated 1980, so that the same content gives the same bytes
    entry.external_attr = 0o644 << 16
    archive.writestr(entry, content)


def _extract(archive: zipfile.ZipFile, name: str, wanted: str, folder: Path, bundle: Path) -> None:
    """Extract a file; a UserError if its path leaves the folder or its content is not the packed one."""
    inside = PurePosixPath(name)
    if inside.is_absolute() or ".." in inside.parts:
        raise UserError(f"{bundle}: names a file outside of itself, '{name}'; it is not used")
    content = archive.read(name)
    if hashlib.sha256(content).hexdigest() != wanted:
        raise UserError(f"{bundle}: {name} is not the file that was packed; pack the run again")
    files.write_bytes(folder / inside, content)


def _sha256(path: Path) -> str:
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise UserError(f"{path}: cannot be read: {error}") from error

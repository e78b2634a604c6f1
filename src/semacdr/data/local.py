"""Find raw files in a user's folder under any name that a release gives them."""

from pathlib import Path

from semacdr.errors import UserError
from semacdr.runtime.cli import log

NAMES = {  # how each release names a category's file of a kind; all reviews before those of the 5-core
    "amazon2014": {"reviews": ["reviews_{}.json.gz", "reviews_{}_5.json.gz"], "meta": ["meta_{}.json.gz"]},
    "amazon2018": {"reviews": ["{}.json.gz", "{}_5.json.gz"], "meta": ["meta_{}.json.gz"]},
    "amazon2023": {"reviews": ["{}.jsonl.gz"], "meta": ["meta_{}.jsonl.gz"]},
}


def local_names(category: str, kind: str, release: str = "") -> list[str]:
    """The names that a category's file of a kind may have: first those of its release, then those of the others."""
    own = NAMES.get(release, {}).get(kind, [])
    names = [*own, *(name for other in NAMES.values() for name in other[kind])]
    if not own:  # all reviews before those of a 5-core
        names.sort(key=lambda name: "_5." in name)
    return [name.format(category) for name in dict.fromkeys(names)]


def find_local(folder: Path, category: str, kind: str, release: str = "") -> Path:
    """The category's file in the folder, the first of `local_names`; a UserError if there is none."""
    found = files_of(folder, category, kind, release)
    if not found:
        names = ", ".join(local_names(category, kind, release))
        raise UserError(f"{folder}: there is no {kind} file of {category}; it may be named {names}")
    if len(found) > 1:
        log.warning("%s is used; not used: %s", found[0], ", ".join(path.name for path in found[1:]))
    return found[0]


def files_of(folder: Path, category: str, kind: str, release: str) -> list[Path]:
    """The category's files in the folder, in the order of `local_names`."""
    paths = [folder / name for name in local_names(category, kind, release)]
    return [path for path in paths if path.is_file()]

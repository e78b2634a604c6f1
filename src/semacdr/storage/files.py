"""Atomic writing: a file appears under its name complete, or not at all.

A writer gets the path of a temporary file in the same folder, which is renamed when the writer has finished. If the
process is killed or the disk is full, the earlier file, if there was one, is unchanged.
"""

import errno
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from semacdr.errors import UserError

FULL = {errno.ENOSPC: "no space left on device", errno.EDQUOT: "no space left on device (the disk quota is used up)"}


@contextmanager
def replacing(path: Path | str, durable: bool = False) -> Iterator[Path]:
    """Yield a temporary path to write to, and rename it to `path` at the end; make the folder where it is missing.

    The temporary path ends as `path` does, since some writers choose the format by the suffix. With `durable` the
    bytes are on the disk before the file has its name, so that a power cut leaves no half file either. A UserError
    names the file that cannot be written and why (no space left, no permission, ...).
    """
    path = Path(path)
    temporary = path.with_name(f".new.{path.name}")
    with writing_to(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            yield temporary
            if durable:
                sync(temporary)
            temporary.replace(path)
        except BaseException:
            temporary.unlink(missing_ok=True)
            raise


@contextmanager
def writing_to(path: Path | str) -> Iterator[None]:
    """Turn an OSError of the block into a UserError that names `path`."""
    try:
        yield
    except OSError as error:
        why = FULL.get(error.errno or 0) or error.strerror or str(error)
        if "No space left" in str(error):  # some libraries raise it without an errno
            why = FULL[errno.ENOSPC]
        raise UserError(f"{path}: cannot be written: {why}") from error


def write_text(path: Path | str, content: str, durable: bool = False) -> None:
    """Write a text atomically, as UTF-8 with the same bytes on every system."""
    with replacing(path, durable) as temporary:
        temporary.write_text(content, encoding="utf-8", newline="\n")


def write_json(path: Path | str, content: Any, indent: int | None = 2) -> None:
    """Write a JSON value atomically, with a line break at the end."""
    write_text(path, json.dumps(content, indent=indent) + "\n")


def write_bytes(path: Path | str, content: bytes) -> None:
    """Write bytes atomically."""
    with replacing(path) as temporary:
        temporary.write_bytes(content)


def sync(path: Path) -> None:
    """Wait until the disk has a file's bytes, or the names in a folder."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)

"""The state of an unfinished training, so that the same command continues after a kill or a time limit.

It lies beside the run's files and is none of them: a workflow that removes incomplete outputs leaves it. It belongs to
one training: other settings, tables, code, seed, threads or device make it void. A training that continues from it ends
with the same bytes as one that was never interrupted.
"""

import fcntl
import hashlib
import json
import signal
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load, save

import semacdr
from semacdr.errors import UserError
from semacdr.runtime.cli import log
from semacdr.storage import files

NAME, LOCK = "training.state", "training.lock"
DIGEST = 64  # characters of a sha256, which precede the state


class Stopped(BaseException):
    """The process was asked to end (SIGTERM). No Exception: a signal may arrive where code catches all of them."""


def key_of(description: Mapping[str, Any], threads: int, device: torch.device) -> str:
    """A digest of all that decides a training's bytes: its description, the code, torch, threads and device."""
    code = hashlib.sha256()
    folder = Path(semacdr.__file__).parent
    for path in sorted(folder.rglob("*.py")):
        code.update(str(path.relative_to(folder)).encode() + path.read_bytes())
    parts = [description, code.hexdigest(), torch.__version__, threads, str(device)]
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()


class SavedState:
    """The state file of one training, written every `minutes` at the end of an epoch and when it is stopped."""

    def __init__(self, folder: Path, key: str, minutes: float) -> None:
        self.path, self.key, self.seconds = folder / NAME, key, 60 * minutes
        self.latest: dict[str, Any] | None = None  # at the end of the last epoch
        self.written = time.monotonic()

    def read(self) -> dict[str, Any] | None:
        """The state to continue from; None without one, or if it is damaged or of another training, with a note."""
        if not self.path.is_file():
            return None
        content = self.path.read_bytes()
        if hashlib.sha256(content[DIGEST:]).hexdigest().encode() != content[:DIGEST]:
            log.warning("%s: is damaged; training starts again", self.path)
            return None
        values, tensors = unpack(content[DIGEST:])
        if values["key"] != self.key:
            log.info("%s: belongs to other settings, data or code; training starts again", self.path)
            return None
        state: dict[str, Any] = joined(values["training"], tensors)
        return state

    def keep(self, state: dict[str, Any]) -> None:
        """Take the state at the end of an epoch; write it if the last writing is long ago."""
        self.latest = state
        if time.monotonic() - self.written >= self.seconds:
            self.write()

    def write(self) -> None:
        """Write the latest state, if there is one; where it cannot be written, training goes on, with a warning."""
        if self.latest is None:
            return
        tensors: dict[str, torch.Tensor] = {}
        values = {"key": self.key, "training": parted(self.latest, "", tensors)}
        content = save(tensors, {"values": json.dumps(values)})
        self.written = time.monotonic()
        try:
            with files.replacing(self.path, durable=True) as temporary:
                temporary.write_bytes(hashlib.sha256(content).hexdigest().encode() + content)
        except UserError as error:
            log.warning("the state of the training is not saved: %s", error)

    def remove(self) -> None:
        """Remove the file, when the training has ended and its files are written."""
        self.path.unlink(missing_ok=True)


def parted(value: Any, name: str, tensors: dict[str, torch.Tensor]) -> Any:
    """`value` for JSON: nested mappings whose tensors are named instead, and put into `tensors`."""
    if isinstance(value, torch.Tensor):
        tensors[name] = value.contiguous()
        return {"tensor": name}
    if isinstance(value, dict):
        return {key: parted(part, f"{name}/{key}", tensors) for key, part in value.items()}
    return value


def joined(value: Any, tensors: Mapping[str, torch.Tensor]) -> Any:
    """The inverse of `parted`, but keys are strings and tuples lists."""
    if not isinstance(value, dict):
        return value
    if value.keys() == {"tensor"}:
        return tensors[value["tensor"]]
    return {key: joined(part, tensors) for key, part in value.items()}


def unpack(content: bytes) -> tuple[dict[str, Any], dict[str, torch.Tensor]]:
    """The values and the tensors of a state file's content, in the format of safetensors."""
    length = int.from_bytes(content[:8], "little")
    header = json.loads(content[8 : 8 + length])
    return json.loads(header["__metadata__"]["values"]), load(content)


@contextmanager
def alone(folder: Path) -> Iterator[None]:
    """Hold the lock of a run's folder; a UserError if another process trains in it, as after a kill of Snakemake alone.

    Where the file system knows no locks, there is none, with a warning.
    """
    path = folder / LOCK
    with files.writing_to(path):
        folder.mkdir(parents=True, exist_ok=True)
        file = path.open("w")
    with file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise UserError(f"{folder}: another process trains in this folder; wait for its end, or stop it") from None
        except OSError as error:
            log.warning("%s: cannot be locked: %s", path, error)
        yield
        path.unlink(missing_ok=True)


@contextmanager
def saving(saved: SavedState) -> Iterator[None]:
    """Write the latest state if the block ends early: at SIGTERM, at Ctrl-C, and at any error."""

    def stop(number: int, frame: object) -> None:
        raise Stopped

    before = signal.signal(signal.SIGTERM, stop)
    try:
        yield
    except BaseException as error:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        saved.write()
        if isinstance(error, Stopped):
            log.warning("stopped; the same command continues after the last finished epoch (%s)", saved.path)
            raise SystemExit(128 + signal.SIGTERM) from None
        raise
    finally:
        signal.signal(signal.SIGTERM, before)

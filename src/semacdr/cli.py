"""What all stages share on the command line: help that shows reads and writes, a log on stderr, errors for users."""

import argparse
import dataclasses
import gc
import logging
import os
import sys
import time
import typing
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, TypeVar

from semacdr.errors import UserError

log = logging.getLogger("semacdr")
T = TypeVar("T")


def parser(doc: str) -> argparse.ArgumentParser:
    """An argument parser whose description is the module docstring: what the stage reads and what it writes."""
    return argparse.ArgumentParser(description=doc, formatter_class=argparse.RawDescriptionHelpFormatter)


def run(main: Callable[[Sequence[str] | None], None]) -> None:
    """Run a stage's main on the command line's arguments; a UserError becomes a plain message and exit status 1."""
    gc.freeze()  # what was imported stays: no collection looks at it, nor does the one at the end, 0.3 s beside torch
    logging.basicConfig(stream=sys.stderr, level=logging.INFO, format="%(asctime)s %(message)s", datefmt="%H:%M:%S")
    for chatty in ("httpx2", "openai"):  # a line for each request
        logging.getLogger(chatty).setLevel(logging.WARNING)
    try:
        main(None)
    except UserError as error:
        sys.exit(f"error: {error}")


def resolve(kind: type[T], given: dict[str, Any], owner: str) -> T:
    """A settings dataclass from a JSON object; a UserError names a setting that does not exist or has another type."""
    fields = {field.name: field for field in dataclasses.fields(kind)}
    values = {}
    for name, value in given.items():
        if name not in fields:
            raise UserError(f"{owner} has no setting '{name}'; its settings are {', '.join(fields) or 'none'}")
        types = typing.get_args(fields[name].type) or (fields[name].type,)
        if float in types and type(value) is int:
            value = float(value)
        if not isinstance(value, types) or (isinstance(value, bool) and bool not in types):
            wanted = " or ".join(kind.__name__ for kind in types)
            raise UserError(f"{owner}: setting '{name}' is a {wanted}, not {value!r}")
        values[name] = value
    return kind(**values)


def available_cpus() -> int:
    """The number of CPUs this process may run on."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def peak_mb() -> float:
    """The most memory that this process has had, in MB."""
    try:  # getrusage would count that of the process that started it, too
        lines = Path("/proc/self/status").read_text().splitlines()
        return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM")) / 2**10
    except (OSError, StopIteration):  # no Linux
        import resource

        unit = 2**20 if sys.platform == "darwin" else 2**10
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / unit


def use_threads(threads: int | None) -> int:
    """Let torch use `threads` threads, never more than there are CPUs (spinning threads would stop each other)."""
    import torch

    threads = min(threads or available_cpus(), available_cpus())
    torch.set_num_threads(threads)
    return threads


class Progress:
    """How far long work is: a bar on a terminal, in a log file a line every `every` seconds."""

    def __init__(self, what: str, total: int | None, every: float = 20.0) -> None:
        self.what, self.total, self.terminal = what, total, sys.stderr.isatty()
        self.every = 0.2 if self.terminal else every
        self.start = self.shown = time.monotonic()

    def show(self, done: int, more: str = "") -> None:
        """Show that `done` are done, where it is time to."""
        now = time.monotonic()
        if now - self.shown >= self.every or (self.terminal and done == self.total):
            self.shown = now
            self._write(done, now - self.start, more)

    def _write(self, done: int, seconds: float, more: str) -> None:
        total = self.total
        share = f"{done:,}/{total:,} ({done / total:.0%})" if total else f"{done:,}"
        left = f", {seconds / done * (total - done):.0f} s left" if total and done else ""
        text = f"{self.what}: {share} in {seconds:.0f} s{left}{more}"
        if self.terminal:
            filled = int(30 * done / total) if total else 0
            sys.stderr.write(f"\r[{'#' * filled:<30}] {text}\x1b[K")
            sys.stderr.flush()
        else:
            log.info(text)

    def end(self) -> None:
        """Leave the bar as it stands."""
        if self.terminal:
            sys.stderr.write("\n")


def progress(items: Iterable[T], what: str, total: int | None = None, every: float = 20.0) -> Iterator[T]:
    """Yield the items and show how many are done."""
    total = len(items) if total is None and hasattr(items, "__len__") else total
    shown = Progress(what, total, every)
    for done, item in enumerate(items, 1):
        yield item
        shown.show(done)
    shown.end()

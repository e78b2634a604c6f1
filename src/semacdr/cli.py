"""What all stages share on the command line: help that shows reads and writes, a log on stderr, errors for users."""

import argparse
import logging
import os
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TypeVar

from semacdr.errors import UserError

log = logging.getLogger("semacdr")
T = TypeVar("T")


def parser(doc: str) -> argparse.ArgumentParser:
    """An argument parser whose description is the module docstring: what the stage reads and what it writes."""
    return argparse.ArgumentParser(description=doc, formatter_class=argparse.RawDescriptionHelpFormatter)


def run(main: Callable[[Sequence[str] | None], None]) -> None:
    """Run a stage's main on the command line's arguments; a UserError becomes a plain message and exit status 1."""
    logging.basicConfig(stream=sys.stderr, level=logging.INFO, format="%(asctime)s %(message)s", datefmt="%H:%M:%S")
    try:
        main(None)
    except UserError as error:
        sys.exit(f"error: {error}")


def available_cpus() -> int:
    """The number of CPUs this process may run on."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def use_threads(threads: int | None) -> int:
    """Let torch use `threads` threads, never more than there are CPUs (spinning threads would stop each other)."""
    import torch

    threads = min(threads or available_cpus(), available_cpus())
    torch.set_num_threads(threads)
    return threads


def progress(items: Iterable[T], what: str, total: int | None = None, every: float = 20.0) -> Iterator[T]:
    """Yield the items; show a bar on a terminal, or in a log file a line every `every` seconds."""
    total = len(items) if total is None and hasattr(items, "__len__") else total
    terminal, start = sys.stderr.isatty(), time.monotonic()
    shown = start
    for done, item in enumerate(items, 1):
        yield item
        now = time.monotonic()
        if now - shown >= (0.2 if terminal else every) or (terminal and done == total):
            shown = now
            _show(what, done, total, now - start, terminal)
    if terminal:
        sys.stderr.write("\n")


def _show(what: str, done: int, total: int | None, seconds: float, terminal: bool) -> None:
    share = f"{done:,}/{total:,} ({done / total:.0%})" if total else f"{done:,}"
    left = f", {seconds / done * (total - done):.0f} s left" if total else ""
    text = f"{what}: {share} in {seconds:.0f} s{left}"
    if terminal:
        filled = int(30 * done / total) if total else 0
        sys.stderr.write(f"\r[{'#' * filled:<30}] {text}\x1b[K")
        sys.stderr.flush()
    else:
        log.info(text)

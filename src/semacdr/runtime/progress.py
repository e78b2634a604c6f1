"""How far long work is: a bar on a terminal, lines in a log."""

import sys
import time
from collections.abc import Iterable, Iterator
from typing import TypeVar

from semacdr.runtime.cli import log

T = TypeVar("T")


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

"""Progress of long work: a line that is updated on a terminal, and an occasional line in a log."""

import logging
import sys
import time
from collections.abc import Iterable, Iterator, Sized
from typing import TypeVar

log = logging.getLogger("semacdr")
T = TypeVar("T")


class Progress:
    """The progress of one piece of work, measured in units of any kind or, with `megabytes`, in bytes.

    On a terminal it is one line that is overwritten; elsewhere a log line at most every `every` seconds, so that short
    work shows nothing. `start` units were done before; they do not count for the speed.
    """

    def __init__(
        self, what: str, total: int | None, every: float = 20.0, *, start: int = 0, megabytes: bool = False
    ) -> None:
        self.what, self.total, self.start, self.megabytes = what, total, start, megabytes
        self.terminal = sys.stderr.isatty()
        self.every = 0.2 if self.terminal else every
        self.begun = self.shown = time.monotonic()
        self._line_open = False

    def show(self, done: int, more: str = "") -> None:
        """Show that `done` units are done, if it is time to; `more` is added to the line."""
        now = time.monotonic()
        if now - self.shown >= self.every or (self.terminal and done == self.total):
            self.shown = now
            self._write(done, self._text(done, max(now - self.begun, 1e-9)) + more)

    def end(self) -> None:
        """Leave the line on the terminal as it is."""
        if self._line_open:
            sys.stderr.write("\n")
            self._line_open = False

    def _text(self, done: int, seconds: float) -> str:
        speed, total = (done - self.start) / seconds, self.total
        if self.megabytes:
            share = f" of {total / 1e6:,.1f} MB ({done / total:.0%})" if total else " MB"
            return f"{self.what}: {done / 1e6:,.1f}{share}, {speed / 1e6:,.2f} MB/s"
        share = f"{done:,}/{total:,} ({done / total:.0%})" if total else f"{done:,}"
        left = f", {(total - done) / speed:.0f} s left" if total and speed > 0 else ""
        return f"{self.what}: {share} in {seconds:.0f} s{left}"

    def _write(self, done: int, text: str) -> None:
        if self.terminal:
            bar = f"[{'#' * int(30 * done / self.total):<30}] " if self.total else ""
            sys.stderr.write(f"\r{bar}{text}\x1b[K")
            sys.stderr.flush()
            self._line_open = True
        else:
            log.info(text)


def progress(items: Iterable[T], what: str, total: int | None = None, every: float = 20.0) -> Iterator[T]:
    """Yield the items and show how many are done; `total` is their number where they have no length."""
    if total is None and isinstance(items, Sized):
        total = len(items)
    shown = Progress(what, total, every)
    try:
        for done, item in enumerate(items, 1):
            yield item
            shown.show(done)
    finally:
        shown.end()

"""Read the lines of a gzip file; count malformed lines by kind, and keep the first of each kind."""

import gzip
import zlib
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from semacdr.errors import UserError
from semacdr.runtime.progress import progress


class Malformed(ValueError):
    """A line that cannot be used; the arguments are the kind of defect and its details."""


@dataclass
class Tally:
    """How many lines a file has, how many of each kind are malformed, and the first of each kind.

    `unit` is what the file consists of: lines, or rows of a table.
    """

    path: Path
    lines: int = 0
    unit: str = "lines"
    malformed: Counter[str] = field(default_factory=Counter)
    firsts: dict[str, str] = field(default_factory=dict)  # by kind, in the order of the file

    def add(self, line: int, error: Malformed) -> None:
        """Count a malformed line."""
        kind, reason = error.args
        self.malformed[kind] += 1
        self.firsts.setdefault(kind, f"line {line}: {kind}: {reason}")

    def add_many(self, kind: str, count: int, first: str) -> None:
        """Count malformed rows of a kind, of which `first` is the first one in words."""
        if count:
            self.malformed[kind] += count
            self.firsts.setdefault(kind, first)

    def check(self, max_share: float) -> None:
        """Raise a UserError with file, line and reason where more than `max_share` of the lines are malformed."""
        bad = self.malformed.total()
        if bad > max_share * self.lines:
            first = next(iter(self.firsts.values()))
            kinds = ", ".join(f"{count:,} {kind}" for kind, count in self.malformed.most_common())
            raise UserError(
                f"{self.path}: {bad:,} of {self.lines:,} {self.unit} are malformed ({kinds}), more than the share of "
                f"{max_share:g} that preprocess.max_malformed_share allows. The first: {first}"
            )


def read_lines(path: Path) -> Iterator[tuple[int, bytes]]:
    """Yield number (from 1) and bytes of each line of a gzip file.

    A UserError names a file that is missing, has 0 bytes, is damaged or ends too early.
    """
    number = 0
    try:
        if not path.stat().st_size:
            raise UserError(f"{path}: the file has 0 bytes, so it is not a gzip file; fetch it again")
        with gzip.open(path, "rb") as file:
            for number, line in enumerate(progress(file, f"lines of {path.name}"), 1):
                yield number, line
    except EOFError as error:
        raise UserError(
            f"{path}: the gzip file is truncated (it ends after line {number:,}); fetch it again"
        ) from error
    except (gzip.BadGzipFile, zlib.error) as error:
        raise UserError(f"{path}: not a sound gzip file (after line {number:,}): {error}") from error
    except OSError as error:
        raise UserError(f"{path}: cannot be read: {error.strerror or error}") from error

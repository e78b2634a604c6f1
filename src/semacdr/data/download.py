"""Bring a long file over HTTP into a .part, over a flaky line and over several runs, and from there to its name.

Beside X.part lies X.part.json: which address the bytes are of, and what the server said of the file when it began.
"""

import json
import logging
import os
import re
import sys
import time
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from pathlib import Path

import requests
import urllib3

from semacdr.errors import UserError

log = logging.getLogger("semacdr")

CHUNK = 1 << 16
FIRST_WAIT, LONGEST_WAIT = 1.0, 300.0  # seconds between two attempts
TRANSIENT = {408, 425, 429}  # with all of 5xx: answers that another attempt may mend


class _Retry(Exception):
    """This attempt did not bring the file to its end, another may; `wait`: the seconds that the server asks for."""

    def __init__(self, why: str, wait: float = 0.0):
        super().__init__(why)
        self.wait = wait


@dataclass(frozen=True)
class _Remote:
    """What the server said of the file whose head a .part holds."""

    url: str
    etag: str | None = None
    modified: str | None = None
    total: int | None = None

    def differs(self, other: "_Remote") -> bool:
        """Whether something that both know is not the same."""
        return any(a != b for a, b in zip(asdict(self).values(), asdict(other).values(), strict=True) if a and b)

    def validator(self) -> str | None:
        """What If-Range may ask for: the ETag unless it is a weak one, which HTTP forbids there; else the date."""
        return self.etag if self.etag and not self.etag.startswith("W/") else self.modified


def download(url: str, part: Path, attempts: int, timeout: float) -> None:
    """Bring `part` to its end, resuming what it holds of this address.

    Attempts that get further than all before are as many as it takes. A UserError after `attempts` in a row that did
    not, with `part` kept for the next run, and at once where another attempt could not help (404 and the like).
    """
    furthest = failures = 0
    while True:
        before = size_of(part)
        try:
            return _attempt(url, part, timeout)
        except _Retry as problem:
            # Measured by the furthest point: where each attempt must start over, it is no progress to begin again.
            size = size_of(part)
            failures = 0 if size > max(before, furthest) else failures + 1
            furthest = max(furthest, size)
            if failures >= attempts:
                told = f"{failures} attempts in a row without progress, the last: {problem}"
                raise UserError(f"{url}: {told}; {size:,} bytes are in {part}, run again to resume") from problem
            wait = min(max(FIRST_WAIT * 2 ** max(failures - 1, 0), problem.wait), LONGEST_WAIT)
            log.info("%s: %s; %s bytes so far, again in %.0f s", part.name, problem, f"{size:,}", wait)
            time.sleep(wait)


def place(part: Path, output: Path) -> None:
    """Give a whole `part` its final name; on disk before it is named, so that not even a power cut leaves half."""
    _sync(part)
    part.replace(output)
    _sync(output.parent)
    _memory(part).unlink(missing_ok=True)


def forget(part: Path) -> None:
    """Remove `part` and what is remembered of it."""
    part.unlink(missing_ok=True)
    _memory(part).unlink(missing_ok=True)


def size_of(path: Path) -> int:
    """The file's size, 0 where there is none."""
    return path.stat().st_size if path.exists() else 0


def write_whole(path: Path, text: str) -> None:
    """Write a small file that is there with all of its text or not at all."""
    aside = Path(f"{path}.new")
    aside.write_text(text)
    _sync(aside)
    aside.replace(path)


def retry_after(text: str) -> float:
    """The seconds that a Retry-After header (seconds or a date) asks to wait; 0 where it says neither."""
    if text.strip().isdecimal():
        return float(text)
    try:
        moment = parsedate_to_datetime(text)
    except ValueError:
        return 0.0
    moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return max(0.0, (moment - datetime.now(UTC)).total_seconds())


def _attempt(url: str, part: Path, timeout: float) -> None:
    """One request that begins the part or resumes it; returns when it is whole, else a _Retry or a UserError."""
    known = _recall(url, part)
    start = size_of(part)
    headers = {"Accept-Encoding": "identity"}
    if start:
        headers["Range"] = f"bytes={start}-"
        if validator := known.validator():
            headers["If-Range"] = validator
    try:
        with requests.get(url, headers=headers, stream=True, timeout=timeout) as response:
            total = _accept(response, part, known, start)
            if response.ok:
                _append(response, part, total)
    except (requests.ConnectionError, requests.Timeout, urllib3.exceptions.HTTPError) as error:
        raise _Retry(str(error)) from error
    except requests.RequestException as error:
        raise UserError(f"{url}: cannot be asked for: {error}") from error
    if total is not None and size_of(part) != total:
        raise _Retry(f"the server ended after {size_of(part):,} of {total:,} bytes")


def _accept(response: requests.Response, part: Path, known: _Remote, start: int) -> int | None:
    """Judge the answer's head and leave the part as its body continues it; the whole file's size, None if unsaid."""
    code, headers = response.status_code, response.headers
    if code in TRANSIENT or code >= 500:
        raise _Retry(f"HTTP {code} {response.reason}", retry_after(headers.get("Retry-After", "")))
    span = re.fullmatch(r"bytes (?:(\d+)-\d+|\*)/(?:(\d+)|\*)", headers.get("Content-Range", ""))
    size = span[2] if span else headers.get("Content-Length") if code == 200 else None
    size = int(size) if size and size.isdecimal() else None
    remote = _Remote(known.url, headers.get("ETag"), headers.get("Last-Modified"), size)
    total = remote.total or known.total
    if code == 200:
        forget(part)  # before the new file is remembered: a kill in between must not pair it with the old one's bytes
        write_whole(_memory(part), json.dumps(asdict(remote)))
        return remote.total
    if not start or code not in (206, 416):  # these two answer a Range only
        raise UserError(f"{response.url}: the server answers {code} {response.reason}; check address and category")
    resumes = code == 206 and span is not None and span[1] is not None and int(span[1]) == start
    # Nothing was left to ask for: an earlier run was stopped between the last byte and the final name.
    complete = code == 416 and start == total
    if remote.differs(known) or not (resumes or complete):
        forget(part)
        raise _Retry(f"HTTP {code} does not continue the file begun, start over")
    return total


def _append(response: requests.Response, part: Path, total: int | None) -> None:
    """Append the body to the part as it is sent."""
    meter = _Meter(part.name, size_of(part), total)
    with part.open("ab") as file:
        # read1 hands over what has arrived, so that a stall loses nothing; undecoded, since the gzip itself is wanted.
        try:
            while chunk := response.raw.read1(CHUNK, decode_content=False):
                file.write(chunk)
                meter.add(len(chunk))
        finally:
            meter.close()


class _Meter:
    """Shows the bytes done, the total and the speed: on a terminal in one line that moves, in a log now and then."""

    def __init__(self, name: str, done: int, total: int | None):
        self.name, self.start, self.done, self.total = name, done, done, total
        self.terminal = sys.stderr.isatty()
        self.begun = self.shown = time.monotonic()

    def add(self, count: int) -> None:
        """Count bytes that came; shows a line if it is time."""
        self.done += count
        now = time.monotonic()
        last = self.done == self.total
        if now - self.shown < (0.2 if self.terminal else 20.0) and not last:
            return
        self.shown, speed = now, (self.done - self.start) / max(now - self.begun, 1e-9)
        share = f" of {self.total / 1e6:,.1f} MB ({self.done / self.total:.0%})" if self.total else " MB"
        text = f"{self.name}: {self.done / 1e6:,.1f}{share}, {speed / 1e6:,.2f} MB/s"
        if self.terminal:
            print(f"\r{text}\x1b[K", end="", file=sys.stderr, flush=True)
        else:
            log.info(text)

    def close(self) -> None:
        """Leave the terminal's line, so that what is said next stands on its own."""
        if self.terminal:
            print(file=sys.stderr)


def _recall(url: str, part: Path) -> _Remote:
    """What is remembered of the part; one of another address, or of which nothing can be read, is dropped."""
    try:
        known = _Remote(**json.loads(_memory(part).read_text()))
    except (FileNotFoundError, ValueError, TypeError):
        known = None
    if known is None or known.url != url:
        forget(part)
        known = _Remote(url)
    return known


def _memory(part: Path) -> Path:
    return Path(f"{part}.json")


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)

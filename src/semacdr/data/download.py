"""Download a large file over HTTP, resuming after interruptions within a run and across runs.

The bytes go to X.part. X.part.json records their address and what the server's headers said about the file, so that a
later run appends only to bytes of the same file. The complete file is renamed to its final name.
"""

import json
import logging
import re
import time
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from pathlib import Path

import requests
import urllib3

from semacdr.errors import UserError
from semacdr.runtime.progress import Progress
from semacdr.storage.files import sync, write_text

log = logging.getLogger("semacdr")

CHUNK = 1 << 16
FIRST_WAIT, LONGEST_WAIT = 1.0, 300.0  # seconds between two attempts
TRANSIENT = {408, 425, 429}  # with all of 5xx: answers after which another attempt may succeed


class _Retry(Exception):
    """An attempt failed, but another may succeed; `wait` is the number of seconds that the server asks to wait."""

    def __init__(self, why: str, wait: float = 0.0) -> None:
        super().__init__(why)
        self.wait = wait


@dataclass(frozen=True)
class _Remote:
    """What the server's headers said about the file whose beginning a .part holds."""

    url: str
    etag: str | None = None
    modified: str | None = None
    total: int | None = None

    def differs(self, other: "_Remote") -> bool:
        """Whether the two disagree on a value that both have."""
        return any(a != b for a, b in zip(asdict(self).values(), asdict(other).values(), strict=True) if a and b)

    def validator(self) -> str | None:
        """The value for If-Range: the ETag, or the date if the ETag is weak, as HTTP does not allow weak ones there."""
        return self.etag if self.etag and not self.etag.startswith("W/") else self.modified


def download(url: str, part: Path, attempts: int, timeout: float) -> None:
    """Download the file at `url` to `part`, resuming if `part` already holds the beginning of it.

    Attempts continue as long as they make progress. Raises a UserError after `attempts` attempts in a row without
    progress (`part` is kept for the next run), and at once if another attempt cannot help (404 and the like).
    """
    furthest = failures = 0
    while True:
        before = size_of(part)
        try:
            return _attempt(url, part, timeout)
        except _Retry as problem:
            # Progress is a new furthest point: a server that cannot resume would otherwise be asked forever.
            size = size_of(part)
            failures = 0 if size > max(before, furthest) else failures + 1
            furthest = max(furthest, size)
            if failures >= attempts:
                message = f"{failures} attempts in a row without progress, the last: {problem}"
                raise UserError(f"{url}: {message}; {size:,} bytes are in {part}, run again to resume") from problem
            wait = min(max(FIRST_WAIT * 2 ** max(failures - 1, 0), problem.wait), LONGEST_WAIT)
            log.info("%s: %s; %s bytes so far, again in %.0f s", part.name, problem, f"{size:,}", wait)
            time.sleep(wait)


def finish(part: Path, output: Path) -> None:
    """Rename a complete `part` to its final name, after its bytes are on the disk."""
    sync(part)
    part.replace(output)
    sync(output.parent)
    _record_path(part).unlink(missing_ok=True)


def discard(part: Path) -> None:
    """Remove `part` and its record."""
    part.unlink(missing_ok=True)
    _record_path(part).unlink(missing_ok=True)


def size_of(path: Path) -> int:
    """The file's size in bytes, 0 if it does not exist."""
    return path.stat().st_size if path.exists() else 0


def retry_after(text: str) -> float:
    """The seconds that a Retry-After header (seconds or a date) asks to wait; 0 if it is neither."""
    if text.strip().isdecimal():
        return float(text)
    try:
        moment = parsedate_to_datetime(text)
    except ValueError:
        return 0.0
    moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return max(0.0, (moment - datetime.now(UTC)).total_seconds())


def _attempt(url: str, part: Path, timeout: float) -> None:
    """Begin or resume the part with one request; a _Retry or a UserError unless it is complete afterwards."""
    known = _read_record(url, part)
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
        raise UserError(f"{url}: the request is not possible: {error}") from error
    if total is not None and size_of(part) != total:
        raise _Retry(f"the server ended after {size_of(part):,} of {total:,} bytes")


def _accept(response: requests.Response, part: Path, known: _Remote, start: int) -> int | None:
    """Check the response's headers and make the part one that its body continues.

    Returns the size of the whole file in bytes, or None if the server does not say it.
    """
    code, headers = response.status_code, response.headers
    if code in TRANSIENT or code >= 500:
        raise _Retry(f"HTTP {code} {response.reason}", retry_after(headers.get("Retry-After", "")))
    span = re.fullmatch(r"bytes (?:(\d+)-\d+|\*)/(?:(\d+)|\*)", headers.get("Content-Range", ""))
    size = span[2] if span else headers.get("Content-Length") if code == 200 else None
    size = int(size) if size and size.isdecimal() else None
    remote = _Remote(known.url, headers.get("ETag"), headers.get("Last-Modified"), size)
    total = remote.total or known.total
    if code == 200:
        discard(part)  # before the new record: a kill in between must not leave it with the old bytes
        write_text(_record_path(part), json.dumps(asdict(remote)), durable=True)
        return remote.total
    if not start or code not in (206, 416):  # these two answer a Range only
        raise UserError(
            f"{response.url}: the server answers {code} {response.reason}; check the address and the category"
        )
    resumes = code == 206 and span is not None and span[1] is not None and int(span[1]) == start
    # The part was complete: an earlier run was stopped between the last byte and the renaming.
    complete = code == 416 and start == total
    if remote.differs(known) or not (resumes or complete):
        discard(part)
        raise _Retry(f"HTTP {code} does not continue the part; start over")
    return total


def _append(response: requests.Response, part: Path, total: int | None) -> None:
    """Append the body to the part as it arrives."""
    done = size_of(part)
    shown = Progress(part.name, total, start=done, megabytes=True)
    with part.open("ab") as file:
        # read1 returns what has arrived, so a stall loses nothing. The body is not decoded: the gzip bytes are wanted.
        try:
            while chunk := response.raw.read1(CHUNK, decode_content=False):
                file.write(chunk)
                done += len(chunk)
                shown.show(done)
        finally:
            shown.end()


def _read_record(url: str, part: Path) -> _Remote:
    """The record of the part; a part of another address or without a readable record is removed."""
    try:
        known = _Remote(**json.loads(_record_path(part).read_text()))
    except (FileNotFoundError, ValueError, TypeError):
        known = None
    if known is None or known.url != url:
        discard(part)
        known = _Remote(url)
    return known


def _record_path(part: Path) -> Path:
    return Path(f"{part}.json")

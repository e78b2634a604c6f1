"""A scripted server of raw files on loopback that stalls, drops and lies, and a client that downloads from it."""

import gzip
import hashlib
import json
import random
import re
import threading
from pathlib import Path

import loopback
import pytest
from loopback import Handler

from semacdr.errors import UserError
from semacdr.stages import raw


def packed(seed: int, size: int = 300_000) -> bytes:
    return gzip.compress(random.Random(seed).randbytes(size), mtime=0)


OLD, NEW = packed(1), packed(2)
SHA256 = hashlib.sha256(OLD).hexdigest()


def status(code: int, **headers: str):
    def step(handler: Handler) -> None:
        handler.respond(code, headers={name.replace("_", "-"): value for name, value in headers.items()})

    return step


def serve(
    body: bytes = OLD,
    stop: int | None = None,
    *,
    then: str = "drop",
    ranges: bool = True,
    etag: str | None = '"one"',
    modified: str | None = None,
    length: int | None = None,
    honest: bool = True,
    **more: str,
):
    """A step that serves the body: `stop` bytes of what is asked for, `then` drops, stalls or trickles.

    `length`: the whole size that the head tells instead of the truth; `honest`: whether it also tells one at all.
    """

    def step(handler: Handler) -> None:
        asked = re.fullmatch(r"bytes=(\d+)-", handler.headers.get("Range", "")) if ranges else None
        if handler.headers.get("If-Range", etag) not in (etag, modified):
            asked = None
        start, whole = int(asked[1]) if asked else 0, length or len(body)
        if asked and start >= whole:
            return status(416, Content_Range=f"bytes */{whole}")(handler)
        heads = {"ETag": etag, "Last-Modified": modified, **more}
        heads |= {"Content-Range": f"bytes {start}-{whole - 1}/{whole}"} if asked else {}
        heads |= {"Content-Length": str(whole - start)} if honest else {}
        handler.head(206 if asked else 200, heads)
        rest = body[start:]
        handler.wfile.write(rest if stop is None else rest[:stop])
        if then == "stall":
            handler.server.over.wait(5)
        while then == "trickle" and not handler.server.over.wait(0.02):
            handler.wfile.write(bytes(100))

    return step


class Server(loopback.Server):
    """Answers each request by the next step of its script; the last step serves all that follow."""

    path = "/reviews_{category}.json.gz"

    def __init__(self):
        self.over, self.script, self.seen = threading.Event(), [serve()], []
        super().__init__()

    def get(self, handler: Handler) -> None:
        step = self.script[min(len(self.seen), len(self.script) - 1)]
        self.seen.append({name.lower(): value for name, value in handler.headers.items()} | {"path": handler.path})
        step(handler)

    def handle_error(self, *args):
        pass  # clients hang up here on purpose


class Place:
    """The target of a download, and the command that makes it."""

    def __init__(self, folder: Path, url: str):
        self.output = folder / "raw" / "tiny" / "reviews_Books.json.gz"
        self.part = Path(f"{self.output}.part")
        self.memory = Path(f"{self.part}.json")
        self.checksums = folder / "checksums"
        self.record = self.checksums / "tiny" / "reviews_Books.json.gz.sha256"
        self.url = url

    def arguments(self, *more: str) -> list[str]:
        what = ["--source", "download", "--release", "tiny", "--category", "Books", "--kind", "reviews"]
        return [*what, "--output", str(self.output), "--url", self.url, "--timeout", "0.4", *more]

    def get(self, *more: str) -> bytes:
        raw.main(self.arguments(*more))
        assert sorted(path.name for path in self.output.parent.iterdir()) == [self.output.name], "something left over"
        return self.output.read_bytes()

    def begun(self, head: bytes, etag: str = '"one"', total: int = len(OLD)) -> None:
        """Leave the files of a run that was stopped after these bytes."""
        self.part.parent.mkdir(parents=True)
        self.part.write_bytes(head)
        url = self.url.replace("{category}", "Books")
        self.memory.write_text(json.dumps({"url": url, "etag": etag, "modified": None, "total": total}))


def refused(place: Place, *more: str) -> str:
    """The message of a run that must end with a UserError and without a file under the final name."""
    with pytest.raises(UserError) as caught:
        raw.main(place.arguments(*more))
    assert not place.output.exists()
    return str(caught.value)

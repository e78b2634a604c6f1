"""The folder of batches: files of requests, their results, and `state.json`, which says how far each batch is.

NNNNN.jsonl             the requests of a batch, one per line; custom_id is the request's key in the store of answers
NNNNN.answers.jsonl     its answers, fetched, or made by vLLM's run-batch; NNNNN.errors.jsonl its errors
NNNNN.unanswered.jsonl  the requests without an answer, and why

A file under its final name is complete; the state is noted before and after each step.
"""

import uuid
from collections.abc import Callable, Container, Iterable, Iterator
from pathlib import Path
from typing import Literal, TypeVar

import msgspec
from filelock import FileLock, Timeout

from semacdr.errors import UserError
from semacdr.llm.limits import estimate_tokens
from semacdr.llm.requests import Request
from semacdr.runtime.cli import log

MOST_REQUESTS, MOST_BYTES = 50_000, 190_000_000  # of a file; OpenAI allows 50,000 requests and 200 MB
ROUTE: Literal["/v1/chat/completions"] = "/v1/chat/completions"
Line = TypeVar("Line")


class Batch(msgspec.Struct):
    """A file of requests to one model, and its progress."""

    name: str
    model: str
    weights: str
    requests: int = 0
    tokens: int = 0  # estimated tokens of its prompts
    most: float = 0.0  # upper limit of its cost in dollars
    step: str = "written"  # then submitted, collected, and over when its run is over
    id: str = ""  # at the endpoint


class Unanswered(msgspec.Struct):
    """A request without an answer; `final` where the endpoint would refuse it again."""

    custom_id: str
    why: str
    final: bool = False


class Response(msgspec.Struct):
    """The response of an endpoint to one request."""

    status_code: int = 0
    body: dict | None = None


class Result(msgspec.Struct):
    """A line of an answers or errors file."""

    custom_id: str
    response: Response | None = None
    error: dict | str | None = None


class _State(msgspec.Struct):
    run: str = msgspec.field(
        default_factory=lambda: uuid.uuid4().hex
    )  # distinguishes this folder's batches from all others
    batches: list[Batch] = []


class _Name(msgspec.Struct):
    custom_id: str


class _Line(_Name):
    body: dict


class BatchFolder:
    """The folder at `path`, created if needed and locked against other processes until it is closed."""

    def __init__(self, path: Path) -> None:
        self.path, self.file = path, path / "state.json"
        try:
            path.mkdir(parents=True, exist_ok=True)
            self.lock = FileLock(path / "lock")
            self.lock.acquire(timeout=0)
        except Timeout:
            raise UserError(f"{path}: another process uses this folder of batches; give each job its own") from None
        except OSError as error:
            raise UserError(f"{path}: cannot be used as a folder of batches: {error}") from error
        try:
            self.state = msgspec.json.decode(self.file.read_bytes(), type=_State) if self.file.exists() else _State()
        except msgspec.DecodeError as error:
            self.lock.release()
            raise UserError(f"{self.file}: not a state of batches: {error}") from error

    def __enter__(self) -> "BatchFolder":
        return self

    def __exit__(self, *_: object) -> None:
        self.lock.release()

    def at(self, *steps: str) -> list[Batch]:
        """The batches at one of these steps, in order."""
        return [batch for batch in self.state.batches if batch.step in steps]

    def note(self) -> None:
        """Write the state."""
        self._replace(self.file, [msgspec.json.format(msgspec.json.encode(self.state), indent=1)])

    def path_of(self, batch: Batch, kind: str = "") -> Path:
        """The file of a batch: its requests, or answers, errors, unanswered."""
        return self.path / f"{batch.name}{kind and '.'}{kind}.jsonl"

    def metadata(self, batch: Batch) -> dict[str, str]:
        """The metadata by which a batch is found at the endpoint."""
        return {"semacdr_run": self.state.run, "semacdr_batch": batch.name}

    def write(
        self, requests: Iterable[Request], most: Callable[[Request], float], most_tokens: float
    ) -> Iterator[Batch]:
        """Write files of the requests; each batch is noted and yielded before the requests of the next one are read.

        `most` gives the most dollars that a request can cost; the prompts of a file have at most `most_tokens` tokens.
        """
        lines, size, batch = [], 0, None
        for request in requests:
            entry = {"custom_id": request.key.hex(), "method": "POST", "url": ROUTE, "body": request.body}
            line = msgspec.json.encode(entry) + b"\n"
            kind, tokens = (request.body["model"], request.weights), estimate_tokens(request)
            if batch and (
                batch.requests == MOST_REQUESTS
                or size + len(line) > MOST_BYTES
                or batch.tokens + tokens > most_tokens
                or kind != (batch.model, batch.weights)
            ):
                yield self._written(batch, lines)
                lines, size, batch = [], 0, None
            batch = batch or Batch(f"{len(self.state.batches):05}", *kind)
            batch.requests += 1
            batch.tokens += tokens
            batch.most += most(request)
            lines.append(line)
            size += len(line)
        if batch:
            yield self._written(batch, lines)

    def _written(self, batch: Batch, lines: list[bytes]) -> Batch:
        self._replace(self.path_of(batch), lines)
        self.state.batches.append(batch)
        self.note()
        log.info("%s: %s requests", self.path_of(batch), f"{batch.requests:,}")
        return batch

    def drop(self, batch: Batch) -> None:
        """Forget a batch that was never submitted."""
        batch.step = "over"
        self.note()
        self.path_of(batch).unlink(missing_ok=True)

    def keys(self, batch: Batch) -> Iterator[bytes]:
        """The keys of a batch's requests."""
        return (bytes.fromhex(line.custom_id) for line in _lines(self.path_of(batch), _Name))

    def requests(self, batch: Batch, wanted: Container[bytes]) -> Iterator[Request]:
        """Those requests of a batch whose keys are wanted."""
        for line in _lines(self.path_of(batch), _Line):
            if bytes.fromhex(line.custom_id) in wanted:
                yield Request(f"request {line.custom_id[:12]}", line.body, batch.weights)

    def results(self, batch: Batch) -> Iterator[Result]:
        """All results of a batch. Damaged lines are left out with a warning, and so count as no answer."""
        for kind in ("answers", "errors"):
            path = self.path_of(batch, kind)
            if path.exists():
                yield from _lines(path, Result, lenient=True)

    def unanswered(self, batch: Batch) -> Iterator[Unanswered]:
        """The requests without an answer of a collected batch."""
        return _lines(self.path_of(batch, "unanswered"), Unanswered)

    def collected(self, batch: Batch, unanswered: Iterable[Unanswered]) -> None:
        """Note that a batch's answers are in the store, and which requests have none."""
        self._replace(self.path_of(batch, "unanswered"), (msgspec.json.encode(one) + b"\n" for one in unanswered))
        batch.step = "collected"
        self.note()

    def end(self) -> None:
        """Note that the run is over; a later run asks again for what failed."""
        for batch in self.at("collected"):
            batch.step = "over"
        self.note()

    @staticmethod
    def _replace(path: Path, lines: Iterable[bytes]) -> None:
        new = path.with_name(f"{path.name}.new")
        with new.open("wb") as file:
            file.writelines(lines)
        new.replace(path)


def _lines(path: Path, kind: type[Line], lenient: bool = False) -> Iterator[Line]:
    decode = msgspec.json.Decoder(kind).decode
    try:
        with path.open("rb") as file:
            for number, line in enumerate(file, 1):
                try:
                    yield decode(line)
                except ValueError as error:
                    if not lenient:
                        raise UserError(f"{path}: line {number} is damaged: {error}") from error
                    if line.strip():
                        log.warning("%s: line %d is left out: %s", path, number, error)
    except OSError as error:
        raise UserError(f"{path}: cannot be read: {error.strerror or error}") from error

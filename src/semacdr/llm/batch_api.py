"""The Batch API of an endpoint: submit a file, wait for its batch, fetch what came of it; patient with failures."""

import itertools
import time
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import httpx2
import openai
from openai.types import Batch as Remote

from semacdr.llm.batch_folder import ROUTE
from semacdr.llm.endpoint import Endpoint
from semacdr.runtime.cli import log

ENDED = ("completed", "failed", "expired", "cancelled")
PATIENCE = 60  # polls in vain before a run gives up: an hour without the endpoint ends none
PASSING = (openai.APIConnectionError, openai.InternalServerError, openai.RateLimitError, httpx2.HTTPError)
T = TypeVar("T")


class BatchApi:
    """The Batch API at `endpoint`, asked every `poll` seconds."""

    def __init__(self, endpoint: Endpoint, poll: float) -> None:
        self.endpoint, self.poll = endpoint, poll
        self.client = openai.OpenAI(
            api_key=endpoint.key(), base_url=endpoint.url, max_retries=endpoint.retries, timeout=endpoint.timeout
        )

    def find(self, metadata: dict[str, str]) -> str | None:
        """The id of the batch that was submitted with this metadata, if there is one."""
        for there in self._patiently(lambda: list(self.client.batches.list(limit=100))):
            if metadata.items() <= (there.metadata or {}).items():
                return there.id
        return None

    def submit(self, path: Path, metadata: dict[str, str]) -> str:
        """Submit a file of requests, once: the id of its batch."""

        def upload() -> str:
            with path.open("rb") as file:
                return self.client.files.create(file=file, purpose="batch").id

        def create() -> str:
            # Not by the client's own retries: a batch whose confirmation was lost would be submitted, and paid, twice.
            return self.client.with_options(max_retries=0).batches.create(
                input_file_id=uploaded, endpoint=ROUTE, completion_window="24h", metadata=metadata
            ).id  # fmt: skip

        uploaded = self._patiently(upload)
        return self._patiently(create, look_first=lambda: self.find(metadata))

    def wait(self, name: str) -> Remote:
        """The batch when it has ended."""
        shown = None
        while (there := self._patiently(lambda: self.client.batches.retrieve(name))).status not in ENDED:
            counts = there.request_counts
            state = f"{there.status}, {counts.completed:,} of {counts.total:,} done" if counts else there.status
            if state != shown:
                log.info("batch %s: %s", name, state)
            shown = state
            time.sleep(self.poll)
        return there

    def fetch(self, file: str | None, path: Path) -> None:
        """Fetch a file that the endpoint made, if it made one; under its name it is whole."""
        path.unlink(missing_ok=True)
        if not file:
            return

        def fetch() -> None:
            new = path.with_name(f"{path.name}.new")
            with self.client.files.with_streaming_response.content(file) as response:
                response.stream_to_file(new)
            new.replace(path)

        self._patiently(fetch)

    def _patiently(self, call: Callable[[], T], look_first: Callable[[], T | None] = lambda: None) -> T:
        """What `call` returns, tried again while the endpoint is out of reach, when `look_first` is asked first."""
        for again in itertools.count():
            try:
                return (look_first() if again else None) or call()
            except PASSING as error:
                if getattr(error, "code", None) == "insufficient_quota" or again + 1 >= PATIENCE:
                    raise
                log.warning("again in %g s: %s: %s", self.poll, type(error).__name__, self.endpoint.redact(error))
                time.sleep(self.poll)

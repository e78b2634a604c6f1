"""The Batch API of an endpoint: submit a file, wait for its batch, fetch its results; passing failures are retried."""

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
PATIENCE = 60  # failures in a row before a run gives up: an endpoint may be away for an hour
PASSING = (openai.APIConnectionError, openai.InternalServerError, openai.RateLimitError, httpx2.HTTPError)
T = TypeVar("T")


class BatchApi:
    """The Batch API at `endpoint`; its batches are looked at every `poll` seconds."""

    def __init__(self, endpoint: Endpoint, poll: float) -> None:
        self.endpoint, self.poll = endpoint, poll
        timeout = endpoint.running.timeout
        http = endpoint.open_http(httpx2.Client, timeout=timeout, follow_redirects=True)
        self.client = openai.OpenAI(
            api_key=endpoint.key(), base_url=endpoint.url, max_retries=0, timeout=timeout, http_client=http
        )  # _patiently alone repeats a call: the client's own retries would submit, and pay for, a batch twice

    def find(self, metadata: dict[str, str]) -> str | None:
        """The id of the batch that was submitted with this metadata, or None."""
        for remote in self._patiently(lambda: list(self.client.batches.list(limit=100))):
            if metadata.items() <= (remote.metadata or {}).items():
                return remote.id
        return None

    def submit(self, path: Path, metadata: dict[str, str]) -> str:
        """Submit a file of requests, once; returns the id of its batch."""

        def upload() -> str:
            with path.open("rb") as file:
                return self.client.files.create(file=file, purpose="batch").id

        def create() -> str:
            return self.client.batches.create(
                input_file_id=uploaded, endpoint=ROUTE, completion_window="24h", metadata=metadata
            ).id  # fmt: skip

        uploaded = self._patiently(upload)
        return self._patiently(create, look_first=lambda: self.find(metadata))

    def wait(self, name: str) -> Remote:
        """Wait until the batch has ended, and return it."""
        shown = None
        while (remote := self._patiently(lambda: self.client.batches.retrieve(name))).status not in ENDED:
            counts = remote.request_counts
            state = f"{remote.status}, {counts.completed:,} of {counts.total:,} done" if counts else remote.status
            if state != shown:
                log.info("batch %s: %s", name, state)
            shown = state
            time.sleep(self.poll)
        return remote

    def fetch(self, file: str | None, path: Path) -> None:
        """Fetch a file of results if there is one. Under its final name the file is complete."""
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
        """The result of `call`, repeated after passing failures; before a repeat `look_first` may find the result."""
        failures = 0
        while True:
            try:
                return (look_first() if failures else None) or call()
            except PASSING as error:
                if getattr(error, "code", None) == "insufficient_quota" or failures + 1 >= PATIENCE:
                    raise
                log.warning("next try in %g s: %s", self.poll, self.endpoint.explain(error))
                time.sleep(self.poll)
                failures += 1

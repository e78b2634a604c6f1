"""Ask by files of requests: OpenAI's Batch API (within a day, at half the price) or vLLM's run-batch.

Each step is noted in the folder before and after it happens. A run that was stopped therefore continues where it was,
even days later: it waits for submitted batches, collects finished ones, and pays for nothing twice.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from math import inf
from pathlib import Path

import httpx2
import openai

from semacdr.errors import UserError
from semacdr.llm.batch_api import BatchApi
from semacdr.llm.batch_folder import Batch, BatchFolder, Result, Unanswered
from semacdr.llm.endpoint import REFUSED, Endpoint
from semacdr.llm.limits import Bill
from semacdr.llm.options import Running
from semacdr.llm.requests import Answer, NoAnswer, Request, answer_of
from semacdr.runtime.cli import log

Keep = Callable[[bytes, str, str, Answer], bool]  # stores key, model, weights, answer; False: already stored


@dataclass
class Failure:
    """How often a request failed, and the last reason."""

    times: int = 0
    why: str = ""
    final: bool = False


class BatchRun:
    """Asks many requests by batches in a folder. Without an endpoint it only writes files for vLLM's run-batch."""

    def __init__(self, endpoint: Endpoint | None, bill: Bill, keep: Keep, folder: Path, poll: float = 60.0) -> None:
        self.endpoint, self.bill, self.keep, self.path = endpoint, bill, keep, folder
        self.api = BatchApi(endpoint, poll) if endpoint else None
        running = endpoint.running if endpoint else Running()
        self.passes = running.retry_passes
        self.most_tokens = running.queued_tokens or inf
        self.wanted: set[bytes] = set()
        self.failures: dict[bytes, Failure] = {}
        self.ended: list[Batch] = []  # collected, with failures that were not asked for again yet
        self.left_out = 0  # requests that the budget did not allow

    def run(self, requests: Iterable[Request]) -> dict[bytes, NoAnswer]:
        """Ask all requests. Returns, by key, why some have no answer: they were refused, or failed in every pass.

        A UserError where it makes no sense to continue; all answers that arrived are kept.
        """
        with BatchFolder(self.path) as self.folder:
            try:
                return self._run(requests)
            except (openai.OpenAIError, httpx2.HTTPError) as error:
                assert self.endpoint  # without one nothing is sent
                raise UserError(
                    f"{self.endpoint.url}: {self.endpoint.explain(error)}\nBatches under way are noted in {self.path}; "
                    "the same command continues with them"
                ) from None

    def _run(self, requests: Iterable[Request]) -> dict[bytes, NoAnswer]:
        self._resume()
        self._send(self._unasked(requests))
        while True:
            for batch in self.folder.at("submitted"):
                self._collect(batch)
            if not self.ended:
                break
            ended, self.ended = self.ended, []
            self._send(self._failed_in(ended))
        self._wait_for_files()
        if self.left_out:
            raise UserError(
                f"the budget of ${self.bill.budget:.2f} left out {self.left_out:,} requests; all others are answered"
            )
        self.folder.end()
        failures = ((key, failure) for key, failure in self.failures.items() if key in self.wanted)
        return {key: NoAnswer(failure.why, failure.final) for key, failure in failures}

    def _resume(self) -> None:
        """Continue with the batches of an earlier process."""
        for batch in self.folder.at("collected"):
            self._failed(self.folder.unanswered(batch))
        if self.api is None and self.folder.at("submitted"):
            raise UserError(
                f"{self.path} holds batches that were submitted to an endpoint; collect them with llm.run_batch false"
            )
        for batch in self.folder.at("written") if self.api else []:
            if self.folder.path_of(batch, "answers").exists():  # made by run-batch
                continue
            assert self.api
            batch.id = self.api.find(self.folder.metadata(batch)) or ""
            if batch.id:
                batch.step = "submitted"
                self.folder.note()
            else:  # never submitted, so not paid: requests that are still wanted are written again
                self.folder.drop(batch)
        self.bill.reserved += sum(batch.most for batch in self.folder.at("written", "submitted"))

    def _unasked(self, requests: Iterable[Request]) -> Iterator[Request]:
        """The requests that are neither under way nor known to fail; notes the keys of all."""
        files = self.folder.at("written", "submitted")
        under_way = {key: place for place, batch in enumerate(files) for key in self.folder.keys(batch)}
        awaited = set()
        for request in requests:
            key = request.key
            self.wanted.add(key)
            if key in under_way:
                awaited.add(under_way[key])
            elif self._worth_asking(key):
                yield request
        for place, batch in enumerate(files):  # of an older prompt, and unanswered
            if batch.step == "written" and place not in awaited and not self._has_answers(batch):
                self.bill.settle(batch.most, None)
                self.folder.drop(batch)

    def _failed_in(self, batches: Iterable[Batch]) -> Iterator[Request]:
        """The requests to ask again after batches have ended; those of an older prompt are left out."""
        for batch in batches:
            failed = (bytes.fromhex(one.custom_id) for one in self.folder.unanswered(batch))
            again = {key for key in failed if key in self.wanted and self._worth_asking(key)}
            if again:
                yield from self.folder.requests(batch, again)

    def _worth_asking(self, key: bytes) -> bool:
        failure = self.failures.get(key)
        return failure is None or not (failure.final or failure.times >= self.passes)

    def _send(self, requests: Iterator[Request]) -> None:
        """Write and submit batches of the requests, as many at once as the endpoint's queue takes."""
        for batch in self.folder.write(self._affordable(requests), self.bill.most, self.most_tokens):
            if self.api is None:
                continue
            while (queue := self.folder.at("submitted")) and (
                sum(other.tokens for other in queue) + batch.tokens > self.most_tokens
            ):
                self._collect(queue[0])
            batch.id = self.api.submit(self.folder.path_of(batch), self.folder.metadata(batch))
            batch.step = "submitted"
            self.folder.note()
            log.info("%s is batch %s", self.folder.path_of(batch), batch.id)
        for batch in self.folder.at("written"):
            if self._has_answers(batch):
                self._collect(batch)

    def _affordable(self, requests: Iterable[Request]) -> Iterator[Request]:
        for request in requests:
            if self.bill.reserve(request) is None:
                self.left_out += 1
            else:
                yield request

    def _has_answers(self, batch: Batch) -> bool:
        return self.folder.path_of(batch, "answers").exists()

    def _wait_for_files(self) -> None:
        """Without an endpoint: a UserError with the commands that answer the written files, if there are any."""
        commands = [
            f"  vllm run-batch -i {self.folder.path_of(batch)} -o {self.folder.path_of(batch, 'answers')}"
            f" --model {batch.model}"
            for batch in self.folder.at("written")
        ]
        if commands:
            lines = "\n".join(commands)
            raise UserError(f"requests wait for their answers. Make them with\n{lines}\nand run this command again")

    def _collect(self, batch: Batch) -> None:
        """Wait for a batch, keep its answers, and note requests without one; a UserError where it was refused."""
        status = self._await_end(batch) if batch.step == "submitted" else "completed"
        self.bill.settle(batch.most, None)
        why = f"the batch {batch.id} ended as {status} without an answer".replace("  ", " ")
        open_ = {key: Unanswered(key.hex(), why) for key in self.folder.keys(batch)}
        for result in self.folder.results(batch):
            key = _key(result)
            if key not in open_:
                continue
            found = _answer_in(result)
            if isinstance(found, Answer):
                if self.keep(
                    key, batch.model, batch.weights, found
                ):  # False: an earlier process stored it, and was killed
                    self.bill.count(found, known=False)
                del open_[key]
                self.failures.pop(key, None)
            else:
                open_[key] = found
        unanswered = [one for one in open_.values() if one.final or status != "cancelled"]
        self.folder.collected(batch, unanswered)
        self._failed(unanswered)
        self.ended.append(batch)
        answered = batch.requests - len(open_)
        log.info("%s: %s answers, %s without", self.folder.path_of(batch), f"{answered:,}", f"{len(open_):,}")
        if status == "cancelled":
            raise UserError(
                f"batch {batch.id} was cancelled; its {answered:,} answers are kept; the same command asks for the rest"
            )

    def _await_end(self, batch: Batch) -> str:
        """Wait for a submitted batch and fetch its files; returns its final status."""
        assert self.api and self.endpoint  # nothing is submitted without them
        remote = self.api.wait(batch.id)
        if remote.status == "failed":
            batch.step = "over"  # its requests go into a new batch once the cause is removed
            self.folder.note()
            errors = (remote.errors.data if remote.errors else None) or []
            reasons = "; ".join(str(error.message or error.code) for error in errors) or "no reason given"
            hint = "; set llm.running.queued_tokens to that limit" if "token_limit" in str(errors) else ""
            raise UserError(f"batch {batch.id} was refused: {self.endpoint.redact(reasons)}{hint}")
        self.api.fetch(remote.output_file_id, self.folder.path_of(batch, "answers"))
        self.api.fetch(remote.error_file_id, self.folder.path_of(batch, "errors"))
        return remote.status

    def _failed(self, unanswered: Iterable[Unanswered]) -> None:
        for one in unanswered:
            failure = self.failures.setdefault(bytes.fromhex(one.custom_id), Failure())
            failure.times += 1
            failure.why, failure.final = one.why, one.final


def _key(result: Result) -> bytes | None:
    try:
        return bytes.fromhex(result.custom_id)
    except ValueError:  # not a request of this folder
        return None


def _answer_in(result: Result) -> Answer | Unanswered:
    """The answer in a line of results, or why it holds none."""
    status, body = (result.response.status_code, result.response.body) if result.response else (0, None)
    if status == 200 and body:
        try:
            return answer_of(body, 1, 0.0)
        except ValueError as error:
            return Unanswered(result.custom_id, f"not a completion: {error}")
    found = result.error or (body or {}).get("error") or f"status {status}"
    message = found.get("message") if isinstance(found, dict) else found
    return Unanswered(result.custom_id, str(message or found), final=status in REFUSED)

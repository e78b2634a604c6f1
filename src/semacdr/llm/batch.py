"""The Batch API: files of requests that are answered within a day at the half price, by OpenAI or by vLLM's run-batch.

All that happens is noted in the folder before and after each step, so that a run that ends at any moment, for days,
goes on where it was: batches under way are waited for, answers of earlier ones are collected, nothing is paid twice.
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
from semacdr.llm.endpoint import Endpoint
from semacdr.llm.limits import Bill
from semacdr.llm.requests import Answer, Request, answer_of
from semacdr.runtime.cli import log

Keep = Callable[[bytes, str, str, Answer], bool]  # puts key, model, weights, answer into the store; False: was there


@dataclass
class Failure:
    """How often a request was asked in vain, and why at last."""

    times: int = 0
    why: str = ""
    final: bool = False


class BatchRun:
    """One run over many requests by batches, in `folder`. Without an endpoint the files are for vLLM's run-batch."""

    def __init__(self, endpoint: Endpoint | None, bill: Bill, keep: Keep, folder: Path, poll: float = 60.0) -> None:
        self.endpoint, self.bill, self.keep, self.path = endpoint, bill, keep, folder
        self.api = BatchApi(endpoint, poll) if endpoint else None
        self.rounds = endpoint.rounds if endpoint else Endpoint.rounds
        self.most_tokens = (endpoint.queued_tokens if endpoint else None) or inf
        self.wanted: set[bytes] = set()
        self.failures: dict[bytes, Failure] = {}
        self.ended: list[Batch] = []  # collected, and what failed in them not asked again
        self.left_out = 0  # requests that the budget did not allow

    def run(self, requests: Iterable[Request]) -> dict[bytes, str]:
        """Have all answered; by key, why some have no answer: they were refused, or failed in every round.

        A UserError where it makes no sense to go on; what was answered is kept then too.
        """
        with BatchFolder(self.path) as self.folder:
            try:
                return self._run(requests)
            except (openai.OpenAIError, httpx2.HTTPError) as error:
                raise UserError(
                    f"{self.endpoint.url}: {self.endpoint.redact(error)}\nWhat is under way is noted in "
                    f"{self.path}; the same command goes on"
                ) from None

    def _run(self, requests: Iterable[Request]) -> dict[bytes, str]:
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
                f"the budget of ${self.bill.budget:.2f} left {self.left_out:,} requests out; all others are done"
            )
        self.folder.end()
        return {key: failure.why for key, failure in self.failures.items() if key in self.wanted}

    def _resume(self) -> None:
        """Take up what an earlier process left."""
        for batch in self.folder.at("collected"):
            self._failed(self.folder.unanswered(batch))
        if self.api is None and self.folder.at("submitted"):
            raise UserError(
                f"{self.path}: holds batches that were submitted to an endpoint; collect them without --run-batch first"
            )
        for batch in self.folder.at("written") if self.api else []:
            if self.folder.path_of(batch, "answers").exists():  # made by run-batch
                continue
            batch.id = self.api.find(self.folder.metadata(batch)) or ""
            if batch.id:
                batch.step = "submitted"
                self.folder.note()
            else:  # not paid yet: what is still wanted is written anew
                self.folder.drop(batch)
        self.bill.reserved += sum(batch.most for batch in self.folder.at("written", "submitted"))

    def _unasked(self, requests: Iterable[Request]) -> Iterator[Request]:
        """Those of the requests that are neither under way nor known to fail; notes the keys of all."""
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
        for place, batch in enumerate(files):  # of a prompt that has changed since, and nobody has answered it
            if batch.step == "written" and place not in awaited and not self._has_answers(batch):
                self.bill.settle(batch.most, None)
                self.folder.drop(batch)

    def _failed_in(self, batches: Iterable[Batch]) -> Iterator[Request]:
        """The requests to ask again after batches have ended; of a prompt that has changed since, none."""
        for batch in batches:
            failed = (bytes.fromhex(one.custom_id) for one in self.folder.unanswered(batch))
            again = {key for key in failed if key in self.wanted and self._worth_asking(key)}
            if again:
                yield from self.folder.requests(batch, again)

    def _worth_asking(self, key: bytes) -> bool:
        failure = self.failures.get(key)
        return failure is None or not (failure.final or failure.times >= self.rounds)

    def _send(self, requests: Iterator[Request]) -> None:
        """Write and submit batches of the requests, as many at once as the endpoint lets wait."""
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
        """Without an endpoint: tell the commands that make the answers of what is written."""
        commands = [
            f"  vllm run-batch -i {self.folder.path_of(batch)} -o {self.folder.path_of(batch, 'answers')}"
            f" --model {batch.model}"
            for batch in self.folder.at("written")
        ]
        if commands:
            lines = "\n".join(commands)
            raise UserError(f"requests wait for their answers. Make them with\n{lines}\nand give this command again")

    def _collect(self, batch: Batch) -> None:
        """Wait for a batch, keep its answers, and note what has none; a UserError where it was refused as a whole."""
        status = self._come(batch) if batch.step == "submitted" else "completed"
        self.bill.settle(batch.most, None)
        why = f"the batch {batch.id} ended as {status} without an answer".replace("  ", " ")
        open_ = {key: Unanswered(key.hex(), why) for key in self.folder.keys(batch)}
        for result in self.folder.results(batch):
            key = _key(result)
            if key not in open_:
                continue
            found = _heard(result)
            if isinstance(found, Answer):
                if self.keep(key, batch.model, batch.weights, found):  # or an earlier process did, and ended
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
                f"batch {batch.id} was cancelled; its {answered:,} answers are kept, the same command asks for the rest"
            )

    def _come(self, batch: Batch) -> str:
        """How a submitted batch ended; its files are then here."""
        there = self.api.wait(batch.id)
        if there.status == "failed":
            batch.step = "over"  # its requests go into a new batch once the cause is mended
            self.folder.note()
            errors = (there.errors.data if there.errors else None) or []
            reasons = "; ".join(str(error.message or error.code) for error in errors) or "no reason given"
            hint = "; llm.running.queued_tokens holds that limit" if "token_limit" in str(errors) else ""
            raise UserError(f"batch {batch.id} was refused: {self.endpoint.redact(reasons)}{hint}")
        self.api.fetch(there.output_file_id, self.folder.path_of(batch, "answers"))
        self.api.fetch(there.error_file_id, self.folder.path_of(batch, "errors"))
        return there.status

    def _failed(self, unanswered: Iterable[Unanswered]) -> None:
        for one in unanswered:
            failure = self.failures.setdefault(bytes.fromhex(one.custom_id), Failure())
            failure.times += 1
            failure.why, failure.final = one.why, one.final


def _key(result: Result) -> bytes | None:
    try:
        return bytes.fromhex(result.custom_id)
    except ValueError:  # none of ours
        return None


def _heard(result: Result) -> Answer | Unanswered:
    """The answer in a line of results, or why there is none."""
    status, body = (result.response.status_code, result.response.body) if result.response else (0, None)
    if status == 200 and body:
        try:
            return answer_of(body, 1, 0.0)
        except (ValueError, LookupError, TypeError, AttributeError) as error:
            return Unanswered(result.custom_id, f"not a completion: {error}")
    error = result.error or (body or {}).get("error") or f"status {status}"
    message = error.get("message") if isinstance(error, dict) else error
    return Unanswered(result.custom_id, str(message or error), final=status in (400, 413, 422))

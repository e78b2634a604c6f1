"""The Batch API: files of requests that are answered within a day at half the price, by OpenAI or by vLLM's run-batch.

All that happens is noted in `state.json` of the folder before and after each step, so that a run that ends at any
moment, for days, goes on where it was: batches under way are polled, answers of earlier ones are collected first.
"""

import json
import time
from collections.abc import Callable, Iterable, Iterator
from hashlib import sha256
from pathlib import Path

import msgspec
import openai

from semacdr.cli import log
from semacdr.errors import UserError
from semacdr.llm.endpoint import Endpoint
from semacdr.llm.limits import Bill
from semacdr.llm.requests import Answer, Request, answer_of

MOST_REQUESTS, MOST_BYTES = 50_000, 190_000_000  # of a file, by OpenAI's limits
ROUTE = "/v1/chat/completions"
ENDED = ("completed", "failed", "expired", "cancelled")


class BatchRun:
    """One run over many requests by batches, in `folder`. Without an endpoint the files are for vLLM's run-batch."""

    def __init__(
        self,
        endpoint: Endpoint | None,
        bill: Bill,
        heard: Callable[[Request, Answer], None],
        folder: Path,
        poll: float = 60.0,
    ) -> None:
        self.endpoint, self.bill, self.heard, self.folder, self.poll = endpoint, bill, heard, folder, poll
        self.rounds = endpoint.rounds if endpoint else 1
        folder.mkdir(parents=True, exist_ok=True)
        self.state_file = folder / "state.json"
        self.batches = json.loads(self.state_file.read_text()) if self.state_file.exists() else []
        self.client = None
        if endpoint:
            self.client = openai.OpenAI(
                api_key=endpoint.key(), base_url=endpoint.url, max_retries=endpoint.retries, timeout=endpoint.timeout
            )

    def run(self, requests: Iterable[Request]) -> list[tuple[Request, str]]:
        """Have all answered; those that were refused or failed in every round, with the reason."""
        try:
            wanted = list(requests)
            failed: list[tuple[Request, str]] = []
            for attempt in range(self.rounds):
                again = self._round(wanted, failed, last=attempt + 1 == self.rounds)
                wanted = [request for request, _ in again]
                if not wanted:
                    return failed
            return failed + again
        except openai.OpenAIError as error:
            raise UserError(
                f"{self.endpoint.url}: {self.endpoint.redact(error)}\nBatches under way are noted in "
                f"{self.state_file}; the same command goes on"
            ) from None

    def _round(self, wanted: list[Request], failed: list, last: bool) -> list[tuple[Request, str]]:
        """One round: collect what is under way, submit the rest, wait for it; what is to be asked again, and why."""
        under_way = {key for batch in self.batches if not batch["collected"] for key in self._keys(batch)}
        refused = self._submit(request for request in wanted if request.key.hex() not in under_way)
        outcome: dict[str, str] = {}  # of requests without an answer: why, final ones behind a "!"
        for batch in [batch for batch in self.batches if not batch["collected"]]:
            outcome |= self._collect(batch)
        if refused:
            raise UserError(
                f"the budget of ${self.bill.budget:.2f} left {refused:,} requests out; all others are answered and kept"
            )
        again = []
        for request in wanted:
            why = outcome.get(request.key.hex())
            if why:
                (failed if why.startswith("!") else again).append((request, why.removeprefix("!")))
        return again

    def _note(self) -> None:
        """Write the state; under its final name it is always whole."""
        new = self.state_file.with_suffix(".new")
        new.write_text(json.dumps(self.batches, indent=1))
        new.replace(self.state_file)

    def _submit(self, requests: Iterator[Request]) -> int:
        """Write, upload and submit files of the requests; how many the budget left out."""
        lines, size, refused, weights = [], 0, 0, ""
        for request in requests:
            if self.bill.reserve(request) is None:
                refused += 1
                continue
            body = {"custom_id": request.key.hex(), "method": "POST", "url": ROUTE, "body": request.body}
            line = msgspec.json.encode(body) + b"\n"
            if lines and (len(lines) == MOST_REQUESTS or size + len(line) > MOST_BYTES or weights != request.weights):
                self._write(lines, weights)
                lines, size = [], 0
            lines.append(line)
            size, weights = size + len(line), request.weights
        if lines:
            self._write(lines, weights)
        for batch in self.batches:
            if self.client and not batch["id"]:
                self._send(batch)
        return refused

    def _write(self, lines: list[bytes], weights: str) -> None:
        text = b"".join(lines)
        name = f"{len(self.batches):05}-{sha256(text).hexdigest()[:12]}.jsonl"
        (self.folder / name).write_bytes(text)
        self.batches.append({"file": name, "requests": len(lines), "weights": weights, "id": None, "collected": False})
        self._note()
        log.info("%s: %d requests", self.folder / name, len(lines))

    def _send(self, batch: dict) -> None:
        """Upload and submit a file, unless an earlier run did so and ended before it noted it."""
        for there in self.client.batches.list(limit=100):
            if (there.metadata or {}).get("file") == batch["file"]:
                batch["id"] = there.id
                break
        else:
            with (self.folder / batch["file"]).open("rb") as file:
                uploaded = self.client.files.create(file=file, purpose="batch")
            submitted = self.client.batches.create(
                input_file_id=uploaded.id, endpoint=ROUTE, completion_window="24h", metadata={"file": batch["file"]}
            )
            batch["id"] = submitted.id
        self._note()
        log.info("%s is batch %s", batch["file"], batch["id"])

    def _requests(self, batch: dict) -> dict[str, Request]:
        """The requests of a batch by custom_id, from its file."""
        lines = (self.folder / batch["file"]).read_bytes().splitlines()
        parsed = (msgspec.json.decode(line) for line in lines)
        return {p["custom_id"]: Request(p["custom_id"][:12], p["body"], batch["weights"]) for p in parsed}

    def _keys(self, batch: dict) -> set[str]:
        return set(self._requests(batch))

    def _collect(self, batch: dict) -> dict[str, str]:
        """Wait for a batch and hear its answers; why others have none, by custom_id."""
        requests = self._requests(batch)
        status, texts = self._wait(batch)
        why = dict.fromkeys(requests, f"batch {batch['id']} ended as {status} without an answer")
        for line in (line for text in texts for line in text.splitlines() if line.strip()):
            result = msgspec.json.decode(line)
            request, response = requests.get(result["custom_id"]), result.get("response") or {}
            if request is None:
                continue
            if response.get("status_code") == 200:
                try:
                    answer = answer_of(response["body"], 1, 0.0)
                    self.heard(request, answer)
                    self.bill.settle(self.bill.most(request), answer)
                    del why[result["custom_id"]]
                except (ValueError, KeyError) as error:
                    why[result["custom_id"]] = f"not a completion: {error}"
            else:
                error = (response.get("body") or {}).get("error") or result.get("error")
                final = response.get("status_code") in (400, 413, 422)
                why[result["custom_id"]] = ("!" if final else "") + str(error)
        batch["collected"] = True
        self._note()
        log.info("%s: %d answers, %d without", batch["file"], len(requests) - len(why), len(why))
        return why

    def _wait(self, batch: dict) -> tuple[str, list[bytes]]:
        """How a batch ended, and the contents of its answer and error files."""
        if self.client is None:
            answers = (self.folder / batch["file"]).with_suffix(".answers.jsonl")
            if not answers.exists():
                raise UserError(
                    f"{self.folder / batch['file']} waits for its answers. Make them with\n  vllm run-batch -i "
                    f"{self.folder / batch['file']} -o {answers} --model …\nand give the same command again"
                )
            return "completed", [answers.read_bytes()]
        while (there := self.client.batches.retrieve(batch["id"])).status not in ENDED:
            counts = there.request_counts
            done = f", {counts.completed} of {counts.total} done" if counts else ""
            if not self.poll:
                raise UserError(f"batch {batch['id']} is {there.status}{done}: give the same command again later")
            log.info("batch %s is %s%s", batch["id"], there.status, done)
            time.sleep(self.poll)
        if there.status == "failed" and not there.output_file_id:
            errors = [error.message for error in (there.errors.data if there.errors else None) or []]
            batch["collected"] = True  # its requests go into a new batch once the cause is mended
            self._note()
            raise UserError(f"batch {batch['id']} was refused: {'; '.join(map(str, errors)) or 'no reason given'}")
        files = [name for name in (there.output_file_id, there.error_file_id) if name]
        return there.status, [self.client.files.content(name).content for name in files]

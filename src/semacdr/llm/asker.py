"""Get the answers to many requests: from the store, or from the endpoint, whose answers go into the store."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from semacdr.errors import UserError
from semacdr.llm.batch import BatchRun
from semacdr.llm.endpoint import Endpoint, Run
from semacdr.llm.limits import Bill, estimate_tokens, most_tokens
from semacdr.llm.requests import Answer, NoAnswer, Request
from semacdr.llm.store import AnswerStore, batched
from semacdr.runtime.cli import log

CHUNK = 5000  # requests held at once, to limit memory
Build = Callable[[int], Request]


@dataclass
class Quote:
    """Counts of a dry run: what a job would ask."""

    requests: int = 0
    stored: int = 0  # requests that the store answers
    prompt_tokens: int = 0  # estimated, of the requests to ask
    most_tokens: int = 0  # upper limit, of the answers to them
    stored_tokens: int = 0  # of the stored answers


@dataclass
class Asker:
    """Gives a stage the answers to its requests. Offline a missing answer is an error; `dry`: only count."""

    store: AnswerStore
    endpoint: Endpoint | None
    bill: Bill
    batch: Path | None = None  # folder of the Batch API's files; None: each request by itself
    dry: bool = False
    quote: Quote = field(default_factory=Quote)
    used: list[bytes] = field(default_factory=list)  # keys of all answers that it gave

    def answers(
        self, indices: Iterable[int], build: Build, again: bool = False
    ) -> Iterator[tuple[int, Answer | NoAnswer]]:
        """Yield the answer to `build(index)` for each index, stored ones first, or why the endpoint refused it.

        A UserError where answers are missing because the endpoint failed, or because the asker is offline (unless
        they are asked for `again`, after an answer that did not conform). Answers that arrived are kept.
        """
        missing, hits = [], 0
        for some in batched(indices, CHUNK):
            keys = [build(index).key for index in some]
            known = self.store.get(keys)
            self.used += known
            for index, key in zip(some, keys, strict=True):
                answer = known.get(key)
                if answer is None:
                    missing.append(index)
                else:
                    self.bill.count(answer, known=True)
                    self.quote.stored_tokens += answer.completion_tokens
                    hits += 1
                    yield index, answer
        self.quote.stored += hits
        self.quote.requests += hits + len(missing)
        if missing and again and self.offline:
            refused = NoAnswer("did not conform, and offline it is not asked for again", final=True)
            yield from ((index, refused) for index in missing)
        elif missing:
            failed = self._count(missing, build) if self.dry else self._ask(missing, build, hits)
            for some in batched(missing, CHUNK):
                keys = [build(index).key for index in some]
                known = self.store.get(keys)
                self.used += known
                for index, key in zip(some, keys, strict=True):
                    yield index, known.get(key) or failed[key]

    @property
    def offline(self) -> bool:
        """Whether nothing can be asked."""
        return self.endpoint is None and self.batch is None and not self.dry

    def _ask(self, missing: list[int], build: Build, hits: int) -> dict[bytes, NoAnswer]:
        """Ask for all missing answers; returns, by key, why requests were refused. A UserError if others failed."""
        if self.offline:
            first = build(missing[0]).what
            raise UserError(
                f"offline: the store {self.store.path} lacks {len(missing):,} answers, the first for {first}. Either "
                "the prompt, the model or an item changed since they were recorded, or they never were: ask with "
                "llm.offline false (examples/record_sample.yaml does for the sample), or give them with llm.recorded"
            )
        log.info("%s answers are in the store, %s are asked for", f"{hits:,}", f"{len(missing):,}")
        distinct = self._distinct(missing, build)
        if self.batch:
            failed = BatchRun(self.endpoint, self.bill, self.store.put, self.batch).run(distinct)
        else:
            assert self.endpoint  # else it is offline
            run = Run(self.endpoint, self.bill, self._heard, len(missing) + hits, hits)
            failed = {request.key: failure for request, failure in run.run(distinct)}
        lost = [failure.why for failure in failed.values() if not failure.final]
        if lost:  # the requests failed, so no fallback may replace their answers
            raise UserError(
                f"{len(lost):,} of {len(missing):,} answers are missing because their requests failed, one with: "
                f"{lost[0]}\nAll other answers are kept; the same command asks only for the missing ones"
            )
        return failed

    def _count(self, missing: list[int], build: Build) -> dict[bytes, NoAnswer]:
        failed = {}
        for request in self._distinct(missing, build):
            self.quote.prompt_tokens += estimate_tokens(request)
            self.quote.most_tokens += most_tokens(request)
            failed[request.key] = NoAnswer("not asked", final=True)
        return failed

    @staticmethod
    def _distinct(missing: list[int], build: Build) -> Iterator[Request]:
        """The requests, equal ones once."""
        seen = set()
        for index in missing:
            request = build(index)
            if request.key not in seen:
                seen.add(request.key)
                yield request

    def _heard(self, request: Request, answer: Answer) -> None:
        self.store.put(request.key, request.body["model"], request.weights, answer)

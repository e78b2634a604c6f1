"""Answers to many requests: from the store what it holds, from the endpoint the rest, each put into the store."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from semacdr.errors import UserError
from semacdr.llm.batch import BatchRun
from semacdr.llm.endpoint import Endpoint, Run
from semacdr.llm.limits import Bill, estimate_tokens, most_tokens
from semacdr.llm.requests import Answer, Request
from semacdr.llm.store import AnswerStore, batched
from semacdr.runtime.cli import log

CHUNK = 5000  # requests held at once: what bounds memory
Build = Callable[[int], Request]


@dataclass
class Quote:
    """What a job would ask, before it does."""

    requests: int = 0
    stored: int = 0
    prompt_tokens: int = 0  # of those that would be asked, estimated
    most_tokens: int = 0  # of their answers, at most
    stored_tokens: int = 0  # of the answers that the store has


@dataclass
class Asker:
    """What a stage asks through. Without an endpoint it is offline: a miss is an error; with `dry` it only counts."""

    store: AnswerStore
    endpoint: Endpoint | None
    bill: Bill
    batch: Path | None = None  # folder of the Batch API's files; None: one request at a time over the wire
    dry: bool = False
    quote: Quote = field(default_factory=Quote)
    used: list[bytes] = field(default_factory=list)  # keys of all answers that were given

    def answers(self, indices: Iterable[int], build: Build, again: bool = False) -> Iterator[tuple[int, Answer | str]]:
        """For each index the answer to `build(index)`, or why there is none; those that the store holds come first.

        A UserError offline where an answer is missing, unless it is asked for `again` because one before was not good;
        and where it makes no sense to go on asking.
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
            yield from ((index, "not good, and offline it is not asked again") for index in missing)
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

    def _ask(self, missing: list[int], build: Build, hits: int) -> dict[bytes, str]:
        """Ask for all that is missing; by key, why some have no answer."""
        if self.offline:
            first = build(missing[0]).what
            raise UserError(
                f"offline: the store {self.store.path} lacks {len(missing):,} answers, the first for {first}. Either "
                "the prompt, the model or an item changed since they were recorded, or they never were: ask with "
                "llm.offline false (examples/record_sample.yaml does for the sample), or give them with llm.recorded"
            )
        log.info("%s answers are in the store, %s are asked", f"{hits:,}", f"{len(missing):,}")
        distinct = self._distinct(missing, build)
        if self.batch:
            return BatchRun(self.endpoint, self.bill, self.store.put, self.batch).run(distinct)
        run = Run(self.endpoint, self.bill, self._heard, len(missing) + hits, hits)
        return {request.key: why for request, why in run.run(distinct)}

    def _count(self, missing: list[int], build: Build) -> dict[bytes, str]:
        failed = {}
        for request in self._distinct(missing, build):
            self.quote.prompt_tokens += estimate_tokens(request)
            self.quote.most_tokens += most_tokens(request)
            failed[request.key] = "not asked"
        return failed

    @staticmethod
    def _distinct(missing: list[int], build: Build) -> Iterator[Request]:
        """The requests, those that are the same once."""
        seen = set()
        for index in missing:
            request = build(index)
            if request.key not in seen:
                seen.add(request.key)
                yield request

    def _heard(self, request: Request, answer: Answer) -> None:
        self.store.put(request.key, request.body["model"], request.weights, answer)

"""Requests that wait at the same time are answered in one batch, which costs far less than one after the other.

A thread scores; the event loop goes on taking requests. Whatever arrived in the meantime is the next batch. Scores in
a batch agree with those of a single request up to the rounding of float64.
"""

import asyncio
from collections import deque
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np

from semacdr.serving.queries import Asked
from semacdr.serving.recommender import Recommender

Lists = list[list[dict[str, Any]]]  # for each user or history the items, the best first, as in an answer
BATCH = 64  # users and histories of a batch, unless one request alone has more


class Busy(Exception):
    """More requests wait than are allowed."""


@dataclass(frozen=True)
class Request:
    """What one request asks for."""

    asked: Asked
    top: int
    keep_seen: bool = False
    explain: bool = False

    def fits(self, other: "Request") -> bool:
        """Whether both can be in one batch."""
        mine, others = self.asked, other.asked
        alike = (self.keep_seen, self.explain) == (other.keep_seen, other.explain)
        return alike and (mine.users is None) == (others.users is None)


def answer(recommender: Recommender, requests: list[Request]) -> list[Lists]:
    """The lists of requests that fit each other, computed in one batch."""
    first, asked = requests[0], _joined([request.asked for request in requests])
    queries = asked.queries(recommender.trained.history)
    items, scores = recommender.scorer.top(queries, max(request.top for request in requests), first.keep_seen)
    tops = np.repeat([request.top for request in requests], [len(request.asked.names) for request in requests])
    shown = (scores > -np.inf) & (np.arange(items.shape[1]) < tops[:, None])
    row, place = np.nonzero(shown)
    chosen = items[row, place]
    columns: dict[str, list[Any]] = {
        "place": (place + 1).tolist(),
        "item_id": recommender.target_items["item_id"].gather(chosen).to_list(),
        "title": recommender.target_items["title"].gather(chosen).to_list(),
        "score": scores[row, place].astype(np.float32).tolist(),
    }
    if first.explain:
        columns["supported_by"] = recommender.supported_by(queries, row, chosen).to_list()
    rows = [dict(zip(columns, values, strict=True)) for values in zip(*columns.values(), strict=True)]
    ends = np.cumsum(shown.sum(axis=1)).tolist()
    lists = [rows[begin:end] for begin, end in pairwise([0, *ends])]
    bounds = np.cumsum([0, *(len(request.asked.names) for request in requests)]).tolist()
    return [lists[begin:end] for begin, end in pairwise(bounds)]


class Together:
    """Answers requests in batches, at most `waiting` of them at a time."""

    def __init__(self, recommender: Recommender, waiting: int) -> None:
        self.recommender, self.waiting = recommender, waiting
        self._queue: deque[tuple[Request, asyncio.Future[Lists]]] = deque()
        self._worker = ThreadPoolExecutor(1, thread_name_prefix="scores")
        self._running: asyncio.Task[None] | None = None

    async def ask(self, request: Request) -> Lists:
        """The answer to a request; Busy if too many wait."""
        if len(self._queue) >= self.waiting:
            raise Busy
        future: asyncio.Future[Lists] = asyncio.get_running_loop().create_future()
        self._queue.append((request, future))
        if self._running is None or self._running.done():
            self._running = asyncio.create_task(self._run())
        return await future

    def close(self) -> None:
        """Stop the thread."""
        self._worker.shutdown(wait=False, cancel_futures=True)

    async def _run(self) -> None:
        while self._queue:
            batch = self._next()
            requests = [request for request, _ in batch]
            try:
                answers = await asyncio.get_running_loop().run_in_executor(
                    self._worker, answer, self.recommender, requests
                )
            except Exception as error:  # of the model or the machine: each of the batch gets it
                for _, future in batch:
                    if not future.done():
                        future.set_exception(error)
            else:
                for (_, future), lists in zip(batch, answers, strict=True):
                    if not future.done():  # it is where the client has gone
                        future.set_result(lists)

    def _next(self) -> list[tuple[Request, "asyncio.Future[Lists]"]]:
        """The oldest request with those behind it that fit; the others stay in their order."""
        first = self._queue.popleft()
        batch, left, size = [first], deque[tuple[Request, asyncio.Future[Lists]]](), len(first[0].asked.names)
        while self._queue and size < BATCH:
            request, future = self._queue.popleft()
            if first[0].fits(request) and size + len(request.asked.names) <= BATCH:
                batch.append((request, future))
                size += len(request.asked.names)
            else:
                left.append((request, future))
        self._queue.extendleft(reversed(left))
        return batch


def _joined(parts: list[Asked]) -> Asked:
    """All of several that are of one kind, one after the other."""
    if len(parts) == 1:
        return parts[0]
    names = [name for part in parts for name in part.names]
    if parts[0].users is not None:
        return Asked(names, [user for part in parts for user in part.users or []], None)
    return Asked(names, None, [history for part in parts for history in part.histories or []])

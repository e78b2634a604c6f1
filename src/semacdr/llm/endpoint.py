"""An OpenAI-compatible endpoint: many requests at once, as fast as it lets us, each answer handed over as it comes."""

import asyncio
import logging
import os
import signal
import time
from collections.abc import Callable, Coroutine, Iterable, Iterator
from contextlib import suppress
from contextvars import ContextVar
from dataclasses import dataclass
from email.utils import mktime_tz, parsedate_tz

import httpx2
import msgspec
import openai

from semacdr.errors import UserError
from semacdr.llm.limits import Bill, Pace, estimate_tokens
from semacdr.llm.requests import Answer, Request, answer_of
from semacdr.runtime.cli import log
from semacdr.runtime.progress import Progress

GRACE = (0.01,) * 10  # seconds, and turns of the loop, to read what has arrived: it was paid for
LOCAL_KEY = "none-needed"  # servers on loopback ask for no key, but the client wants one
Heard = Callable[[Request, Answer], None]
_tokens: ContextVar[int] = ContextVar("tokens")  # of the request that a task asks: the openai client hands on none

for _name in ("httpx2", "openai"):
    logging.getLogger(_name).setLevel(logging.WARNING)  # they tell of each single request


@dataclass(frozen=True)
class Endpoint:
    """Where to ask, and how hard."""

    url: str
    key_name: str = "OPENAI_API_KEY"  # the environment variable that holds the key; the key itself stands nowhere
    concurrency: int = 64
    requests_per_minute: float | None = None
    tokens_per_minute: float | None = None
    timeout: float = 120.0  # seconds for one try, whole: a server that trickles is cut off too
    retries: int = 4  # the client's own, with its back-off, at 408, 409, 429, 5xx and lost connections
    queued_tokens: int | None = None  # of prompts, that its Batch API lets wait at once, by the account's tier
    rounds: int = 3  # how often a request that failed in spite of them is asked again, after all others

    def key(self) -> str:
        """The key from the environment; a UserError where it is missing and the endpoint is not on this machine."""
        key = os.environ.get(self.key_name, "").strip()
        if not key and httpx2.URL(self.url).host not in ("127.0.0.1", "localhost", "::1"):
            raise UserError(f"{self.url} needs a key: set the environment variable {self.key_name}")
        return key or LOCAL_KEY

    def redact(self, text: object) -> str:
        """`text` without the key, which some servers repeat in their errors."""
        key = os.environ.get(self.key_name, "").strip()
        return str(text).replace(key, "***") if key else str(text)


class _Stopped(openai.OpenAIError):
    """Nothing more is sent; the client hands this on as it is."""


def wanted_wait(headers: httpx2.Headers) -> float:
    """The seconds that a response asks to wait, given as a number or as a date; 0 where it asks for none."""
    given = headers.get("retry-after", "")
    try:
        seconds = float(given)
    except ValueError:
        date = parsedate_tz(given)
        seconds = mktime_tz(date) - time.time() if date else 0.0
    return seconds if 0 < seconds < float("inf") else 0.0


class _Client(httpx2.AsyncClient):
    """Starts each try, those that the openai client repeats too, as the pace admits it, and ends it at the deadline."""

    def __init__(self, pace: Pace, deadline: float, connections: int) -> None:
        limits = httpx2.Limits(max_connections=connections, max_keepalive_connections=connections)
        super().__init__(timeout=httpx2.Timeout(None, connect=min(deadline, 15.0)), limits=limits)
        self.pace, self.deadline = pace, deadline
        self.resting: set[asyncio.Task] = set()  # tasks whose try failed: the openai client waits, up to two minutes

    async def send(self, request: httpx2.Request, **options) -> httpx2.Response:
        task = asyncio.current_task()
        self.resting.discard(task)
        if not await self.pace.admit(_tokens.get()):
            raise _Stopped
        response = None
        try:
            response = await self._within_deadline(super().send(request, **options), request)
        finally:
            well = response is not None and response.status_code == 200
            self.pace.release(well)
            if not well:
                self.resting.add(task)
                if self.pace.closed:
                    task.cancel()
        if b"insufficient_quota" in response.content and response.status_code == 429:
            response.headers["x-should-retry"] = "false"  # no wait mends it
        elif response.status_code in (429, 503):
            seconds = wanted_wait(response.headers)
            if response.status_code == 429 or seconds:
                self.pace.throttle(seconds)
            if seconds > 60:
                log.warning("%s wants %.0f s without requests", request.url.host, seconds)
        return response

    async def _within_deadline(self, sending: Coroutine, request: httpx2.Request) -> httpx2.Response:
        """The response. Where this process was held up past the deadline, what has arrived is read before it counts."""
        sent = asyncio.ensure_future(sending)
        try:
            for seconds in (self.deadline, *GRACE):
                await asyncio.wait({sent}, timeout=seconds)
                if sent.done():
                    return sent.result()
        finally:
            sent.cancel()
        raise httpx2.ReadTimeout(f"no whole answer within {self.deadline} s", request=request)

    def stop(self) -> None:
        """Start nothing more, and wait for nothing but for what is on the wire."""
        self.pace.close()
        for task in self.resting - {asyncio.current_task()}:
            task.cancel()


class Run:
    """One run over many requests."""

    def __init__(self, endpoint: Endpoint, bill: Bill, heard: Heard, total: int, known: int) -> None:
        """`heard` is called with each answer at once; `total` and `known` (answered before) are for the progress."""
        self.endpoint, self.bill, self.heard = endpoint, bill, heard
        self.pace = Pace(endpoint.concurrency, endpoint.requests_per_minute, endpoint.tokens_per_minute)
        self.total, self.known, self.done = total, known, 0
        self.progress = Progress("requests", total)
        self.failed: list[tuple[Request, str]] = []  # asked in vain, and why
        self.later: list[tuple[Request, str]] = []
        self.stopped: str | None = None  # why nothing more is started
        self.in_vain = 0  # failures since the last answer

    def run(self, requests: Iterable[Request]) -> list[tuple[Request, str]]:
        """Ask all; the requests that were refused or failed in every round, with the reason.

        A UserError where it makes no sense to go on (key, model, budget, endpoint down); what was under way is heard
        out first, and all that was heard is kept.
        """
        asyncio.run(self._run(requests))
        if self.stopped:
            raise UserError(f"{self.stopped}\n{self.done:,} answers of this run are kept; the same command goes on")
        return self.failed

    async def _run(self, requests: Iterable[Request]) -> None:
        endpoint = self.endpoint
        self.http = _Client(self.pace, endpoint.timeout, endpoint.concurrency)
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM):
            with suppress(NotImplementedError, RuntimeError, ValueError):  # not on the main thread, or not on Windows
                loop.add_signal_handler(number, self._stop, f"stopped by {signal.Signals(number).name}")
        async with openai.AsyncOpenAI(
            api_key=endpoint.key(), base_url=endpoint.url, max_retries=endpoint.retries, http_client=self.http
        ) as client:
            for _ in range(self.endpoint.rounds):
                shared = iter(requests)
                async with asyncio.TaskGroup() as group:
                    for _ in range(self.endpoint.concurrency):
                        group.create_task(self._work(client, shared))
                requests, self.later, last = [request for request, _ in self.later], [], self.later
                if not requests or self.stopped:
                    break
            else:
                self.failed += last
        self.progress.end()

    def _stop(self, why: str) -> None:
        self.stopped = self.stopped or self.endpoint.redact(why)
        self.http.stop()

    async def _work(self, client: openai.AsyncOpenAI, shared: Iterator[Request]) -> None:
        for request in shared:
            while (reserved := self.bill.reserve(request)) is None and self.bill.open and not self.stopped:
                await asyncio.sleep(0.05)  # what is under way may cost less than was set aside for it
            if reserved is None:
                cost = self.bill.before + self.bill.spent
                self._stop(f"the budget of ${self.bill.budget:.2f} allows no more: the answers so far cost ${cost:.4f}")
            if self.stopped:
                return
            answer = None
            try:
                answer = await self._ask(client, request)
            finally:
                self.bill.settle(reserved, answer)
            if answer:
                self.heard(request, answer)
                self.done, self.in_vain = self.done + 1, 0
            self.progress.show(self.known + self.done + len(self.failed), self._spent())

    async def _ask(self, client: openai.AsyncOpenAI, request: Request) -> Answer | None:
        """The answer, or None where there is none; why is then noted."""
        start, tokens = time.monotonic(), estimate_tokens(request)
        _tokens.set(tokens)
        try:
            # the client's own road for requests as they are: its `create` would take twice as long to check each field
            body = msgspec.json.encode(request.body)
            response = await client.post("/chat/completions", cast_to=httpx2.Response, content=body)
            tries = 1 + int(response.request.headers.get("x-stainless-retry-count", 0))
            answer = answer_of(msgspec.json.decode(response.content), tries, time.monotonic() - start)
            self.pace.correct(answer.prompt_tokens + answer.completion_tokens - tokens)
            return answer
        except _Stopped:
            pass
        except (openai.AuthenticationError, openai.PermissionDeniedError, openai.NotFoundError) as error:
            self._stop(f"{self.endpoint.url} refuses: {error}")
        except (openai.APIConnectionError, openai.RateLimitError, openai.InternalServerError) as error:
            if getattr(error, "code", None) == "insufficient_quota":
                self._stop(f"{self.endpoint.url}: {error}")
            self._fail(request, error, again=True)
        except openai.APIStatusError as error:  # 400, 413, 422: this request as it is
            self._fail(request, error, again=error.status_code in (408, 409))
        except (msgspec.DecodeError, ValueError) as error:  # a body cut short, or no completion
            self._fail(request, f"not a completion: {error}", again=True)
        return None

    def _fail(self, request: Request, error: object, again: bool) -> None:
        why = self.endpoint.redact(f"{type(error).__name__}: {error}" if isinstance(error, Exception) else error)
        why = " ".join(why.split())[:300]  # it goes into tables; some servers send a page
        (self.later if again else self.failed).append((request, why))
        self.in_vain += 1
        if self.in_vain >= max(20, 2 * self.endpoint.concurrency):
            self._stop(f"{self.endpoint.url}: {self.in_vain} requests in a row failed, the last one with: {why}")
        elif self.in_vain == 1 or self.in_vain % 10 == 0:
            log.warning("%s: %s", request.what, why)

    def _spent(self) -> str:
        bill = self.bill
        money = ""
        if bill.price and self.done:
            left = bill.spent / self.done * (self.total - self.known - self.done)
            money = f", ${bill.spent:.4f} so far, about ${left:.4f} to come"
        tokens = f"{bill.prompt_tokens:,} + {bill.completion_tokens:,} tokens"
        return f", {self.known:,} from the store, {tokens}{money}, {self.pace.active} at once"

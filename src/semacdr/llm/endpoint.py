"""Send many requests to an OpenAI-compatible endpoint at once, and pass on each answer as it arrives."""

import asyncio
import logging
import os
import random
import signal
import time
from collections.abc import Callable, Coroutine, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from email.utils import mktime_tz, parsedate_tz
from typing import Any, TypeVar

import httpx2
import msgspec
import openai

from semacdr.errors import UserError
from semacdr.llm.limits import Bill, Pace, estimate_tokens
from semacdr.llm.options import Running
from semacdr.llm.requests import Answer, NoAnswer, Request, answer_of
from semacdr.runtime.cli import log
from semacdr.runtime.progress import Progress

# After the deadline, the event loop runs so many more times, for so many seconds, to read paid data that has arrived.
GRACE = (0.01,) * 10
REFUSED = (400, 413, 422)  # statuses with which an endpoint refuses one request for its content
FIRST_WAIT, LONGEST_WAIT = 0.5, 8.0  # seconds between repeats, doubled each time
LOCAL_KEY = "none-needed"  # servers on this machine need no key, but the client wants one
Heard = Callable[[Request, Answer], None]
Client = TypeVar("Client", httpx2.Client, httpx2.AsyncClient)

for _name in ("httpx2", "openai"):
    logging.getLogger(_name).setLevel(logging.WARNING)  # at INFO they log every request


@dataclass(frozen=True)
class Endpoint:
    """The address of an endpoint, and how it is asked."""

    url: str
    running: Running = field(default_factory=Running)

    @property
    def is_local(self) -> bool:
        """Whether it is on this machine."""
        return self._parsed().host in ("127.0.0.1", "localhost", "::1")

    def _parsed(self) -> httpx2.URL:
        try:
            url = httpx2.URL(self.url)
        except httpx2.InvalidURL as error:
            raise UserError(f"llm.endpoint is '{self.url}', which is no URL: {error}") from None
        if url.scheme not in ("http", "https") or not url.host:
            raise UserError(f"llm.endpoint is '{self.url}'; it must begin with http:// or https://, or be local:...")
        return url

    def key(self) -> str:
        """The API key from the environment. A UserError where it is missing or cannot be sent."""
        name = self.running.key_name
        key = os.environ.get(name, "").strip()
        if not key and not self.is_local:
            raise UserError(f"{self.url} needs a key: set the environment variable {name}")
        if not (key.isascii() and key.isprintable()):
            raise UserError(
                f"the environment variable {name} holds a character that no API key has (control character or not "
                "ASCII), so it cannot be sent; copy the key again"
            )
        return key or LOCAL_KEY

    def redact(self, text: object) -> str:
        """`text` without the key, which some servers repeat in their errors."""
        key = os.environ.get(self.running.key_name, "").strip()
        return str(text).replace(key, "***") if key else str(text)

    def explain(self, error: object) -> str:
        """An error on one line of at most 300 characters, with its cause and without the key."""
        if not isinstance(error, Exception):
            text = str(error)
        else:
            text = f"{type(error).__name__}: {error}"
            cause = error.__cause__
            while cause is not None and not isinstance(error, openai.APIStatusError):
                text += f" ({type(cause).__name__}: {cause})" if str(cause) and str(cause) not in text else ""
                cause = cause.__cause__ or cause.__context__
        return " ".join(self.redact(text).split())[:300]  # it goes into tables, and some servers send a whole page

    def open_http(self, kind: type[Client], **options: Any) -> Client:
        """An HTTP client of this kind for the endpoint.

        It takes proxies and certificates from the environment, unless the endpoint is on this machine. A UserError
        where they cannot be used.
        """
        try:
            return kind(trust_env=not self.is_local, **options)
        except (ImportError, OSError, ValueError, httpx2.InvalidURL) as error:
            raise UserError(
                f"{self.url}: cannot be reached with the proxy or certificate settings of the environment (ALL_PROXY, "
                f"HTTPS_PROXY, HTTP_PROXY, SSL_CERT_FILE, SSL_CERT_DIR): {error}"
            ) from error


def wanted_wait(headers: httpx2.Headers) -> float:
    """The seconds that a response's Retry-After asks to wait, given as a number or a date; 0 without one."""
    given = headers.get("retry-after", "")
    try:
        seconds = float(given)
    except ValueError:
        date = parsedate_tz(given)
        seconds = mktime_tz(date) - time.time() if date else 0.0
    return seconds if 0 < seconds < float("inf") else 0.0


def may_pass(error: object) -> bool:
    """Whether the same request may succeed later: a lost connection, or the statuses 408, 409, 429 and 5xx."""
    if isinstance(error, openai.APIStatusError):
        return error.status_code in (408, 409, 429) or error.status_code >= 500
    return isinstance(error, (openai.APIConnectionError, TimeoutError))


class Run:
    """Asks many requests, once."""

    def __init__(self, endpoint: Endpoint, bill: Bill, heard: Heard, total: int, known: int) -> None:
        """`heard` is called with each answer at once; `total` and `known` (answered before) are for the progress."""
        self.endpoint, self.running, self.bill, self.heard = endpoint, endpoint.running, bill, heard
        self.pace = Pace(self.running.concurrency, self.running.requests_per_minute, self.running.tokens_per_minute)
        self.total, self.known, self.done = total, known, 0
        self.progress = Progress("requests", total)
        self.failed: list[tuple[Request, NoAnswer]] = []  # in this pass to be asked again, or refused for good
        self.stopped: str | None = None  # why no more requests are sent
        self.failed_in_a_row = 0

    def run(self, requests: Iterable[Request]) -> list[tuple[Request, NoAnswer]]:
        """Ask all requests; returns those that were refused or failed in every pass, with the reason.

        A UserError where it makes no sense to continue (key, model, budget, endpoint down). Requests under way are
        then waited for, and all answers that arrived are kept.
        """
        try:
            asyncio.run(self._run(requests))
        except ExceptionGroup as group:  # of the workers; the first user error explains all
            errors = group.subgroup(UserError)
            if errors is None:
                raise
            raise errors.exceptions[0] from None
        if self.stopped:
            raise UserError(f"{self.stopped}\n{self.done:,} answers of this run are kept; the same command continues")
        return self.failed

    async def _run(self, requests: Iterable[Request]) -> None:
        most = self.running.concurrency
        limits = httpx2.Limits(max_connections=most, max_keepalive_connections=most)
        timeout = httpx2.Timeout(None, connect=min(self.running.timeout, 15.0))
        http = self.endpoint.open_http(httpx2.AsyncClient, limits=limits, timeout=timeout)
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM):
            with suppress(NotImplementedError, RuntimeError, ValueError):  # only on the main thread, and not on Windows
                loop.add_signal_handler(number, self._stop, f"stopped by {signal.Signals(number).name}")
        key, url = self.endpoint.key(), self.endpoint.url
        async with openai.AsyncOpenAI(api_key=key, base_url=url, max_retries=0, http_client=http) as client:
            for _ in range(self.running.retry_passes):
                shared, refused = iter(requests), [pair for pair in self.failed if pair[1].final]
                self.failed = refused
                async with asyncio.TaskGroup() as group:
                    for _ in range(most):
                        group.create_task(self._work(client, shared))
                requests = [request for request, failure in self.failed if not failure.final]
                if not requests or self.stopped:
                    break
        self.progress.end()

    def _stop(self, why: str) -> None:
        """Send nothing more; requests under way are waited for."""
        self.stopped = self.stopped or self.endpoint.redact(why)
        self.pace.close()

    async def _work(self, client: openai.AsyncOpenAI, shared: Iterator[Request]) -> None:
        for request in shared:
            while (reserved := self.bill.reserve(request)) is None and self.bill.open and not self.stopped:
                await asyncio.sleep(0.05)  # requests under way may cost less than was reserved for them
            if reserved is None and not self.stopped:
                cost = self.bill.before + self.bill.spent
                self._stop(f"the budget of ${self.bill.budget:.2f} allows no more: the answers so far cost ${cost:.4f}")
            if self.stopped or reserved is None:
                return
            answer = None
            try:
                answer = await self._ask(client, request)
            finally:
                self.bill.settle(reserved, answer)
            if answer:
                self.heard(request, answer)
                self.done, self.failed_in_a_row = self.done + 1, 0
            self.progress.show(self.known + self.done + len(self.failed), self._spent())

    async def _ask(self, client: openai.AsyncOpenAI, request: Request) -> Answer | None:
        """The answer, with repeats where a request fails for a passing reason; None after the reason is noted."""
        start, tokens, body = time.monotonic(), estimate_tokens(request), msgspec.json.encode(request.body)
        for repeats in range(self.running.http_retries + 1):
            if repeats:
                await self.pace.rest(min(FIRST_WAIT * 2 ** (repeats - 1), LONGEST_WAIT) * random.uniform(0.75, 1.0))
            if not await self.pace.admit(tokens):
                return None
            response = await self._send(client, body)
            if isinstance(response, httpx2.Response):
                try:
                    completion = msgspec.json.decode(response.content)
                    answer = answer_of(completion, repeats + 1, time.monotonic() - start)
                except ValueError as error:  # a body that was cut short, or no completion
                    self._note(request, NoAnswer(self.endpoint.explain(f"not a completion: {error}")))
                    return None
                self.pace.correct(answer.prompt_tokens + answer.completion_tokens - tokens)
                return answer
            if self.stopped:
                return None
            if not may_pass(response):
                break
        self._note(request, NoAnswer(self.endpoint.explain(response), final=not may_pass(response)))
        return None

    async def _send(self, client: openai.AsyncOpenAI, body: bytes) -> httpx2.Response | Exception:
        """Send an admitted request once: its response, or the error. Stops the run where every request would fail."""
        succeeded = False
        try:
            # `post` with the encoded body takes half the time of the client's `create`, which checks each field
            sending = client.post("/chat/completions", cast_to=httpx2.Response, content=body)
            response = await self._within_deadline(sending)
            succeeded = True
            return response
        except (openai.AuthenticationError, openai.PermissionDeniedError, openai.NotFoundError) as error:
            self._stop(f"{self.endpoint.url} refuses: {error}")
            return error
        except openai.APIStatusError as error:
            if error.code == "insufficient_quota" or not (may_pass(error) or error.status_code in REFUSED):
                self._stop(f"{self.endpoint.url}: {error}")
            else:
                self._slow_down(error.response)
            return error
        except (openai.APIConnectionError, TimeoutError) as error:
            return error
        finally:
            self.pace.release(succeeded)

    async def _within_deadline(self, sending: Coroutine[Any, Any, httpx2.Response]) -> httpx2.Response:
        """The whole response within the timeout, which also cuts off a server that sends a byte now and then.

        If this process was itself held up past the deadline, a response that has arrived by then still counts.
        """
        sent = asyncio.ensure_future(sending)
        try:
            for seconds in (self.running.timeout, *GRACE):
                await asyncio.wait({sent}, timeout=seconds)
                if sent.done():
                    return sent.result()
        finally:
            sent.cancel()
        raise TimeoutError(f"no whole answer within {self.running.timeout:g} s")

    def _slow_down(self, response: httpx2.Response) -> None:
        """Follow an endpoint that asks for fewer requests."""
        seconds = wanted_wait(response.headers)
        if response.status_code == 429 or (response.status_code == 503 and seconds):
            self.pace.throttle(seconds)
            if seconds > 60:
                log.warning("%s asks for %.0f s without requests", self.endpoint.url, seconds)

    def _note(self, request: Request, failure: NoAnswer) -> None:
        """Note a failure; too many in a row stop the run."""
        self.failed.append((request, failure))
        self.failed_in_a_row += 1
        if self.failed_in_a_row >= max(20, 2 * self.running.concurrency):
            count = self.failed_in_a_row
            self._stop(f"{self.endpoint.url}: {count} requests in a row failed, the last one with: {failure.why}")
        elif self.failed_in_a_row == 1 or self.failed_in_a_row % 10 == 0:
            log.warning("%s: %s", request.what, failure.why)

    def _spent(self) -> str:
        """Tokens and dollars so far, for the progress line."""
        bill = self.bill
        money = ""
        if bill.price and self.done:
            remaining = bill.spent / self.done * (self.total - self.known - self.done)
            money = f", ${bill.spent:.4f} so far, about ${remaining:.4f} more to come"
        tokens = f"{bill.prompt_tokens:,} + {bill.completion_tokens:,} tokens"
        return f", {self.known:,} from the store, {tokens}{money}, {self.pace.active} at once"

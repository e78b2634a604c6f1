"""How fast an endpoint may be asked: requests under way, requests and tokens a minute, and what all may cost."""

import asyncio
import time
from dataclasses import dataclass

from semacdr.errors import UserError
from semacdr.llm.requests import Answer, Request


class Rate:
    """At most `per_minute` units a minute, in bursts of up to ten seconds' worth; None: no limit."""

    def __init__(self, per_minute: float | None, burst: float = 10.0) -> None:
        self.seconds = 60 / per_minute if per_minute else 0.0
        self.burst, self.due = burst, 0.0

    def wait(self, now: float) -> float:
        """Seconds until the next may start."""
        return self.due - self.burst - now

    def take(self, units: float, now: float) -> None:
        """Count `units`; negative ones give back what was counted too much."""
        self.due = max(self.due, now) + units * self.seconds


class Pace:
    """Admits requests: up to `concurrency` at once, fewer after each 429, one more for each round that goes well."""

    def __init__(self, concurrency: int, requests_per_minute: float | None, tokens_per_minute: float | None) -> None:
        self.most, self.limit, self.active = concurrency, float(concurrency), 0
        self.requests, self.tokens = Rate(requests_per_minute), Rate(tokens_per_minute)
        self.gate, self.freed = asyncio.Lock(), asyncio.Event()
        self.not_before = self.slowed = 0.0

    async def admit(self, tokens: int) -> None:
        """Wait until a request of about `tokens` tokens may start."""
        async with self.gate:  # one waits at the gate, the others in line behind it
            while self.active >= max(1, int(self.limit)):
                self.freed.clear()
                await self.freed.wait()
            while (wait := self._wait(time.monotonic())) > 0:
                await asyncio.sleep(wait)
            now = time.monotonic()
            self.requests.take(1, now)
            self.tokens.take(tokens, now)
            self.active += 1

    def _wait(self, now: float) -> float:
        return max(self.not_before - now, self.requests.wait(now), self.tokens.wait(now))

    def release(self, well: bool, more_tokens: int = 0) -> None:
        """A request ended; `more_tokens` is what it took beyond what it was admitted with."""
        self.active -= 1
        self.tokens.take(more_tokens, time.monotonic())
        if well:
            self.limit = min(self.most, self.limit + 1 / self.limit)
        self.freed.set()

    def throttle(self, retry_after: float | None) -> None:
        """The endpoint said 429: start nothing before it says, and a third less at once."""
        now = time.monotonic()
        self.not_before = max(self.not_before, now + (retry_after or 0.0))
        if now - self.slowed > 1.0:  # a burst of them is one sign, not many
            self.slowed, self.limit = now, max(1.0, self.limit * 0.7)


@dataclass(frozen=True)
class Price:
    """Dollars for a million tokens."""

    input: float = 0.0
    output: float = 0.0
    cached: float | None = None  # of the prompt's tokens that the endpoint had; as `input` where it is not given
    discount: float = 1.0  # 0.5 under the Batch API

    def of(self, answer: Answer) -> float:
        """Dollars that an answer cost."""
        cached = min(answer.cached_tokens, answer.prompt_tokens)
        cheaper = self.input if self.cached is None else self.cached
        paid = (answer.prompt_tokens - cached) * self.input + cached * cheaper + answer.completion_tokens * self.output
        return self.discount * paid / 1e6

    def most(self, request: Request) -> float:
        """Dollars that a request can cost at most, as far as its prompt's tokens are estimated well."""
        return self.discount * (estimate_tokens(request) * self.input + most_tokens(request) * self.output) / 1e6


class Bill:
    """What a job's answers cost, those that were in the store and those of this run, and what its budget leaves."""

    def __init__(self, price: Price | None = None, budget: float | None = None) -> None:
        """A UserError where there is a budget but no price to hold it with."""
        if budget is not None and price is None:
            raise UserError("llm.budget needs the model's price: give llm.prices.<model> input and output")
        self.price, self.budget = price, budget
        self.before = self.spent = self.reserved = 0.0  # dollars
        self.prompt_tokens = self.completion_tokens = 0

    def count(self, answer: Answer, known: bool) -> None:
        """Count an answer; `known` where an earlier run had paid for it."""
        cost = self.price.of(answer) if self.price else 0.0
        self.before, self.spent = (self.before + cost, self.spent) if known else (self.before, self.spent + cost)
        self.prompt_tokens += answer.prompt_tokens
        self.completion_tokens += answer.completion_tokens

    def most(self, request: Request) -> float:
        """Dollars that a request can cost at most; 0 without a price."""
        return self.price.most(request) if self.price else 0.0

    def reserve(self, request: Request) -> float | None:
        """Set aside what a request may cost; None where the budget does not allow it."""
        cost = self.most(request)
        if self.budget is not None and self.before + self.spent + self.reserved + cost > self.budget:
            return None
        self.reserved += cost
        return cost

    def settle(self, reserved: float, answer: Answer | None) -> None:
        """Give back what was set aside, and count what came."""
        self.reserved = max(0.0, self.reserved - reserved)
        if answer:
            self.count(answer, known=False)


def estimate_tokens(request: Request) -> int:
    """About how many tokens a prompt has: a token each 3.5 bytes, and some for each message."""
    return sum(8 + int(len(message["content"].encode()) / 3.5) for message in request.body["messages"])


def most_tokens(request: Request) -> int:
    """The most tokens that an answer may have."""
    return request.body.get("max_completion_tokens") or request.body.get("max_tokens") or 0

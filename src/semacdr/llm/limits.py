"""How fast an endpoint may be asked: requests under way, requests and tokens a minute, and what all may cost."""

import asyncio
import time
from dataclasses import dataclass

from semacdr.errors import UserError
from semacdr.llm.requests import Answer, Request


class Rate:
    """At most `per_minute` units in any minute, in bursts of up to a second's worth; None: no limit."""

    def __init__(self, per_minute: float | None, burst: float = 1.0) -> None:
        self.seconds = (60 + burst) / per_minute if per_minute else 0.0  # a minute may begin with a burst
        self.burst, self.due = burst, 0.0

    def wait(self, units: float, now: float) -> float:
        """Seconds until the next may start, which takes `units`."""
        return self.due - max(0.0, self.burst - units * self.seconds) - now

    def take(self, units: float, now: float) -> None:
        """Count `units`; negative ones give back what was counted too much."""
        self.due = max(self.due, now) + units * self.seconds


class Pace:
    """Admits tries: up to `concurrency` at once, fewer after a 429, one more for each round that goes well."""

    def __init__(self, concurrency: int, requests_per_minute: float | None, tokens_per_minute: float | None) -> None:
        self.most, self.limit, self.active = concurrency, float(concurrency), 0
        self.requests, self.tokens = Rate(requests_per_minute), Rate(tokens_per_minute)
        self.gate, self.freed = asyncio.Lock(), asyncio.Event()
        self.not_before = self.slowed = 0.0
        self.closed = False

    async def admit(self, tokens: int) -> bool:
        """Wait until a try of about `tokens` tokens may start; False where nothing may start any more."""
        async with self.gate:  # one waits at the gate, the others in line behind it
            while not self.closed:
                now = time.monotonic()
                if self.active >= max(1, int(self.limit)):
                    self.freed.clear()
                    await self.freed.wait()
                elif (wait := self._wait(tokens, now)) > 0:
                    await asyncio.sleep(min(wait, 0.5))  # a stop is to be heard soon, however long the wait
                else:
                    self.requests.take(1, now)
                    self.tokens.take(tokens, now)
                    self.active += 1
                    return True
        return False

    def _wait(self, tokens: int, now: float) -> float:
        return max(self.not_before - now, self.requests.wait(1, now), self.tokens.wait(tokens, now))

    def release(self, well: bool) -> None:
        """A try ended."""
        self.active -= 1
        if well:
            self.limit = min(self.most, self.limit + 1 / self.limit)
        self.freed.set()

    def correct(self, tokens: int) -> None:
        """An answer took so many tokens more than its try was admitted with."""
        self.tokens.take(tokens, time.monotonic())

    def throttle(self, retry_after: float) -> None:
        """The endpoint wants less: start nothing for so many seconds, and a third fewer at once."""
        now = time.monotonic()
        self.not_before = max(self.not_before, now + retry_after)
        if now - self.slowed > 1.0:  # a burst of them is one sign, not many
            self.slowed, self.limit = now, max(1.0, self.limit * 0.7)

    def close(self) -> None:
        """Admit nothing more."""
        self.closed = True
        self.freed.set()


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
        self.open = 0  # requests that something is set aside for
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
        self.reserved, self.open = self.reserved + cost, self.open + 1
        return cost

    def settle(self, reserved: float, answer: Answer | None) -> None:
        """Give back what was set aside, and count what came."""
        self.open = max(0, self.open - 1)  # of a batch of an earlier run nothing is set aside in this one
        self.reserved = max(0.0, self.reserved - reserved) if self.open else 0.0
        if answer:
            self.count(answer, known=False)


def estimate_tokens(request: Request) -> int:
    """About how many tokens a prompt has: a token each 3.5 bytes, and some for each message."""
    return sum(8 + int(len(message["content"].encode()) / 3.5) for message in request.body["messages"])


def most_tokens(request: Request) -> int:
    """The most tokens that an answer may have."""
    return request.body.get("max_completion_tokens") or request.body.get("max_tokens") or 0

"""Limits of asking: requests at once, requests and tokens a minute, and the budget."""

import asyncio
import time
from contextlib import suppress

from semacdr.errors import UserError
from semacdr.llm.options import Price
from semacdr.llm.requests import Answer, Request


class Rate:
    """Allows at most `per_minute` units in any minute, in bursts of at most one second's share; None: no limit."""

    def __init__(self, per_minute: float | None, burst: float = 1.0) -> None:
        self.seconds = (60 + burst) / per_minute if per_minute else 0.0  # a minute may begin with a burst
        self.burst, self.due = burst, 0.0

    def wait(self, units: float, now: float) -> float:
        """Seconds until a request of `units` may start; 0 or less: now."""
        return self.due - max(0.0, self.burst - units * self.seconds) - now

    def take(self, units: float, now: float) -> None:
        """Count `units`; negative units correct an estimate that was too high."""
        self.due = max(self.due, now) + units * self.seconds


class Pace:
    """Admits requests: up to `concurrency` at once, a third fewer after a 429, slowly more again with each success."""

    def __init__(self, concurrency: int, requests_per_minute: float | None, tokens_per_minute: float | None) -> None:
        self.most, self.limit, self.active = concurrency, float(concurrency), 0
        self.requests, self.tokens = Rate(requests_per_minute), Rate(tokens_per_minute)
        self.gate, self.freed = asyncio.Lock(), asyncio.Event()
        self.not_before = self.slowed = 0.0
        self.closed = asyncio.Event()

    async def admit(self, tokens: int) -> bool:
        """Wait until a request of about `tokens` tokens may start; False once the pace is closed."""
        async with self.gate:  # requests are admitted in the order in which they came
            while not self.closed.is_set():
                now = time.monotonic()
                if self.active >= max(1, int(self.limit)):
                    self.freed.clear()
                    await self.freed.wait()
                elif (wait := self._wait(tokens, now)) > 0:
                    await self.rest(min(wait, 0.5))  # a token estimate that was too high may shorten it
                else:
                    self.requests.take(1, now)
                    self.tokens.take(tokens, now)
                    self.active += 1
                    return True
        return False

    def _wait(self, tokens: int, now: float) -> float:
        return max(self.not_before - now, self.requests.wait(1, now), self.tokens.wait(tokens, now))

    def release(self, succeeded: bool) -> None:
        """Count a request that ended."""
        self.active -= 1
        if succeeded:
            self.limit = min(self.most, self.limit + 1 / self.limit)
        self.freed.set()

    def correct(self, tokens: int) -> None:
        """Count the tokens that an answer took beyond the estimate with which its request was admitted."""
        self.tokens.take(tokens, time.monotonic())

    def throttle(self, retry_after: float) -> None:
        """Start nothing for `retry_after` seconds, and allow a third fewer requests at once."""
        now = time.monotonic()
        self.not_before = max(self.not_before, now + retry_after)
        if now - self.slowed > 1.0:  # a burst of 429 counts once
            self.slowed, self.limit = now, max(1.0, self.limit * 0.7)

    async def rest(self, seconds: float) -> None:
        """Wait so long, or until the pace is closed."""
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self.closed.wait()

    def close(self) -> None:
        """Admit nothing from now on."""
        self.closed.set()
        self.freed.set()


class Bill:
    """What a job's answers cost, stored and new ones, and what its budget still allows, in dollars."""

    def __init__(self, price: Price | None = None, budget: float | None = None, discount: float = 1.0) -> None:
        """`discount` multiplies every price: 0.5 for the Batch API. A UserError where a budget has no price."""
        if budget is not None and price is None:
            raise UserError("llm.budget needs the model's price: set input and output of llm.prices.<model>")
        self.price, self.budget, self.discount = price, budget, discount
        self.before = self.spent = self.reserved = 0.0
        self.open = 0  # requests that have a reservation
        self.prompt_tokens = self.completion_tokens = 0

    def cost(self, answer: Answer) -> float:
        """Dollars that an answer cost; 0 without a price."""
        if self.price is None:
            return 0.0
        cached = min(answer.cached_tokens, answer.prompt_tokens)
        saved = 0.0 if self.price.cached is None else cached * (self.price.input - self.price.cached)
        return self.dollars(answer.prompt_tokens, answer.completion_tokens) - self.discount * saved / 1e6

    def dollars(self, prompt_tokens: float, answer_tokens: float) -> float:
        """Dollars for so many tokens, none of them cached; 0 without a price."""
        if self.price is None:
            return 0.0
        return self.discount * (prompt_tokens * self.price.input + answer_tokens * self.price.output) / 1e6

    def most(self, request: Request) -> float:
        """The most dollars that a request can cost, given the estimate of its prompt's tokens; 0 without a price."""
        return self.dollars(estimate_tokens(request), most_tokens(request))

    def count(self, answer: Answer, known: bool) -> None:
        """Count an answer; `known`: an earlier run paid for it."""
        cost = self.cost(answer)
        self.before, self.spent = (self.before + cost, self.spent) if known else (self.before, self.spent + cost)
        self.prompt_tokens += answer.prompt_tokens
        self.completion_tokens += answer.completion_tokens

    def reserve(self, request: Request) -> float | None:
        """Reserve the most that a request may cost; None where the budget does not allow it."""
        cost = self.most(request)
        if self.budget is not None and self.before + self.spent + self.reserved + cost > self.budget:
            return None
        self.reserved, self.open = self.reserved + cost, self.open + 1
        return cost

    def settle(self, reserved: float, answer: Answer | None) -> None:
        """Release a reservation, and count the answer if there is one."""
        self.open = max(0, self.open - 1)  # a batch of an earlier run has no reservation in this one
        self.reserved = max(0.0, self.reserved - reserved) if self.open else 0.0
        if answer:
            self.count(answer, known=False)


def estimate_tokens(request: Request) -> int:
    """Estimated tokens of a prompt: one for each 3.5 bytes, and 8 for each message."""
    return sum(8 + int(len(message["content"].encode()) / 3.5) for message in request.body["messages"])


def most_tokens(request: Request) -> int:
    """The limit of tokens of an answer; 0 where the request sets none."""
    return request.body.get("max_completion_tokens") or request.body.get("max_tokens") or 0

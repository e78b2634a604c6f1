"""Repeat a request with new seeds until an answer conforms."""

from collections.abc import Callable, Iterable
from typing import Any

from semacdr.llm.asker import Asker
from semacdr.llm.requests import Answer, NoAnswer, Request

Judged = tuple[Any, str]  # the value of an answer and "", or None and why the answer does not conform
Reasons = dict[int, str]  # why there is no conforming answer, by index


def until_good(
    asker: Asker,
    most_attempts: int,
    indices: Iterable[int],
    build: Callable[[int, int], Request],
    judge: Callable[[int, Answer], Judged],
    sift: Callable[[dict[int, Any]], Reasons] | None = None,
) -> tuple[dict[int, Any], dict[int, int], Reasons]:
    """The value of the first conforming answer for each index, the attempt (from 0) that gave it, and the failures.

    `build(index, attempt)` makes the request. `sift` may reject some of the values after each attempt.
    """
    pending = indices
    good: dict[int, Any] = {}
    attempts: dict[int, int] = {}
    reasons: Reasons = {}
    for attempt in range(most_attempts):
        bad = []

        def build_again(index: int, attempt: int = attempt) -> Request:
            return build(index, attempt)

        for index, answer in asker.answers(pending, build_again, again=attempt > 0):
            if isinstance(answer, NoAnswer):  # the endpoint refuses the request, with any seed
                reasons[index] = answer.why
                continue
            value, why = judge(index, answer)
            if value is None:
                reasons[index] = why
                bad.append(index)
            else:
                good[index], attempts[index] = value, attempt
        for index, why in (sift(good) if sift else {}).items():
            reasons[index] = why
            bad.append(index)
            del good[index], attempts[index]
        pending = sorted(bad)
        if not pending:
            break
    return good, attempts, {index: why for index, why in reasons.items() if index not in good}

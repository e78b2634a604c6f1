"""Asking until answers are good: what does not conform is asked again with another seed."""

from collections.abc import Callable, Iterable
from functools import partial
from typing import Any

from semacdr.llm.asker import Asker
from semacdr.llm.requests import Answer, Request

Judged = tuple[Any, str]  # what an answer is worth, or None and why not
Reasons = dict[int, str]  # of what failed, by index


def until_good(
    asker: Asker,
    tries: int,
    indices: Iterable[int],
    build: Callable[[int, int], Request],
    judge: Callable[[int, Answer], Judged],
    sift: Callable[[dict[int, Any]], Reasons] | None = None,
) -> tuple[dict[int, Any], dict[int, int], Reasons]:
    """By index: what the first good answer is worth, and at which attempt it came; and why others have none.

    `build(index, attempt)` makes the request; `sift` may throw out of all that is good so far.
    """
    pending, good, attempts, reasons = indices, {}, {}, {}
    for attempt in range(tries):
        bad = []
        for index, answer in asker.answers(pending, partial(build, attempt=attempt), again=attempt > 0):
            if isinstance(answer, str):  # none came, however often it was asked: another seed would not help
                reasons[index] = answer
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

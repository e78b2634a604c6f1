"""Requests to a language model, their keys in the store of answers, and answers."""

import hashlib
from dataclasses import dataclass, field
from typing import Any

import msgspec


@dataclass(frozen=True)
class Asking:
    """The model and the request fields that, together with the prompt, determine an answer."""

    model: str
    weights: str = ""  # id of the weights if known (sha256 of a local file)
    parameters: dict[str, Any] = field(
        default_factory=dict
    )  # further fields of the body: temperature, reasoning_effort, …
    limit: str = "max_tokens"  # the field that bounds an answer's tokens; max_completion_tokens for newer models
    retry_temperature: float = 0.7  # at temperature 0, another seed would give the same answer

    def request(
        self, what: str, messages: list[dict[str, str]], attempt: int, most_tokens: int, **fields: Any
    ) -> "Request":
        """A request with these messages; each attempt has its own seed and so its own key. `what` is for messages."""
        body = {"model": self.model, "messages": messages, "seed": attempt, self.limit: most_tokens}
        body |= fields | self.parameters
        if attempt and body.get("temperature") == 0:
            body["temperature"] = self.retry_temperature
        return Request(what, {name: value for name, value in body.items() if value is not None}, self.weights)


@dataclass(frozen=True, slots=True)
class Request:
    """The body of a chat completion; `what` it is about appears in error messages."""

    what: str
    body: dict[str, Any]
    weights: str = ""

    @property
    def key(self) -> bytes:
        """sha256 of the body and the weights' id, that is of everything that determines the answer."""
        return hashlib.sha256(_encoder.encode([self.weights, self.body])).digest()


@dataclass(frozen=True, slots=True)
class NoAnswer:
    """Why a request has no answer; `final` if the endpoint refused the request itself and would refuse it again."""

    why: str
    final: bool = False


class Answer(msgspec.Struct, frozen=True, omit_defaults=True):
    """The raw answer of a model, with its tokens, HTTP requests and seconds."""

    text: str | None = None
    finish: str | None = None  # stop, length, content_filter
    refusal: str | None = None
    scores: dict[str, float] | None = None  # log-probabilities of the most likely first tokens, if requested
    prompt_tokens: int = 0
    completion_tokens: int = 0
    cached_tokens: int = 0  # tokens of the prompt that were cached, where the endpoint says so
    tries: int = 1  # HTTP requests that it took
    seconds: float = 0.0
    corrected: bool = False  # its text was corrected by hand after it was recorded (benchmarks/correct_answers.py)


_encoder = msgspec.json.Encoder(order="deterministic")


def answer_of(completion: Any, tries: int, seconds: float) -> Answer:
    """The answer in a chat completion (as decoded JSON); a ValueError with the error in it if there is none."""
    if isinstance(completion, dict) and completion.get("error"):
        error = completion["error"]
        message = error.get("message") if isinstance(error, dict) else None
        raise ValueError(f"the endpoint answered with status 200 and an error: {message or error}")
    try:
        choice, usage = completion["choices"][0], completion.get("usage") or {}
        scored = ((choice.get("logprobs") or {}).get("content") or [None])[0]
        scores: dict[str, float] = {}
        for top in (scored or {}).get("top_logprobs") or []:  # of equal tokens the most likely comes first
            scores.setdefault(top["token"], round(max(top["logprob"], -100.0), 4))
        found = {
            "text": choice["message"].get("content"),
            "finish": choice.get("finish_reason"),
            "refusal": choice["message"].get("refusal"),
            "scores": scores or None,
            "prompt_tokens": usage.get("prompt_tokens") or 0,
            "completion_tokens": usage.get("completion_tokens") or 0,
            "cached_tokens": (usage.get("prompt_tokens_details") or {}).get("cached_tokens") or 0,
            "tries": tries,
            "seconds": round(seconds, 3),
        }
        return msgspec.convert(found, Answer)  # an answer that could not be read again must not be stored
    except (AttributeError, IndexError, KeyError, TypeError, msgspec.ValidationError) as error:
        raise ValueError(f"no answer in it: {type(error).__name__} {error}") from error

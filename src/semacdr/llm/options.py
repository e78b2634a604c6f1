"""Settings of the language model: what determines its answers (Settings), and how answers are obtained (Options).

Options change no answer, so nothing reruns when they change.
"""

from dataclasses import dataclass
from typing import Literal

from semacdr.runtime.settings import Count, Natural, NonNegative, Positive, setting


@dataclass(frozen=True)
class Settings:
    """What, together with the prompt, determines an answer."""

    model: str = setting("gpt-4o-mini", "name of the model at the endpoint")
    weights: str = setting("", "id of its weights if known; for a local model the sha256 of its file")
    parameters: dict = setting(
        {"temperature": 0}, "further fields of a request; null removes one that the endpoint does not accept"
    )
    token_limit: Literal["max_tokens", "max_completion_tokens"] = setting(
        "max_tokens", "request field that limits an answer's tokens; max_completion_tokens for newer OpenAI models"
    )


@dataclass(frozen=True)
class Running:
    """How fast and how persistently an endpoint is asked."""

    key_name: str = setting("OPENAI_API_KEY", "environment variable that holds the API key")
    concurrency: Count = setting(64, "requests at once")
    requests_per_minute: Positive | None = setting(None, "limit of requests in a minute")
    tokens_per_minute: Positive | None = setting(None, "limit of tokens in a minute")
    timeout: Positive = setting(120.0, "seconds for one HTTP request, from the start to the end of its response")
    http_retries: Natural = setting(
        4, "repeats of a request with growing waits, at 408, 409, 429, 5xx and lost connections"
    )
    retry_passes: Count = setting(3, "passes over requests whose repeats all failed, each after all other requests")
    queued_tokens: Count | None = setting(
        None, "prompt tokens that the Batch API lets an account queue at once; depends on its tier"
    )


@dataclass(frozen=True)
class Local:
    """The server of a local model."""

    threads: Natural = setting(0, "threads; 0 takes all CPUs")
    slots: Count = setting(1, "requests at once")
    context: Count | None = setting(None, "tokens of a prompt and its answer; null takes the stage's own value")


@dataclass(frozen=True)
class Price:
    """Dollars for a million tokens."""

    input: NonNegative = setting(0.0, "dollars for a million prompt tokens")
    output: NonNegative = setting(0.0, "dollars for a million answer tokens")
    cached: NonNegative | None = setting(None, "dollars for a million cached prompt tokens; null: as input")


@dataclass(frozen=True)
class Options:
    """How answers are obtained."""

    prompts: str = setting("resources/prompts", "folder of the prompt files")
    endpoint: str = setting(
        "https://api.openai.com/v1", "OpenAI-compatible URL, local:smollm2 or local:/path/to/model.gguf"
    )
    local: Local = setting(Local(), "server of a local model")
    store: str = setting("answers/answers.sqlite", "SQLite file that keeps every answer, for all scenarios")
    recorded: tuple[str, ...] = setting((), "Parquet files of answers that are imported into the store first")
    offline: bool = setting(False, "send no request; a missing answer is an error")
    batch: str = setting("", "folder for the Batch API (half the price, answers within a day); empty: not used")
    run_batch: bool = setting(False, "with batch: only write the request files for vLLM's run-batch")
    budget: Positive | None = setting(None, "dollars that the answers of one job may cost, those in the store included")
    prices: dict[str, Price] = setting({}, "prices by model")
    running: Running = setting(Running(), "how the endpoint is asked")

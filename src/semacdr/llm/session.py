"""Open a job's connection to a language model, and report what its answers cost."""

import contextlib
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from semacdr.errors import UserError
from semacdr.llm import local
from semacdr.llm.asker import Asker
from semacdr.llm.endpoint import Endpoint
from semacdr.llm.limits import Bill
from semacdr.llm.options import Options, Settings
from semacdr.llm.requests import Asking
from semacdr.llm.store import AnswerStore, import_answers
from semacdr.runtime.cli import log

LOCAL = "local:"


def open_asking(settings: Settings, options: Options) -> Asking:
    """The fields that every request has; the weights of a local model are identified by their file's sha256.

    A UserError where `llm.weights` names other weights than the local file.
    """
    asking = Asking(settings.model, settings.weights, settings.parameters, settings.token_limit)
    if options.offline or not options.endpoint.startswith(LOCAL):
        return asking
    gguf = local.weights_file(options.endpoint.removeprefix(LOCAL))
    found = local.sha256(gguf)
    if settings.weights and settings.weights != found:
        raise UserError(f"{gguf}: its sha256 is {found}, but llm.weights is {settings.weights}")
    return replace(asking, weights=found)


@contextlib.contextmanager
def open_asker(
    settings: Settings, options: Options, dry_run: bool = False, context: int = local.CONTEXT
) -> Iterator[Asker]:
    """The asker for a job. A local server runs until the block ends, by default with `context` tokens a request.

    A UserError where an option is missing, or the store or the local server cannot be opened.
    """
    if not options.store:
        raise UserError("engine llm needs a file for the answers: set llm.store")
    if options.run_batch and not options.batch:
        raise UserError("llm.run_batch needs a folder for its files: set llm.batch")
    bill = Bill(options.prices.get(settings.model), options.budget, 0.5 if options.batch else 1.0)
    with contextlib.ExitStack() as stack:
        store = stack.enter_context(AnswerStore(Path(options.store)))
        for path in options.recorded:
            log.info("%s: %d answers imported", path, import_answers(store, Path(path)))
        endpoint = None
        if not options.offline and not dry_run and not options.run_batch:
            endpoint = stack.enter_context(_open_endpoint(options, context))
        batch = Path(options.batch) if options.batch and not options.offline else None
        yield Asker(store, endpoint, bill, batch, dry_run)


@contextlib.contextmanager
def _open_endpoint(options: Options, context: int) -> Iterator[Endpoint]:
    """The endpoint; a local one is served until the block ends."""
    if not options.endpoint:
        raise UserError("engine llm needs llm.endpoint, or llm.offline true")
    endpoint = Endpoint(options.endpoint, options.running)
    if options.endpoint.startswith(LOCAL):
        gguf = local.weights_file(options.endpoint.removeprefix(LOCAL))
        server = replace(options.local, context=options.local.context or context)
        with local.serving(gguf, server) as url:
            yield Endpoint(url, replace(options.running, concurrency=server.slots))
    else:
        endpoint.key()  # a missing key stops the job now, not after an hour of preparation
        yield endpoint


Cost = dict[str, str | int | float | None]  # what a job asked and paid, as cost.json holds it


def paid(asker: Asker, model: str) -> Cost:
    """What the answers used by a job cost, each counted once, also those that an earlier job paid for.

    Returns the model, the numbers of answers, prompt tokens and answer tokens, and dollars (None without a price).
    """
    answers = prompt_tokens = completion_tokens = 0
    dollars = 0.0
    for *_, content in asker.store.some(asker.used):
        answer = asker.store.decode(content)
        answers += 1
        prompt_tokens += answer.prompt_tokens
        completion_tokens += answer.completion_tokens
        dollars += asker.bill.cost(answer)
    return {
        "model": model, "answers": answers, "prompt_tokens": prompt_tokens, "completion_tokens": completion_tokens,
        "dollars": round(dollars, 6) if asker.bill.price else None,
    }  # fmt: skip


def quote_text(asker: Asker) -> str:
    """The result of a dry run as lines of text: requests, tokens and dollars."""
    quote, bill = asker.quote, asker.bill
    mean = quote.stored_tokens / quote.stored if quote.stored else None
    missing = quote.requests - quote.stored
    expected = quote.most_tokens if mean is None else min(int(mean * missing), quote.most_tokens)
    basis = "at most" if mean is None else "expected, from the mean of the stored answers"
    lines = [
        f"requests             {quote.requests:>14,}",
        f"answered before      {quote.stored:>14,}",
        f"to ask               {missing:>14,}",
        f"prompt tokens        {quote.prompt_tokens:>14,}  (estimated)",
        f"answer tokens        {expected:>14,}  ({basis})",
        f"answer tokens at most{quote.most_tokens:>14,}",
    ]
    if bill.price:
        likely, most = (bill.dollars(quote.prompt_tokens, tokens) for tokens in (expected, quote.most_tokens))
        lines += [f"dollars              {likely:>14,.4f}", f"dollars at most      {most:>14,.4f}"]
    else:
        lines.append("dollars: unknown, llm.prices has no price of this model")
    return "\n".join([*lines, "Answers that do not conform are asked for again, at additional cost."])

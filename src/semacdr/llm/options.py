"""The options that stages share which ask a language model, and what they make of them."""

import argparse
import contextlib
import json
from collections.abc import Iterator
from dataclasses import asdict, replace
from pathlib import Path

from semacdr.errors import UserError
from semacdr.llm import local
from semacdr.llm.asker import Asker
from semacdr.llm.endpoint import Endpoint
from semacdr.llm.limits import Bill, Price
from semacdr.llm.requests import Asking
from semacdr.llm.store import AnswerStore, import_answers
from semacdr.runtime.cli import log, resolve

LOCAL = "local:"


def add_options(cli: argparse.ArgumentParser) -> None:
    """Add the options, in two groups: what determines the answers, and how they are come by."""
    what = cli.add_argument_group("the language model: what determines its answers")
    what.add_argument("--model", help="its name at the endpoint")
    what.add_argument("--weights", default="", help="id of its weights where known; sha256 of a local file")
    what.add_argument("--parameters", type=as_json, default={}, help="JSON: more of a request, as temperature")
    what.add_argument("--token-limit", default="max_tokens", help="the field that bounds an answer's tokens")
    how = cli.add_argument_group("how answers are come by")
    how.add_argument("--store", type=Path, help="SQLite file that keeps every answer")
    how.add_argument("--recorded", type=Path, nargs="*", default=[], help="answers to put into the store first")
    how.add_argument("--offline", action="store_true", help="send no request; a missing answer is an error")
    how.add_argument("--endpoint", help=f"OpenAI-compatible URL, {LOCAL}{local.PACKAGED} or {LOCAL}/path/to.gguf")
    how.add_argument("--batch", type=Path, help="folder: ask through the Batch API, at half the price, within a day")
    how.add_argument("--run-batch", action="store_true", help="with --batch: write the files for vLLM's run-batch only")
    how.add_argument("--running", type=as_json, default={}, help=f"JSON: {', '.join(running_defaults())}")
    how.add_argument("--price", type=as_json, help="JSON: input, output, cached: dollars for a million tokens")
    how.add_argument(
        "--budget", type=float, help="dollars that the answers of this job may cost, those in the store too"
    )
    how.add_argument("--dry-run", action="store_true", help="ask nothing: print what asking would cost, write nothing")
    how.add_argument(
        "--local", type=as_json, default={}, help="JSON: threads, slots, context of a local model's server"
    )


def running_defaults() -> dict:
    """The settings of an endpoint beside its address, with their defaults."""
    return {name: value for name, value in asdict(Endpoint("")).items() if name != "url"}


def as_json(text: str) -> dict:
    """An option's JSON object."""
    value = json.loads(text)
    if not isinstance(value, dict):
        raise argparse.ArgumentTypeError(f"{text!r} is not a JSON object")
    return value


def as_shard(text: str) -> tuple[int, int]:
    """An option's k/n: the k-th of n parts, from 1."""
    part, _, parts = text.partition("/")
    if not (part.isdecimal() and parts.isdecimal() and 1 <= int(part) <= int(parts)):
        raise argparse.ArgumentTypeError(f"{text!r} is not k/n with 1 <= k <= n")
    return int(part), int(parts)


def asking(args: argparse.Namespace) -> Asking:
    """The model that is asked; a local one's weights are known by their hash."""
    if not args.model:
        raise UserError("engine llm needs --model (llm.model)")
    if args.endpoint and args.endpoint.startswith(LOCAL) and not args.offline:
        gguf = local.weights_file(args.endpoint.removeprefix(LOCAL))
        found = local.sha256(gguf)
        if args.weights and args.weights != found:
            raise UserError(f"{gguf}: its sha256 is {found}, but --weights (llm.weights) says {args.weights}")
        return Asking(args.model, found, args.parameters, args.token_limit)
    return Asking(args.model, args.weights, args.parameters, args.token_limit)


@contextlib.contextmanager
def asker(args: argparse.Namespace, context: int = 4096) -> Iterator[Asker]:
    """The asker that the options describe; a local server runs while the block does, by default of `context` tokens."""
    if not args.store:
        raise UserError("engine llm needs --store (llm.store)")
    if args.run_batch and not args.batch:
        raise UserError("--run-batch needs --batch (llm.batch), the folder for its files")
    price = resolve(Price, args.price, "llm.prices") if args.price else None
    if price and args.batch:
        price = replace(price, discount=0.5)
    with contextlib.ExitStack() as stack:
        store = stack.enter_context(AnswerStore(args.store))
        for path in args.recorded:
            log.info("%s: %d answers that the store did not have", path, import_answers(store, path))
        endpoint = None
        if not args.offline and not args.dry_run and not args.run_batch:
            if not args.endpoint:
                raise UserError("engine llm needs --endpoint (llm.endpoint) or --offline")
            url = args.endpoint
            endpoint = resolve(Endpoint, args.running | {"url": url}, "llm.running")
            if url.startswith(LOCAL):
                gguf = local.weights_file(url.removeprefix(LOCAL))
                server = resolve(local.Server, {"context": context} | args.local, "llm.local")
                url = stack.enter_context(local.serving(gguf, server))
                endpoint = replace(endpoint, url=url, concurrency=server.slots)
            endpoint.key()  # missing: better said now than after an hour of preparation
        yield Asker(store, endpoint, Bill(price, args.budget), None if args.offline else args.batch, args.dry_run)


def paid(asker: Asker, model: str) -> dict:
    """What the answers that a job was given cost, each counted once, whoever had asked for it and when."""
    cost = {"model": model, "answers": 0, "prompt_tokens": 0, "completion_tokens": 0}
    dollars, price = 0.0, asker.bill.price
    for *_, content in asker.store.some(asker.used):
        answer = asker.store.decode(content)
        cost["answers"] += 1
        cost["prompt_tokens"] += answer.prompt_tokens
        cost["completion_tokens"] += answer.completion_tokens
        dollars += price.of(answer) if price else 0.0
    return cost | {"dollars": round(dollars, 6) if price else None}


def priced(asker: Asker) -> str:
    """What a dry run counted, and what asking would cost, to read."""
    quote, price = asker.quote, asker.bill.price
    mean = quote.stored_tokens / quote.stored if quote.stored else None
    left = quote.requests - quote.stored
    expected = quote.most_tokens if mean is None else min(int(mean * left), quote.most_tokens)
    lines = [
        f"requests             {quote.requests:>14,}",
        f"answered before      {quote.stored:>14,}",
        f"to ask               {left:>14,}",
        f"prompt tokens        {quote.prompt_tokens:>14,}  (estimated)",
        f"answer tokens        {expected:>14,}  ({'at most' if mean is None else 'expected, as those before'})",
        f"answer tokens at most{quote.most_tokens:>14,}",
    ]
    if price:
        cost = [
            price.discount * (quote.prompt_tokens * price.input + n * price.output) / 1e6
            for n in (expected, quote.most_tokens)
        ]
        lines += [f"dollars              {cost[0]:>14,.4f}", f"dollars at most      {cost[1]:>14,.4f}"]
    else:
        lines.append("dollars: unknown, there is no price of this model (llm.prices)")
    return "\n".join([*lines, "Answers that do not conform are asked again, which comes on top."])

"""A scripted OpenAI-compatible endpoint on loopback, which counts requests and fails on command.

    python tests/helpers/fake_llm_server.py --latency 0.2 --slots 64

prints its URL as a line of JSON and serves until its standard input ends. In a test: `with Server(...) as server`.
Answers, also wrong ones, depend only on a request's messages and seed. Transport failures also depend on how often the
request was sent.
"""

import argparse
import asyncio
import json
import re
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from hashlib import sha256

import msgspec

# Failures on the way: the same request may succeed later. Failures as an answer: the same request fails again.
ON_THE_WAY = ("429 with wait", "429", "500", "stalled", "dropped", "cut", "no json", "list", "no text", "trickle")
AS_ANSWER = ("length", "off schema", "refusal", "empty", "unknown", "twice")
FINAL = ("400", "401", "quota")
ERRORS = {
    "429 with wait": (429, "Rate limit reached", "rate_limit_exceeded"),
    "429": (429, "Rate limit reached", "rate_limit_exceeded"),
    "500": (500, "The server had an error", None),
    "400": (400, "The prompt is too long", "context_length_exceeded"),
    "401": (401, "Incorrect API key provided: {key}", "invalid_api_key"),
    "quota": (429, "You exceeded your current quota", "insufficient_quota"),
}
BODIES = {  # with status 200; None: the answer without its end
    "cut": None,
    "no json": b"<html>Bad gateway</html>",
    "list": b"[]",
    "no text": b'{"choices": [{"message": {"content": ["a", "b"]}, "finish_reason": "stop"}]}',
}
TOPICS = "voyages gardens kitchens machines winters strangers letters harbours mountains secrets families soldiers"
Key = tuple[str, int]  # a request's messages and seed
Script = Callable[[Key, int], str | None]  # the failure of a request that is sent for the n-th time, from 1


def draw(*of: object) -> float:
    """A number from 0 to 1 that depends only on `of`."""
    return int.from_bytes(sha256(repr(of).encode()).digest()[:8], "big") / 2**64


def pick(values: list | tuple, *of: object):
    """One of the values, chosen by `draw`."""
    return values[int(draw(*of) * len(values))]


def share_of(share: float, kinds: tuple[str, ...] = ON_THE_WAY + AS_ANSWER) -> Script:
    """A script by which a `share` of the requests fails, with all kinds equally frequent."""
    way, answer = ([kind for kind in kinds if kind in some] for some in (ON_THE_WAY, AS_ANSWER))

    def script(key: Key, times: int) -> str | None:
        if draw("way", key, times) < share * len(way) / len(kinds):
            return pick(way, "which way", key, times)
        if draw("answer", key) < share * len(answer) / len(kinds):
            return pick(answer, "which answer", key)
        return None

    return script


def filing_of(key: Key, properties: dict) -> dict[str, list[str]]:
    """One or two subcategories in each category of a schema."""
    filed = {}
    for name, lists in properties.items():
        names = lists["items"]["enum"]
        filed[name] = list(dict.fromkeys(pick(names, key, name, n) for n in range(1 + (draw(key, name) < 0.5))))
    return filed


def persona_of(key: Key, facets: dict) -> dict[str, list[dict]]:
    """One or two weighted terms in each facet of a persona's schema."""
    terms = {name: {"items": facet["items"]["properties"]["term"]} for name, facet in facets.items()}
    filed = filing_of(key, terms)
    return {name: [{"term": term, "weight": 0.5} for term in own] for name, own in filed.items()}


def prose_of(key: Key) -> str:
    """Two sentences about the title in a prompt."""
    title = re.search(r"^Title: (.*)$", key[0], re.MULTILINE)
    one, two, three = (pick(TOPICS.split(), key, n) for n in range(3))
    return f"{title[1] if title else 'This item'} tells of {one} and {two}. It suits readers who are fond of {three}."


def message_of(key: Key, body: dict, kind: str | None) -> tuple[dict, str, dict | None]:
    """The message, the finish reason and the log-probabilities of an answer."""
    if kind == "refusal":
        return {"content": None, "refusal": "I cannot help with that."}, "stop", None
    if kind == "empty":
        return {"content": ""}, "stop", None
    if body.get("logprobs"):
        letters = re.findall(r"^([A-T])\. ", key[0], re.MULTILINE)
        tops = [{"token": f" {letter}", "logprob": -5 * draw(key, letter) - 0.1} for letter in letters]
        return {"content": letters[0]}, "length", {"content": [{**tops[0], "top_logprobs": tops}]}
    if "response_format" not in body:
        text = {"off schema": '{"text": 1}', "length": "This is about"}.get(kind) or prose_of(key)
        return {"content": text}, "length" if kind == "length" else "stop", None
    properties = body["response_format"]["json_schema"]["schema"]["properties"]
    persona = "sentences" in properties
    filed = persona_of(key, properties["facets"]["properties"]) if persona else filing_of(key, properties)
    first = next(iter(filed))
    if kind == "off schema":
        filed[first] = filed[first][0]
    elif kind == "unknown":
        filed[first].append("No such subcategory")
    elif kind == "twice":
        filed[first] = 2 * filed[first][:1]
    content = {"facets": filed, "sentences": prose_of(key)} if persona else filed
    text = json.dumps(content, ensure_ascii=False)
    return {"content": text[:-9] if kind == "length" else text}, "length" if kind == "length" else "stop", None


def completion(key: Key, body: dict, kind: str | None = None) -> bytes:
    """A complete answer, right or wrong."""
    message, finish, logprobs = message_of(key, body, kind)
    choice = {"index": 0, "message": {"role": "assistant", **message}, "finish_reason": finish, "logprobs": logprobs}
    prompt, answer = len(key[0]) // 4, len(message["content"] or "") // 4
    usage = {"prompt_tokens": prompt, "completion_tokens": answer, "total_tokens": prompt + answer}
    whole = {"id": "chatcmpl-1", "object": "chat.completion", "created": 0, "model": body["model"]}
    return msgspec.json.encode(whole | {"choices": [choice], "usage": usage})


class Server:
    """The endpoint, in a separate thread, and a record of its requests."""

    def __init__(
        self, script: Script = lambda key, times: None, wait: float = 0.05, latency: float = 0.0, slots: int = 10_000
    ) -> None:
        """`wait`: seconds that a 429 asks for; `slots` requests are answered at once, each in `latency`."""
        self.script, self.wait, self.latency, self.slots = script, wait, latency, slots
        self.asked, self.whole = Counter(), Counter()  # by key: requests, and answers that were sent completely
        self.again: set[tuple[Key, int]] = set()  # complete answers that were requested again
        self.keys: set[str] = set()  # of the API, in lower case
        self.bodies: dict[Key, list[bytes]] = {}
        self.starts: list[float] = []  # when each request came
        self.at_once: list[int] = []  # the number under way at that time
        self.waits: list[tuple[float, float]] = []  # when a 429 was sent, and the wait it asked for
        self.active = 0

    def __enter__(self) -> "Server":
        ready = threading.Event()
        self.thread = threading.Thread(target=lambda: asyncio.run(self.serve(ready)), daemon=True)
        self.thread.start()
        ready.wait()
        return self

    def __exit__(self, *_: object) -> None:
        self.loop.call_soon_threadsafe(self.ended.set)
        self.thread.join(10)

    async def serve(self, ready: threading.Event) -> None:
        self.loop, self.ended, self.free = asyncio.get_running_loop(), asyncio.Event(), asyncio.Semaphore(self.slots)
        server = await asyncio.start_server(self.connected, "127.0.0.1", 0, backlog=1000)
        self.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/v1"
        ready.set()
        await self.ended.wait()
        server.close()
        for task in asyncio.all_tasks() - {asyncio.current_task()}:
            task.cancel()

    async def connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer one request after the other, until the client closes the connection."""
        with suppress(asyncio.IncompleteReadError, ConnectionError, asyncio.CancelledError):
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                fields = dict(line.lower().split(": ", 1) for line in head.decode().split("\r\n")[1:] if line)
                raw = await reader.readexactly(int(fields["content-length"]))
                self.active += 1
                try:
                    await self.answer(raw, fields, reader, writer)
                finally:
                    self.active -= 1
        writer.transport.abort()

    async def answer(self, raw: bytes, fields: dict, reader: asyncio.StreamReader, writer) -> None:
        body = msgspec.json.decode(raw)
        key = ("\n".join(message["content"] for message in body["messages"]), body["seed"])
        self.starts.append(time.monotonic())
        self.at_once.append(self.active)
        self.asked[key] += 1
        if self.whole[key]:
            self.again.add((key, self.whole[key]))
        self.bodies.setdefault(key, []).append(raw)
        self.keys.add(fields["authorization"].removeprefix("bearer "))
        kind = self.script(key, self.asked[key])
        if self.latency:
            async with self.free:
                await asyncio.sleep(self.latency)
        if kind in ERRORS:
            status, text, code = ERRORS[kind]
            text = text.format(key=fields["authorization"].removeprefix("bearer "))
            wait = self.wait if kind == "429 with wait" else 0.0
            if status == 429:
                self.waits.append((time.monotonic(), wait))
            error = {"error": {"message": text, "type": code, "code": code, "param": None}}
            await self.send(writer, json.dumps(error).encode(), status, f"Retry-After: {wait}\r\n" if wait else "")
        elif kind == "stalled":
            await reader.read()
        elif kind == "dropped":
            text = completion(key, body)
            await self.send(writer, text, part=len(text) // 2)
            writer.transport.abort()
        elif kind in BODIES:
            await self.send(writer, BODIES[kind] or completion(key, body)[:-20])
        elif kind == "trickle":
            await self.send(writer, b" " * 10_000, part=1)
            while True:
                await asyncio.sleep(0.1)
                writer.write(b" ")
                await writer.drain()
        else:
            await self.send(writer, completion(key, body, kind))
            self.whole[key] += 1

    async def send(self, writer, text: bytes, status: int = 200, more: str = "", part: int | None = None) -> None:
        head = f"HTTP/1.1 {status} .\r\nContent-Type: application/json\r\nContent-Length: {len(text)}\r\n{more}\r\n"
        writer.write(head.encode() + text[:part])
        await writer.drain()


def main() -> None:
    cli = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    cli.add_argument("--latency", type=float, default=0.0)
    cli.add_argument("--slots", type=int, default=10_000)
    cli.add_argument("--faults", type=float, default=0.0, help="share of the requests that go wrong")
    args = cli.parse_args()
    with Server(share_of(args.faults), latency=args.latency, slots=args.slots) as server:
        print(json.dumps({"url": server.url}), flush=True)
        sys.stdin.read()


if __name__ == "__main__":
    main()

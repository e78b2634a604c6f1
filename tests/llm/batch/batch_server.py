"""A scripted Batch API on loopback: files, batches, chat completions; it counts what it does."""

import json
import re
from collections import Counter
from itertools import count

from loopback import Handler, Server

STEPS = ["validating", "in_progress", "finalizing"]


def completion(body: dict) -> dict:
    """An answer that repeats the end of its prompt."""
    message = {"role": "assistant", "content": f"answer to {body['messages'][-1]['content']}"}
    return {
        "choices": [{"index": 0, "message": message, "finish_reason": "stop"}],
        "usage": {"prompt_tokens": 1000, "completion_tokens": 100},
    }


def answered(request: dict) -> dict:
    response = {"status_code": 200, "request_id": "r", "body": completion(request["body"])}
    return {"id": "x", "custom_id": request["custom_id"], "response": response, "error": None}


def refused(request: dict, status: int, message: str) -> dict:
    response = {"status_code": status, "request_id": "r", "body": {"error": {"message": message, "code": None}}}
    return {"id": "x", "custom_id": request["custom_id"], "response": response, "error": None}


def unfinished(request: dict) -> dict:
    error = {"code": "batch_expired", "message": "not executed before the completion window expired"}
    return {"id": "x", "custom_id": request["custom_id"], "response": None, "error": error}


def all_answered(requests: list[dict]) -> tuple[str, list[dict], list[dict]]:
    return "completed", [answered(request) for request in requests], []


class BatchServer(Server):
    """`outcome(requests)` decides how a batch ends: status, lines of its output file, lines of its error file."""

    def __init__(self):
        self.files, self.batches, self.numbers = {}, {}, count(1)
        self.outcome = all_answered
        self.asked = Counter()  # how often each custom_id was in a batch that was not refused, and so was paid
        self.calls = Counter()
        self.broken = {}  # (method and path as in calls): how often to do the work but answer 500
        self.chats = []
        super().__init__()

    def get(self, handler: Handler) -> None:
        self.answer("GET", handler)

    def post(self, handler: Handler) -> None:
        self.answer("POST", handler)

    def answer(self, method: str, handler: Handler) -> None:
        body = handler.body()
        path, _, query = handler.path.removeprefix(self.path).partition("?")
        kind = f"{method} {re.sub(r'(file-|batch_)[0-9]+', '*', path)}"
        self.calls[kind] += 1
        after = re.search(r"after=(\w+)", query)
        name = path.split("/")[2] if path.count("/") > 1 else ""
        done = {
            "POST /files": lambda: self.upload(content_of(body)),
            "GET /files/*/content": lambda: self.files[name],
            "POST /batches": lambda: self.create(json.loads(body)),
            "GET /batches/*": lambda: self.retrieve(self.batches[name]),
            "GET /batches": lambda: self.list(after and after[1]),
            "POST /chat/completions": lambda: self.chats.append(body) or completion(json.loads(body)),
        }[kind]()
        status = 200
        if self.broken.get(kind):
            self.broken[kind] -= 1
            status, done = 500, {"error": {"message": "broken"}}
        if isinstance(done, bytes):
            handler.respond(status, done)
        else:
            handler.respond_json(status, done)

    def requests_of(self, batch: dict) -> list[dict]:
        return [json.loads(line) for line in self.files[batch["input_file_id"]].splitlines()]

    def upload(self, content: bytes) -> dict:
        name = f"file-{next(self.numbers)}"
        self.files[name] = content
        return {"id": name, "object": "file", "bytes": len(content), "purpose": "batch", "filename": "x"}

    def create(self, body: dict) -> dict:
        assert body["endpoint"] == "/v1/chat/completions" and body["completion_window"] == "24h"
        name = f"batch_{next(self.numbers)}"
        batch = {"id": name, "object": "batch", "created_at": 0, "status": "validating", "seen": 0, "errors": None}
        self.batches[name] = batch | body | {"output_file_id": None, "error_file_id": None, "request_counts": None}
        self.asked.update(request["custom_id"] for request in self.requests_of(self.batches[name]))
        return self.batches[name]

    def retrieve(self, batch: dict) -> dict:
        """Advance a batch by one step at each request for it."""
        batch["seen"] += 1
        if batch["seen"] < len(STEPS):
            batch["status"] = STEPS[batch["seen"]]
        elif batch["status"] in STEPS:
            self.end(batch)
        return batch

    def end(self, batch: dict) -> None:
        requests = self.requests_of(batch)
        batch["status"], output, errors = self.outcome(requests)
        if batch["status"] == "failed":
            batch["errors"] = {"object": "list", "data": errors}
            self.asked.subtract(request["custom_id"] for request in requests)
            return
        batch["request_counts"] = {"total": len(requests), "completed": len(output), "failed": len(errors)}
        for name, lines in (("output_file_id", output), ("error_file_id", errors)):
            if lines:
                batch[name] = self.upload("".join(f"{json.dumps(line)}\n" for line in lines).encode())["id"]

    def list(self, after: str | None) -> dict:
        """List batches in pages of two, the newest first."""
        names = list(self.batches)[::-1]
        start = names.index(after) + 1 if after else 0
        page = names[start : start + 2]
        data = [self.batches[name] for name in page]
        return {"object": "list", "data": data, "has_more": start + 2 < len(names)} | (
            {"first_id": page[0], "last_id": page[-1]} if page else {}
        )


def content_of(body: bytes) -> bytes:
    """The file in a multipart form."""
    boundary = body.partition(b"\r\n")[0]
    parts = [part.partition(b"\r\n\r\n") for part in body.split(boundary)]
    (file,) = (content for head, _, content in parts if b"filename=" in head)
    assert any(b'name="purpose"' in head and content.strip() == b"batch" for head, _, content in parts)
    return file.removesuffix(b"\r\n")

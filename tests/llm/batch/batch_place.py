"""For tests of batches: requests, their answers by the scripted server, and runs that may be killed."""

import json

import pytest

from semacdr.llm.asker import Asker
from semacdr.llm.endpoint import Endpoint
from semacdr.llm.limits import Bill
from semacdr.llm.options import Price, Running
from semacdr.llm.requests import Asking, NoAnswer
from semacdr.llm.store import AnswerStore

PRICE = Price(input=1.0, output=10.0)  # an answer of the server costs 0.002 dollars


class Killed(BaseException):
    """Like kill -9 within this process: no handler of the tested code catches it."""


def build(index, prompt="Describe"):
    messages = [{"role": "user", "content": f"{prompt} item {index}"}]
    return Asking("model-1", "w1", {"temperature": 0}).request(f"item {index}", messages, 0, 50)


def key(index):
    return build(index).key.hex()


def expected(indices=range(8), prompt="Describe"):
    return {index: f"answer to {prompt} item {index}" for index in indices}


class Place:
    """A store and a folder of batches, and a run of them like another process's: it starts from the files on disk."""

    def __init__(self, folder, server, **running):
        self.folder, self.server, self.running = folder, server, running

    def run(self, indices=range(8), build=build, budget=None, batch=True, **running):
        """The asker's answers by index: the text, or why there is none."""
        endpoint = Endpoint(self.server.url, Running(**self.running | running)) if self.server else None
        self.bill = Bill(PRICE, budget)
        with AnswerStore(self.folder / "answers.sqlite") as store:
            asker = Asker(store, endpoint, self.bill, self.folder / "batches" if batch else None)
            return {i: a.why if isinstance(a, NoAnswer) else a.text for i, a in asker.answers(indices, build)}

    def run_killed_in(self, owner, name, *arguments):
        """Like `run`, in a process that is killed when it calls a method."""

        def die(*_):
            raise Killed

        with pytest.MonkeyPatch.context() as patched, pytest.raises(Killed):
            patched.setattr(owner, name, die)
            self.run(*arguments)

    def stored(self):
        with AnswerStore(self.folder / "answers.sqlite") as store:
            return {row[0].hex() for row in store.rows()}

    def files(self):
        return sorted((self.folder / "batches").glob("?????.jsonl"))

    def state(self):
        return json.loads((self.folder / "batches/state.json").read_text())["batches"]

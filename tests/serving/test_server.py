"""The HTTP server: its answers are those of the Python interface, and whatever is wrong is a 4xx with a reason."""

import asyncio
import json
import re
import signal
import socket
import subprocess
import sys
from collections import Counter

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from served import lay_out, train

import semacdr
from semacdr.commands import serve as command
from semacdr.errors import UserError

pytest.importorskip("fastapi", reason="the extra semacdr[serve] is not installed")
import httpx2

from semacdr.serving import together
from semacdr.serving.server import Limits, make_app

UNSEEN = {"graph": "none", "user_vector": "none", "source_weight": 1.0, "contrastive_weight": 0.0}
LIMITS = Limits(body=2000, users=5, events=8, top=40, rows=100, waiting=50)


class Client:
    """Requests to the application, in process; an exception in the application is raised."""

    def __init__(self, recommender, limits=LIMITS):
        self.recommender, self.loop = recommender, asyncio.new_event_loop()
        transport = httpx2.ASGITransport(app=make_app(recommender, limits))
        self.client = httpx2.AsyncClient(transport=transport, base_url="http://server")

    def send(self, method, path, **more):
        return self.loop.run_until_complete(self.client.request(method, path, **more))

    def all(self, bodies):
        async def ask():
            return await asyncio.gather(*(self.client.post("/recommend", json=body) for body in bodies))

        return self.loop.run_until_complete(ask())

    def recommend(self, **asked):
        return self.send("POST", "/recommend", json=asked)


@pytest.fixture(scope="module")
def scenario(world, tmp_path_factory):
    return lay_out(world, tmp_path_factory.mktemp("served"))


@pytest.fixture(scope="module")
def run(world, scenario):
    return train(world, scenario, "semacdr", **UNSEEN)


@pytest.fixture(scope="module")
def client(run):
    return Client(semacdr.load(run))


def rows(found):
    """The items of an answer like the rows of `recommend`, without scores, and the scores."""
    items = [(str(one.get("user_id", one.get("history"))), row) for one in found["lists"] for row in one["items"]]
    return [(name, *list(row.values())[:3]) for name, row in items], [row["score"] for _, row in items]


def test_answers_are_those_of_the_python_interface(client):
    for asked in (
        {"users": ["user 3", "user 9"], "top": 4},
        {"histories": [["item_id 1", ["movie", "item_id 33"]], []], "top": 30, "keep_seen": True},
        {"histories": [["item_id 5"]], "explain": True},
    ):
        answer = client.recommend(**asked)
        assert answer.status_code == 200
        found, scores = rows(answer.json())
        for history in asked.get("histories", []):
            history[:] = [tuple(item) if isinstance(item, list) else item for item in history]
        table = client.recommender.recommend(**asked)
        assert found == table.select("user_id", "place", "item_id", "title").rows()
        assert scores == table["score"].to_list()
        if "explain" in asked:
            shown = [row["supported_by"] for row in answer.json()["lists"][0]["items"]]
            assert shown == table["supported_by"].to_list() and any(shown)


def test_an_answer_says_what_it_follows(client):
    known = client.recommend(users=["user 3"], top=1).json()
    assert (known["model"], known["as_of"], known["lists"][0]["user_id"]) == ("semacdr", "before_test", "user 3")
    new = client.recommend(histories=[["item_id 1", "nope"]], top=1, skip_unknown=True).json()
    assert (new["as_of"], new["skipped"], new["lists"][0]["history"]) == ("history", 1, 1)


def test_requests_that_wait_are_answered_in_one_batch(client, monkeypatch):
    """Of both kinds, and each gets its own list: that of a request alone."""
    sizes = []

    def counted(recommender, requests, answer=together.answer):
        sizes.append(len(requests))
        return answer(recommender, requests)

    monkeypatch.setattr(together, "answer", counted)
    bodies = [{"users": [f"user {user}"], "top": 2 + user % 3} for user in range(20)]
    bodies += [{"histories": [[f"item_id {item}"], ["item_id 40"]], "top": 5} for item in range(20)]
    answers = client.all(bodies)
    assert sum(sizes) == 40 and len(sizes) <= 6
    for body, answer in zip(bodies, answers, strict=True):
        found, scores = rows(answer.json())
        table = client.recommender.recommend(**body)
        assert found == table.select("user_id", "place", "item_id", "title").rows()
        np.testing.assert_allclose(scores, table["score"], rtol=1e-6)


def test_too_many_waiting_requests_are_sent_away(run):
    busy = Client(semacdr.load(run), Limits(waiting=2))
    codes = [answer.status_code for answer in busy.all([{"users": ["user 1"]}] * 30)]
    assert set(codes) == {200, 503}


def test_health_and_items(client, scenario):
    health = client.send("GET", "/health").json()
    assert (health["model"], health["source"], health["target"]) == ("semacdr", "movie", "book")
    assert (health["users"], health["items"], health["as_of"]) == (40, 55, "before_test")
    item = client.send("GET", "/item/book/item_id 4").json()
    assert (item["item_id"], item["domain"], item["title"]) == ("item_id 4", "book", "title 4")
    assert set(item["categories"]) == {"A", "B"} and item["categories"]["A"][0].startswith("A")
    assert client.send("GET", "/item/book/item_id 9").json()["categories"] == {}
    found = client.send("GET", "/items", params={"search": "TITLE 4", "domain": "movie"}).json()["items"]
    assert [item["item_id"] for item in found] == [f"item_id {item}" for item in range(40, 50)]


@pytest.mark.parametrize(
    ("body", "code", "words"),
    [
        (b"", 422, "Invalid JSON"),
        (b"[]", 422, "should be an object"),
        (b"[" * 1500, 422, "recursion"),
        (b'{"users":["\\ud800"]}', 422, "Invalid JSON"),
        (b" " * 2001, 413, "more than 2,000 bytes"),
        ({}, 422, "give `users` .* or `histories`"),
        ({"users": []}, 422, "at least one"),
        ({"users": ["user 1"], "histories": [[]]}, 422, "give either users or histories"),
        ({"users": "all"}, 422, "users: Input should be a valid array"),
        ({"users": ["Ann"]}, 422, "no user 'Ann' among the 40 users"),
        ({"users": ["user 1"] * 6}, 422, "users or histories: 6 are asked for; the limit is 5"),
        ({"users": ["user 1"], "top": 0}, 422, "top: .* greater than or equal to 1"),
        ({"users": ["user 1"], "top": 41}, 422, "top: 41 are asked for; the limit is 40"),
        ({"users": ["user 1"] * 5, "top": 21}, 422, "105 are asked for; the limit is 100"),
        ({"users": ["user 1"], "top": "3"}, 422, "top: Input should be a valid integer"),
        ({"users": ["user 1"], "top": True}, 422, "top: Input should be a valid integer"),
        ({"users": ["user 1"], "size": 3}, 422, "size: Extra inputs are not permitted"),
        ({"histories": [["item_id 1"] * 9]}, 422, "items of a history: 9 are asked for; the limit is 8"),
        ({"histories": [[], ["nope"]]}, 422, "history 2: there is no item 'nope'"),
        ({"histories": [[7]]}, 422, r"histories\.0\.0: an item is an id or \[domain, id\]"),
        ({"histories": [[["game", "item_id 1"]]]}, 422, "no domain 'game'"),
        ({"histories": ["item_id 1"]}, 422, r"histories\.0: Input should be a valid array"),
    ],
)  # fmt: skip
def test_wrong_requests_are_refused_with_a_reason(client, body, code, words):
    answer = client.send("POST", "/recommend", content=body if isinstance(body, bytes) else json.dumps(body).encode())
    assert answer.status_code == code
    assert re.search(words, answer.json()["detail"]) and "\n" not in answer.json()["detail"]


@pytest.mark.parametrize(
    ("method", "path", "code"),
    [
        ("GET", "/item/book/nope", 404),
        ("GET", "/item/game/item_id 1", 404),
        ("GET", "/item/book/%ff%00", 404),
        ("GET", "/items", 422),
        ("GET", "/items?search=a&limit=1000", 422),
        ("GET", "/items?search=a&domain=game", 422),
        ("GET", "/recommend", 405),
        ("GET", "/", 404),
    ],
)
def test_wrong_addresses_are_refused(client, method, path, code):
    answer = client.send(method, path)
    assert answer.status_code == code and answer.json()["detail"]


def test_a_model_with_user_vectors_refuses_histories(world, scenario):
    known = Client(semacdr.load(train(world, scenario, "semacdr")))
    assert known.recommend(users=["user 1"]).status_code == 200
    answer = known.recommend(histories=[["item_id 1"]])
    assert answer.status_code == 422 and "cannot serve unseen users" in answer.json()["detail"]


ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=8,
)
ITEM = st.integers(-3, 70).map(lambda number: f"item_id {number}")
GIVEN = ITEM | st.tuples(st.sampled_from(["book", "movie", "game"]), ITEM) | ANYTHING
FIELDS = {
    "users": st.lists(st.integers(-2, 45).map(lambda number: f"user {number}") | ANYTHING, max_size=7) | ANYTHING,
    "histories": st.lists(st.lists(GIVEN, max_size=10) | ANYTHING, max_size=7) | ANYTHING,
    "top": st.integers(-5, 60) | ANYTHING,
    "explain": st.booleans() | ANYTHING,
    "keep_seen": st.booleans() | ANYTHING,
    "skip_unknown": st.booleans() | ANYTHING,
}
SOUND = st.fixed_dictionaries(  # usually right, so that answers are seen too
    {"histories": st.lists(st.lists(ITEM, max_size=8), min_size=1, max_size=5), "skip_unknown": st.just(True)},
    optional={"top": st.integers(1, 20), "explain": st.booleans(), "keep_seen": st.booleans()},
)
BODIES = st.one_of(
    st.binary(max_size=60),
    ANYTHING.map(lambda value: json.dumps(value).encode()),
    st.fixed_dictionaries({}, optional=FIELDS).map(lambda value: json.dumps(value).encode()),
    SOUND.map(lambda value: json.dumps(value).encode()),
    SOUND.map(lambda value: json.dumps(value).encode()[:-3]),
)
DOMAIN = st.sampled_from(["book", "movie", "x"])
METHOD = st.sampled_from(["GET", "POST", "PUT", "DELETE", "HEAD", "OPTIONS"])
SAFE = st.text(st.characters(codec="utf-8"), max_size=12)
PATH = SAFE.map(lambda text: f"/{text}") | st.sampled_from(["/recommend", "/health", "/items", "/openapi.json"])
REQUESTS = st.one_of(
    st.tuples(st.just("POST"), st.just("/recommend"), BODIES),
    st.tuples(st.just("POST"), st.just("/recommend"), BODIES),
    st.tuples(st.just("GET"), st.builds("/item/{}/{}".format, DOMAIN | SAFE, ITEM | SAFE), st.just(b"")),
    st.tuples(st.just("GET"), st.builds("/items?search={}&limit={}".format, SAFE, st.integers() | SAFE), st.just(b"")),
    st.tuples(METHOD, PATH, BODIES),
)  # fmt: skip


def survive(client, count):
    """Send random requests; how often each status was seen."""
    seen = Counter()

    @settings(max_examples=count, deadline=None, suppress_health_check=list(HealthCheck), database=None)
    @given(REQUESTS)
    def send(request):
        method, path, body = request
        try:
            answer = client.send(method, path, content=body)
        except (httpx2.InvalidURL, UnicodeError):  # a client cannot even send it
            return
        seen[answer.status_code] += 1
        assert answer.status_code == 200 or 400 <= answer.status_code < 500
        if method != "HEAD":
            content = json.loads(answer.content)
            assert answer.status_code == 200 or (content["detail"] and content["detail"].isprintable())

    send()
    return seen


def test_random_requests_never_break_it(client):
    assert {200, 404, 422} <= survive(client, 300).keys()


@pytest.mark.slow
def test_ten_thousand_random_requests_never_break_it(client):
    seen = survive(client, 13_000)  # some are no valid addresses, so that no client sends them
    assert seen.total() >= 10_000 and {200, 404, 405, 413, 422} <= seen.keys()
    assert client.send("GET", "/health").status_code == 200


@pytest.mark.slow
def test_the_command_serves_until_it_is_stopped(run):
    words = [sys.executable, "-m", "semacdr.commands.main", "serve", str(run), "--port", "0"]
    with subprocess.Popen(words, stderr=subprocess.PIPE, text=True) as server:
        line = server.stderr.readline()
        address = re.search(r"semacdr, as of before_test, at (http://127\.0\.0\.1:\d+);", line)[1]
        answer = httpx2.post(f"{address}/recommend", json={"users": ["user 1"], "top": 2})
        assert [row["place"] for row in answer.json()["lists"][0]["items"]] == [1, 2]
        assert httpx2.post(f"{address}/recommend", content=b"x" * (1 << 21)).status_code == 413
        server.send_signal(signal.SIGINT)
        assert server.wait(timeout=20) == 0 and "Traceback" not in server.stderr.read()


def test_a_port_in_use_is_refused():
    with (
        socket.create_server(("127.0.0.1", 0)) as taken,
        pytest.raises(UserError, match=r"cannot listen on 127\.0\.0\.1"),
    ):
        command.listen("127.0.0.1", taken.getsockname()[1])
    with pytest.raises(UserError, match="--port must be from 0 to 65535"):
        command.listen("127.0.0.1", 70_000)


def test_answers_are_sent_at_once():
    """Without TCP_NODELAY on accepted connections, an answer's body waits for the client to acknowledge its head."""
    with command.listen("127.0.0.1", 0) as opened, socket.create_connection(opened.getsockname()):
        accepted, _ = opened.accept()
        with accepted:
            assert accepted.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)


def test_which_addresses_are_of_this_machine_only():
    assert [command.is_loopback(a) for a in ("127.0.0.1", "::1", "0.0.0.0", "::", "192.168.1.4")] == [
        True, True, False, False, False
    ]  # fmt: skip


def test_without_the_extra_the_command_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "uvicorn", None)
    with pytest.raises(UserError, match=r"pip install 'semacdr\[serve\]'"):
        command.needed("uvicorn")

"""Faults when asking a language model: each fault alone, with a scripted endpoint on loopback."""

import re
import time

import httpx2
import pytest
from fake_llm_server import AS_ANSWER, Server
from llm_engines import CATEGORIES, KEY, describe, failed, file, items

from semacdr.errors import UserError
from semacdr.llm import session
from semacdr.llm.endpoint import Endpoint
from semacdr.llm.limits import Bill
from semacdr.llm.options import Price
from semacdr.llm.requests import Answer, answer_of

# Failures on the way


@pytest.mark.parametrize(
    "kind", ["429 with wait", "429", "500", "stalled", "dropped", "cut", "no json", "trickle", "list", "no text"]
)
@pytest.mark.parametrize("retries", [0, 1])
def test_failed_requests_are_repeated_and_no_others(ask, kind, retries):
    with Server(lambda key, asked: kind if asked == 1 and "part 1" in key[0] else None) as server:
        engine = ask(items(3), server.url, http_retries=retries)
        filed = file(engine)
        assert {item for item, _, _ in filed[0][0]} == {0, 1, 2} and not filed[0][1]
        assert sorted(server.asked.values()) == [1, 1, 2]
        assert set(server.whole.values()) == {1} and not server.again
        assert file(ask(items(3), server.url)) == filed
        assert server.asked.total() == 4  # all answers are in the store


@pytest.mark.parametrize(
    ("kind", "why"),
    [
        ("429", "RateLimitError: .*Rate limit reached"),
        ("500", "InternalServerError: .*The server had an error"),
        ("stalled", "TimeoutError: no whole answer within 0.2 s"),
        ("trickle", "TimeoutError: no whole answer within 0.2 s"),
        ("dropped", r"APIConnectionError: Connection error. \(RemoteProtocolError: "),
        ("cut", "not a completion: "),
        ("no json", "not a completion: "),
        ("list", "not a completion: no answer in it"),
        ("no text", "not a completion: no answer in it"),
    ],
)
def test_requests_that_keep_failing_are_an_error_and_the_same_command_asks_only_for_them(ask, kind, why):
    with Server(lambda key, asked: kind if "part 1" in key[0] else None) as server:
        with pytest.raises(
            UserError, match=f"1 of 3 answers are missing because their requests failed, one with: {why}"
        ):
            failed(ask(items(3), server.url, timeout=0.2))
        assert sorted(server.asked.values()) == [1, 1, 3]  # once in each pass
    with Server() as server:  # another day
        assert failed(ask(items(3), server.url)) == {}
        assert server.asked.total() == 1


def test_a_request_that_the_endpoint_refuses_is_asked_once_and_fails_with_its_reason(ask):
    with Server(lambda key, asked: "400" if "part 1" in key[0] else None) as server:
        reasons = failed(ask(items(3), server.url, http_retries=4))
        assert list(reasons) == [1] and re.match("BadRequestError: .*The prompt is too long", reasons[1])
        assert sorted(server.asked.values()) == [1, 1, 1]


def test_an_answer_that_came_in_time_counts_if_this_process_was_delayed_past_the_deadline(ask):
    with Server(latency=0.08, slots=1) as server:  # one after the other
        engine = ask(items(4), server.url, timeout=0.5, retry_passes=1)
        heard, put = [], engine.asker.store.put

        def slow_put(*answer):  # a busy disk
            heard.append(answer)
            if len(heard) == 1:
                time.sleep(0.6)
            put(*answer)

        engine.asker.store.put = slow_put
        assert failed(engine) == {} and len(heard) == 4
        assert not server.again


def test_a_trickle_is_cut_off_at_the_deadline(ask):
    with Server(lambda key, asked: "trickle") as server:
        start = time.monotonic()
        with pytest.raises(UserError, match=r"no whole answer within 0\.3 s"):
            failed(ask(items(1), server.url, timeout=0.3, retry_passes=1))
        assert time.monotonic() - start < 2


@pytest.mark.parametrize(("kind", "why"), [("401", "refuses: .*Incorrect API key"), ("quota", "current quota")])
def test_a_refused_account_stops_the_run_at_once_without_a_word_of_the_key(ask, kind, why, caplog):
    with Server(lambda key, asked: kind) as server:
        with pytest.raises(UserError, match=why) as raised:
            file(ask(items(50), server.url, http_retries=4))
        assert server.asked.total() <= 4  # those that were under way
    assert KEY not in str(raised.value) + caplog.text
    assert kind == "quota" or "***" in str(raised.value)  # the server repeats the key


def test_an_endpoint_that_answers_nobody_stops_the_run(ask):
    with (
        Server(lambda key, asked: "500") as server,
        pytest.raises(UserError, match=r"20 requests in a row failed, the last one with: InternalServerError"),
    ):
        file(ask(items(60), server.url))
    assert server.asked.total() < 30
    with pytest.raises(UserError, match="20 requests in a row failed, the last one with: APIConnectionError"):
        file(ask(items(60), server.url))  # and with a server that has stopped


# Failures as an answer


@pytest.mark.parametrize("kind", AS_ANSWER)
def test_an_answer_that_does_not_conform_is_kept_and_requested_again_with_another_seed(ask, kind):
    with Server(lambda key, asked: kind if key[1] == 0 and "part 1" in key[0] else None) as server:
        filed = file(ask(items(3), server.url))
        assert not filed[0][1]
        attempt = 0 if kind == "twice" else 1  # a name twice in a list is taken once
        for rows, _ in filed:
            assert {at for item, _, at in rows if item == 1} == {attempt}
            assert {at for item, _, at in rows if item != 1} == {0}
            assert len({(item, name) for item, name, _ in rows}) == len(rows)
        assert sorted(seed for _, seed in server.asked) == [0, 0, 0, 1][: 3 + attempt]
        assert file(ask(items(3), None)) == filed  # offline: bad answers are stored too, and are not requested again


@pytest.mark.parametrize(
    ("kind", "why"),
    [
        ("length", "off the schema: .*EOF"),
        ("off schema", r"off the schema: Genre Input should be a valid (array|list)"),
        ("refusal", "refused"),
        ("empty", "empty"),
        ("unknown", r"off the schema: Genre\.\d+ Input should be 'Adventure'"),
    ],
)
def test_an_answer_that_never_conforms_fails_after_three_attempts_with_its_reason(ask, kind, why):
    with Server(lambda key, asked: kind) as server:
        reasons = failed(ask(items(1), server.url))
        assert re.match(why, reasons[0])
        assert sorted(seed for _, seed in server.asked) == [0, 1, 2]
    assert failed(ask(items(1), None)) == reasons


@pytest.mark.parametrize("kind", ["length", "off schema", "refusal", "empty"])
def test_a_description_that_is_none_is_asked_for_anew(ask, kind):
    with Server(lambda key, asked: kind if key[1] == 0 else None) as server:
        texts, attempts, reasons = describe(ask(items(2), server.url))
        assert attempts == {0: 1, 1: 1} and not reasons
        assert texts[0].startswith("The Keeper, part 0 tells of ")


def test_letters_are_asked_and_judged_for_each_category(ask):
    with Server(lambda key, asked: "refusal" if key[1] == 0 and "part 1" in key[0] else None) as server:
        filed = file(ask(items(3), server.url), "letters")
        assert all({item for item, _, _ in rows} == {0, 1, 2} and not reasons for rows, reasons in filed)
        assert server.asked.total() == 4 * len(CATEGORIES)


def test_letters_of_a_category_without_any_good_answer_leave_all_its_items_to_the_encoder(ask):
    """An endpoint without log-probabilities, or one category that the model never answers."""
    name = CATEGORIES[0].name
    with Server(lambda key, asked: "refusal" if name in key[0] else None) as server:
        first, *others = file(ask(items(3), server.url), "letters", CATEGORIES[:2])
    assert first == ([], dict.fromkeys(range(3), "refused"))
    assert all({item for item, _, _ in rows} == {0, 1, 2} for rows, _ in others)


# The environment and the key


@pytest.mark.parametrize("name", ["ALL_PROXY", "HTTP_PROXY", "SSL_CERT_FILE"])
def test_proxies_and_certificates_of_the_environment_are_not_used_on_this_machine(ask, monkeypatch, name):
    monkeypatch.setenv(name, {"SSL_CERT_FILE": "/nowhere.pem"}.get(name, "socks5://127.0.0.1:9"))
    monkeypatch.setenv(name.lower(), "http://127.0.0.1:9")
    with Server() as server:
        assert failed(ask(items(1), server.url)) == {}


@pytest.mark.parametrize(("name", "value"), [("ALL_PROXY", "socks5://127.0.0.1:9"), ("SSL_CERT_FILE", "/nowhere.pem")])
@pytest.mark.parametrize("kind", [httpx2.Client, httpx2.AsyncClient])
def test_an_environment_that_allows_no_client_is_named(monkeypatch, name, value, kind):
    for other in ("NO_PROXY", "no_proxy", "all_proxy"):
        monkeypatch.delenv(other, raising=False)
    monkeypatch.setenv(name, value)
    with pytest.raises(UserError, match=r"https://api\.example/v1: cannot be reached with the proxy or certificate"):
        Endpoint("https://api.example/v1").open_http(kind)


def test_a_connection_error_says_its_cause(ask):
    with pytest.raises(UserError, match=r"APIConnectionError: Connection error\. \(ConnectError: .*\)"):
        failed(ask(items(1), "http://127.0.0.1:9/v1"))


@pytest.mark.parametrize("key", ["sk-caf\u00e9", "sk-\u201cquoted\u201d", "sk-1\nsk-2"])
def test_a_key_that_no_header_can_hold_names_its_variable_and_not_the_key(ask, monkeypatch, key):
    monkeypatch.setenv("OPENAI_API_KEY", key)
    with (
        Server() as server,
        pytest.raises(UserError, match="OPENAI_API_KEY holds a character that no API key has") as e,
    ):
        failed(ask(items(1), server.url))
    assert key not in str(e.value) and server.asked.total() == 0


@pytest.mark.parametrize("url", ["api.openai.com/v1", "ftp://a/v1", "smollm2", "http://"])
def test_an_endpoint_that_is_no_url_is_named(url):
    with pytest.raises(UserError, match=f"llm.endpoint is '{url}'; it must begin with http"):
        Endpoint(url).key()


def whole(**message):
    return {"choices": [{"message": {"content": "a"} | message, "finish_reason": "stop"}]}


def test_an_answer_is_read_from_a_completion_and_from_nothing_else():
    assert answer_of(whole(), 1, 0.5) == Answer("a", "stop", seconds=0.5)
    assert answer_of(whole(content=None), 1, 0.5).text is None
    wrong = [[], None, "text", {}, {"choices": []}, {"choices": [None]}, {"choices": ["a"]}, {"choices": [{}]}]
    wrong += [whole(content=["a"]), whole(content=1), whole(refusal={"a": 1})]
    wrong += [whole() | {"usage": {"prompt_tokens": "many"}}, whole() | {"usage": 1}]
    for completion in wrong:
        with pytest.raises(ValueError, match="no answer in it"):
            answer_of(completion, 1, 0.5)
    for error in ("overloaded", {"message": "overloaded", "code": 502}):
        with pytest.raises(ValueError, match="answered with status 200 and an error: overloaded"):
            answer_of({"error": error, "choices": None}, 1, 0.5)


def test_what_answers_cost_counts_each_once_whoever_asked(ask):
    price = Price(input=2.0, output=8.0)
    with Server() as server:
        first = ask(items(3), server.url)
        file(first)
        paid_first = session.paid(first.asker, "scripted")
        answers = list(first.asker.store.rows())
        assert paid_first["answers"] == len(answers) == 3 and paid_first["dollars"] is None
        again = ask(items(3), None, Bill(price))  # offline, with a price
        file(again)
        file(again)
    paid = session.paid(again.asker, "scripted")
    assert paid | {"dollars": None} == paid_first
    dollars = (2.0 * paid_first["prompt_tokens"] + 8.0 * paid_first["completion_tokens"]) / 1e6
    assert paid["dollars"] == pytest.approx(dollars, abs=1e-6) and dollars > 0

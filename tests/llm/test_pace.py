"""How an endpoint is asked: as fast as it allows, within a budget, offline from the store, and until stopped."""

import os
import signal
import threading
import time
from collections import Counter

import pytest
from fake_llm_server import Server
from llm_engines import failed, file, items, stage

from semacdr.errors import UserError
from semacdr.llm.endpoint import wanted_wait
from semacdr.llm.limits import Bill, Pace, Rate
from semacdr.llm.options import Price

PRICE = Price(input=1.0, output=10.0)


@pytest.mark.parametrize("per_minute", [1, 7, 60, 61, 500, 30_000])
@pytest.mark.parametrize("units", [1, 3, 40])
def test_no_minute_holds_more_than_the_rate_and_all_but_a_little_of_it_is_used(per_minute, units):
    rate, now, taken = Rate(per_minute), 1000.0, []
    while now < 1000 + 200 * max(1, units / per_minute):
        if (wait := rate.wait(units, now)) > 0:
            now += wait + 1e-9
        else:
            rate.take(units, now)
            taken.append(now)
    for place in range(0, len(taken), max(1, len(taken) // 50)):
        within = sum(taken[place] <= at < taken[place] + 60 for at in taken[place : place + per_minute + 2])
        assert within * units <= max(per_minute, per_minute * 60 / 61 + units)
    seconds = taken[-1] - taken[0]
    assert (len(taken) - 1) * units >= 0.98 * seconds / 61 * per_minute


def test_tokens_beyond_the_estimate_count_and_unused_ones_are_given_back():
    rate = Rate(6100)  # 100 a second
    rate.take(100, 10.0)
    assert rate.wait(50, 10.0) == pytest.approx(0.5)
    rate.take(-40, 10.0)
    assert rate.wait(50, 10.0) == pytest.approx(0.1)
    rate.take(60, 10.0)
    assert rate.wait(50, 10.0) == pytest.approx(0.7)
    assert Rate(None).wait(10**9, 0.0) <= 0


def test_the_number_at_once_falls_by_a_third_in_a_second_at_most_and_comes_back():
    pace = Pace(10, None, None)
    for _ in range(5):
        pace.throttle(0.0)
    assert pace.limit == pytest.approx(7)
    pace.slowed -= 2
    pace.throttle(0.0)
    assert pace.limit == pytest.approx(4.9)
    pace.active = 30
    for _ in range(5):
        pace.release(succeeded=True)
    assert 5.5 < pace.limit < 6
    for _ in range(100):
        pace.slowed -= 2
        pace.throttle(0.0)
    assert pace.limit == 1


def noted_admissions(monkeypatch):
    """A list of (time, requests under way, limit) of each admission, by the client's clock."""
    admitted, admit = [], Pace.admit

    async def noted_admit(pace, tokens):
        may = await admit(pace, tokens)
        admitted.append((time.monotonic(), pace.active, int(pace.limit)))
        return may

    monkeypatch.setattr(Pace, "admit", noted_admit)
    return admitted


def test_after_a_429_fewer_are_under_way_and_none_starts_before_it_may(ask, monkeypatch):
    admitted, throttled, seen = noted_admissions(monkeypatch), [], Counter()
    throttle = Pace.throttle

    def noted_throttle(pace, retry_after):
        before = pace.limit
        throttled.append((time.monotonic(), retry_after))
        throttle(pace, retry_after)
        assert pace.limit == pytest.approx(0.7 * before)

    def script(key, asked):
        seen["requests"] += 1
        return "429 with wait" if seen["requests"] == 40 else None

    monkeypatch.setattr(Pace, "throttle", noted_throttle)
    with Server(script, wait=1.0, latency=0.02) as server:
        engine = ask(items(100), server.url, concurrency=10, http_retries=2, timeout=5.0)
        assert failed(engine) == {}
    ((at, wait),) = throttled
    earlier = [time for time, *_ in admitted if time <= at]
    assert wait == 1.0 and 40 <= len(earlier) < len(admitted) == 101
    assert not [time for time, *_ in admitted if at < time < at + wait]
    assert sum(start < at + wait for start in server.starts) <= len(earlier)
    assert all(active <= limit for _, active, limit in admitted) and max(active for _, active, _ in admitted) == 10
    assert max(active for time, active, _ in admitted[len(earlier) :][:10]) <= 8  # seven, and one more after successes


def test_a_wait_is_read_from_a_number_and_from_a_date():
    at = time.strftime("%a, %d %b %Y %H:%M:%S GMT", time.gmtime(time.time() + 30))
    given = {"0.5": 0.5, "7": 7, "-3": 0, "nan": 0, "inf": 0, "soon": 0, "": 0}
    assert {text: wanted_wait({"retry-after": text}) for text in given} == given
    assert wanted_wait({}) == 0 and 28 < wanted_wait({"retry-after": at}) <= 30


def test_requests_a_minute_are_kept_over_the_wire(ask, monkeypatch):
    admitted = noted_admissions(monkeypatch)
    with Server() as server:  # 1200 a minute: 19 at once, then one each 61 / 1200 s
        before = time.monotonic()
        assert failed(ask(items(40), server.url, concurrency=40, timeout=5.0, requests_per_minute=1200)) == {}
    assert len(admitted) == server.asked.total() == 40
    assert [number for number, (at, *_) in enumerate(admitted, 1) if number > 1200 / 61 * (1 + at - before)] == []


def test_the_budget_stops_before_it_is_exceeded_and_a_larger_one_asks_for_the_rest(ask):
    with Server() as server:
        bill = Bill(PRICE, budget=0.02)
        with pytest.raises(UserError, match=r"the budget of \$0.02 allows no more") as raised:
            file(ask(items(50), server.url, bill))
        done = server.whole.total()
        assert 0 < done < 50 and 0.016 < bill.spent <= 0.02
        assert f"{done:,} answers of this run are kept" in str(raised.value)
        with pytest.raises(UserError, match="allows no more"):  # the same again: stored answers count
            file(ask(items(50), server.url, Bill(PRICE, budget=0.02)))
        assert server.whole.total() <= done + 1
        done = server.whole.total()
        larger = Bill(PRICE, budget=10.0)
        assert failed(ask(items(50), server.url, larger)) == {}
        assert server.asked.total() == 50 and set(server.asked.values()) == {1}
        assert 0.01 < larger.before <= 0.02 < larger.spent


def test_a_dry_run_sends_nothing_and_counts_all(ask):
    with Server() as server:
        failed(ask(items(2), server.url))
        engine = ask(items(7), server.url, dry=True)
        assert failed(engine) == dict.fromkeys(range(2, 7), "not asked")
        assert (engine.asker.quote.requests, engine.asker.quote.stored) == (7, 2)
        assert server.asked.total() == 2


def test_offline_a_missing_answer_names_its_item_and_how_many_are_missing(ask):
    with Server() as server:
        failed(ask(items(2), server.url))
    with pytest.raises(UserError, match=r"lacks 1,203 answers, the first for the categories of X2\."):
        failed(ask(items(1205), None))


def test_sigterm_waits_for_requests_under_way_and_the_same_command_asks_for_the_rest(tmp_path):
    with Server(latency=0.1) as server:
        with stage(tmp_path, server.url) as process:
            while server.asked.total() < 20:
                time.sleep(0.001)
            process.terminate()
            printed = "".join(process.communicate())
        assert process.returncode == 1
        assert server.whole.total() == server.asked.total() <= 20 + 4
        assert f"error: stopped by SIGTERM\n{server.whole.total()} answers of this run are kept" in printed
        with stage(tmp_path, server.url) as process:
            assert process.wait() == 0
        assert server.asked.total() == 60 and set(server.asked.values()) == {1}


@pytest.mark.parametrize("kind", ["429 with wait", "500"])
def test_a_stop_ends_the_waits_between_repeats(ask, kind):
    """An endpoint may ask to wait for minutes before a repeat."""
    stop = threading.Timer(0.7, os.kill, (os.getpid(), signal.SIGTERM))
    with Server(lambda key, asked: kind, wait=100.0) as server:
        start = time.monotonic()
        stop.start()
        with pytest.raises(UserError, match="stopped by SIGTERM\n0 answers"):
            file(ask(items(4), server.url, http_retries=9))
        assert time.monotonic() - start < 3

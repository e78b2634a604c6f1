"""Downloads that succeed, from a real server on a socket: waits, drops, stalls, and files that change meanwhile."""

import io
import itertools
import logging
import re
import sys
import time
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest
from loopback import Handler
from remote import NEW, OLD, serve, status

from semacdr.data import download


def test_a_plain_download_has_the_same_bytes_and_asks_for_them_as_they_are(server, place):
    assert place.get() == OLD
    assert [(seen["path"], seen["accept-encoding"]) for seen in server.seen] == [
        ("/reviews_Books.json.gz", "identity"),
    ]


def test_a_gzip_sent_as_content_encoding_is_stored_as_sent(server, place):
    server.script = [serve(**{"Content-Encoding": "gzip"})]
    assert place.get() == OLD


def test_a_download_without_a_length_arrives(server, place):
    server.script = [serve(honest=False)]
    assert place.get() == OLD


def test_503_waits_as_long_as_retry_after_says(server, place):
    server.script = [status(503, Retry_After="1"), serve()]
    begun = time.monotonic()
    assert place.get() == OLD
    assert time.monotonic() - begun >= 1
    assert len(server.seen) == 2


def test_a_retry_after_of_hours_is_bounded(server, place, monkeypatch):
    monkeypatch.setattr(download, "LONGEST_WAIT", 0.05)
    server.script = [status(429, Retry_After="36000"), serve()]
    assert place.get() == OLD


def test_retry_after_reads_seconds_and_dates():
    later = datetime.now(UTC) + timedelta(seconds=60)
    assert download.retry_after(" 7 ") == 7
    assert 57 < download.retry_after(format_datetime(later, usegmt=True)) <= 60
    assert 57 < download.retry_after(format_datetime(later.replace(tzinfo=None))) <= 60
    assert [download.retry_after(text) for text in ("", "soon", "Wed, 21 Oct 2015 07:28:00 GMT")] == [0, 0, 0]


def test_the_wait_doubles_up_to_its_bound(server, place, monkeypatch):
    waits = []
    monkeypatch.setattr(download, "FIRST_WAIT", 1.0)
    monkeypatch.setattr(download, "LONGEST_WAIT", 5.0)
    monkeypatch.setattr(download.time, "sleep", waits.append)
    server.script = [status(500)] * 4 + [serve()]
    assert place.get() == OLD
    assert waits == [1, 2, 4, 5]


@pytest.mark.parametrize("then", ["stall", "drop"])
def test_a_download_cut_in_the_middle_is_resumed_where_it_stopped(server, place, then):
    server.script = [serve(stop=100_001, then=then), serve()]
    begun = time.monotonic()
    assert place.get() == OLD
    assert time.monotonic() - begun < 3, "the stall was sat out"
    first, second = server.seen
    assert "range" not in first
    assert (second["range"], second["if-range"]) == ("bytes=100001-", '"one"')


def test_a_weak_etag_is_not_asked_for_but_the_date_is(server, place):
    date = "Wed, 21 Oct 2015 07:28:00 GMT"
    server.script = [serve(stop=1000, etag='W/"one"', modified=date), serve(etag='W/"one"', modified=date)]
    assert place.get() == OLD
    assert (server.seen[1]["range"], server.seen[1]["if-range"]) == ("bytes=1000-", date)


def test_any_number_of_attempts_that_get_further_do_not_count(server, place):
    server.script = [serve(stop=20_000)]
    assert place.get("--attempts", "1") == OLD
    assert len(server.seen) == len(OLD) // 20_000 + 1


def test_a_server_that_sends_less_than_the_rest_is_asked_for_more(server, place):
    def frugal(handler: Handler) -> None:
        start = int(handler.headers.get("Range", "bytes=0-")[6:-1])
        piece = OLD[start : start + 100_000]
        handler.respond(206, piece, {"Content-Range": f"bytes {start}-{start + len(piece) - 1}/{len(OLD)}"})

    server.script = [serve(stop=1000), frugal]
    assert place.get() == OLD
    assert [seen.get("range", "")[6:] for seen in server.seen] == ["", "1000-", "101000-", "201000-"]


def test_a_server_without_ranges_is_asked_again_from_the_start(server, place):
    server.script = [serve(stop=100_000, ranges=False), serve(ranges=False)]
    assert place.get() == OLD
    assert "range" in server.seen[1]


def test_a_remote_file_that_changes_between_attempts_arrives_as_the_new_one(server, place):
    server.script = [serve(stop=100_000), serve(NEW, etag='"two"')]
    assert place.get() == NEW
    assert server.seen[1]["if-range"] == '"one"'


def test_a_changed_file_is_noticed_even_where_the_server_ignores_if_range(server, place):
    def ignoring(handler: Handler) -> None:
        del handler.headers["If-Range"]
        serve(NEW, etag='"two"')(handler)

    server.script = [serve(stop=100_000), ignoring]
    assert place.get() == NEW
    assert ["range" in seen for seen in server.seen] == [False, True, False]


@pytest.mark.parametrize("honest", [True, False])
def test_a_terminal_and_a_log_show_the_bytes_the_total_and_the_speed(server, place, monkeypatch, caplog, honest):
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    clock = itertools.count(0, 25)
    monkeypatch.setattr(download.time, "monotonic", lambda: next(clock))
    server.script = [serve(honest=honest)]
    total = r" of 0\.3 MB \(\d+%\)" if honest else " MB"
    shown = rf"reviews_Books.json.gz.part: 0\.\d{total}, 0\.\d\d MB/s"
    with caplog.at_level(logging.INFO, logger="semacdr"):
        place.get()
    assert re.search(shown, caplog.text)

    monkeypatch.setattr(sys, "stderr", Terminal())
    place.get()
    written, bar = sys.stderr.getvalue(), r"\[#* *\] " if honest else ""
    assert re.search(f"\r{bar}{shown}", written) and written.endswith("\n")

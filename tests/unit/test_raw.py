"""The raw stage against a real server on a real socket, which stalls, drops, lies and changes its mind on a script."""

import gzip
import hashlib
import io
import itertools
import json
import logging
import os
import random
import re
import signal
import subprocess
import sys
import threading
import time
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from semacdr import download, raw
from semacdr.errors import UserError


def packed(seed: int, size: int = 300_000) -> bytes:
    return gzip.compress(random.Random(seed).randbytes(size), mtime=0)


OLD, NEW = packed(1), packed(2)
SHA256 = hashlib.sha256(OLD).hexdigest()


class Handler(BaseHTTPRequestHandler):
    """Answers each request by the next step of the server's script; the last step serves all that follow."""

    def do_GET(self):
        script, seen = self.server.script, self.server.seen
        step = script[min(len(seen), len(script) - 1)]
        seen.append({name.lower(): value for name, value in self.headers.items()} | {"path": self.path})
        step(self)

    def log_message(self, *args):
        pass


def status(code: int, **headers: str):
    def step(handler: Handler) -> None:
        handler.send_response(code)
        for name, value in headers.items():
            handler.send_header(name.replace("_", "-"), value)
        handler.send_header("Content-Length", "0")
        handler.end_headers()

    return step


def serve(
    body: bytes = OLD,
    stop: int | None = None,
    *,
    then: str = "drop",
    ranges: bool = True,
    etag: str | None = '"one"',
    modified: str | None = None,
    length: int | None = None,
    honest: bool = True,
    **more: str,
):
    """A step that serves the body: `stop` bytes of what is asked for, `then` drops, stalls or trickles.

    `length`: the whole size that the head tells instead of the truth; `honest`: whether it also tells one at all.
    """

    def step(handler: Handler) -> None:
        asked = re.fullmatch(r"bytes=(\d+)-", handler.headers.get("Range", "")) if ranges else None
        if handler.headers.get("If-Range", etag) not in (etag, modified):
            asked = None
        start, whole = int(asked[1]) if asked else 0, length or len(body)
        if asked and start >= whole:
            return status(416, Content_Range=f"bytes */{whole}")(handler)
        handler.send_response(206 if asked else 200)
        heads = {"ETag": etag, "Last-Modified": modified, **more}
        heads |= {"Content-Range": f"bytes {start}-{whole - 1}/{whole}"} if asked else {}
        heads |= {"Content-Length": str(whole - start)} if honest else {}
        for name, value in heads.items():
            if value:
                handler.send_header(name, value)
        handler.end_headers()
        rest = body[start:]
        handler.wfile.write(rest if stop is None else rest[:stop])
        if then == "stall":
            handler.server.over.wait(5)
        while then == "trickle" and not handler.server.over.wait(0.02):
            handler.wfile.write(bytes(100))

    return step


@pytest.fixture
def server(monkeypatch):
    class Server(ThreadingHTTPServer):
        def handle_error(self, *args):
            pass  # clients hang up here on purpose

    server = Server(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    server.over, server.script, server.seen = threading.Event(), [serve()], []
    server.url = f"http://127.0.0.1:{server.server_port}/reviews_{{category}}.json.gz"
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setattr(download, "FIRST_WAIT", 0.01)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    yield server
    server.over.set()
    server.shutdown()
    thread.join()
    server.server_close()


class Place:
    """Where a download goes, and the command that brings it there."""

    def __init__(self, folder: Path, url: str):
        self.output = folder / "raw" / "tiny" / "reviews_Books.json.gz"
        self.part = Path(f"{self.output}.part")
        self.memory = Path(f"{self.part}.json")
        self.checksums = folder / "checksums"
        self.record = self.checksums / "tiny" / "reviews_Books.json.gz.sha256"
        self.url = url

    def arguments(self, *more: str) -> list[str]:
        what = ["--source", "download", "--release", "tiny", "--category", "Books", "--kind", "reviews"]
        return [*what, "--output", str(self.output), "--url", self.url, "--timeout", "0.4", *more]

    def get(self, *more: str) -> bytes:
        raw.main(self.arguments(*more))
        assert sorted(path.name for path in self.output.parent.iterdir()) == [self.output.name], "something left over"
        return self.output.read_bytes()

    def begun(self, head: bytes, etag: str = '"one"', total: int = len(OLD)) -> None:
        """Leave what a run would that was stopped after these bytes."""
        self.part.parent.mkdir(parents=True)
        self.part.write_bytes(head)
        url = self.url.replace("{category}", "Books")
        self.memory.write_text(json.dumps({"url": url, "etag": etag, "modified": None, "total": total}))


@pytest.fixture
def place(tmp_path, server):
    return Place(tmp_path, server.url)


# Downloads that arrive


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


def test_a_server_that_sends_less_than_the_rest_is_asked_on(server, place):
    def frugal(handler: Handler) -> None:
        start = int(handler.headers.get("Range", "bytes=0-")[6:-1])
        piece = OLD[start : start + 100_000]
        handler.send_response(206)
        handler.send_header("Content-Range", f"bytes {start}-{start + len(piece) - 1}/{len(OLD)}")
        handler.send_header("Content-Length", str(len(piece)))
        handler.end_headers()
        handler.wfile.write(piece)

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
    assert re.search("\r" + shown, sys.stderr.getvalue()) and sys.stderr.getvalue().endswith("\n")


# What earlier runs left


def test_a_part_of_an_earlier_run_is_resumed(server, place):
    place.begun(OLD[:200_000])
    assert place.get() == OLD
    assert [seen.get("range") for seen in server.seen] == ["bytes=200000-"]


def test_a_part_already_whole_is_not_downloaded_again(server, place):
    place.begun(OLD)
    assert place.get() == OLD
    assert [seen.get("range") for seen in server.seen] == [f"bytes={len(OLD)}-"]


def test_a_corrupt_part_is_started_over(server, place):
    place.begun(bytes(150_000) + OLD[150_000:200_000])
    assert place.get() == OLD
    assert [seen.get("range") for seen in server.seen] == ["bytes=200000-", None]


def test_a_part_longer_than_the_file_is_started_over(server, place):
    place.begun(OLD + b"more")
    assert place.get() == OLD


@pytest.mark.parametrize("memory", [None, "", '{"url": "http', "[]", '{"what": 1}', '{"url": "http://elsewhere/"}'])
def test_a_part_of_which_nothing_is_known_is_started_over(server, place, memory):
    place.begun(NEW[:1000])
    place.memory.unlink() if memory is None else place.memory.write_text(memory)
    assert place.get() == OLD
    assert "range" not in server.seen[0]


def test_a_killed_download_leaves_no_half_file_and_the_next_run_resumes_it(server, place):
    server.script = [serve(stop=100_000, then="trickle"), serve()]
    source = str(Path(raw.__file__).parents[1])
    command = [sys.executable, "-m", "semacdr.raw", *place.arguments("--timeout", "5")]
    with subprocess.Popen(command, env=os.environ | {"PYTHONPATH": source}) as process:
        until = time.monotonic() + 10
        while not (place.part.exists() and place.part.stat().st_size >= 100_000):
            assert time.monotonic() < until, "the download never began"
            time.sleep(0.02)
        process.send_signal(signal.SIGKILL)
    assert process.returncode == -signal.SIGKILL
    assert not place.output.exists()
    left = place.part.stat().st_size
    assert place.get() == OLD
    assert server.seen[1]["range"] == f"bytes={left}-"


# Downloads that must not arrive


def refused(place: Place, *more: str) -> str:
    """The message of a run that must end with a UserError and without a file under the final name."""
    with pytest.raises(UserError) as caught:
        raw.main(place.arguments(*more))
    assert not place.output.exists()
    return str(caught.value)


@pytest.mark.parametrize("code", [204, 206, 400, 401, 403, 404, 410, 416])
def test_a_refusal_is_an_error_at_once(server, place, code):
    server.script = [status(code)]
    assert f"answers {code}" in refused(place)
    assert len(server.seen) == 1


def test_an_address_that_is_none_is_an_error_at_once(server, place):
    place.url = "nowhere"
    assert "nowhere" in refused(place)


def test_nobody_listening_is_an_error_after_the_attempts(server, place):
    place.url = "http://127.0.0.1:1/x.gz"
    assert "3 attempts in a row" in refused(place, "--attempts", "3")


def test_a_length_larger_than_the_truth_ends_with_the_part_kept(server, place):
    server.script = [serve(length=len(OLD) + 10)]
    message = refused(place, "--attempts", "2")
    assert "2 attempts in a row" in message and str(place.part) in message
    assert place.part.read_bytes() == OLD
    assert len(server.seen) == 3


def test_a_length_smaller_than_the_truth_is_a_truncated_gzip(server, place):
    server.script = [serve(length=len(OLD) - 10)]
    assert "truncated" in refused(place)
    assert not place.part.exists() and not place.memory.exists()


@pytest.mark.parametrize("body", [b"<html>Sign in</html>", OLD[:-5] + b"XXXXX", OLD + b"more", b""])
def test_what_is_no_whole_gzip_is_refused_and_removed(server, place, body):
    server.script = [serve(body)]
    assert "what arrived is bad" in refused(place)
    assert not place.part.exists() and not place.memory.exists()


def test_a_server_that_always_drops_and_cannot_resume_does_not_keep_us_forever(server, place):
    server.script = [serve(stop=stop, ranges=False) for stop in (100_000, 50_000, 90_000, 50_000)]
    assert "3 attempts in a row" in refused(place, "--attempts", "3")
    assert len(server.seen) == 4
    assert place.part.read_bytes() == OLD[:50_000]


def test_an_unknown_release_needs_an_address(place):
    arguments = place.arguments()
    with pytest.raises(UserError, match="--url"):
        raw.main(arguments[: arguments.index("--url")])


# Checksums


def test_a_first_download_is_recorded_and_a_changed_file_refused(server, place):
    more = ["--checksums", str(place.checksums)]
    assert place.get(*more) == OLD
    line = place.record.read_text()
    assert line == f"{SHA256}  reviews_Books.json.gz\n"
    assert place.get(*more) == OLD

    server.script = [serve(NEW, etag='"two"')]
    place.output.unlink()
    message = refused(place, *more)
    for part in (SHA256, hashlib.sha256(NEW).hexdigest(), "delete the record"):
        assert part in message
    assert place.record.read_text() == line
    assert not place.part.exists()


def test_a_refused_download_leaves_the_file_that_is_there(server, place):
    more = ["--checksums", str(place.checksums)]
    assert place.get(*more) == OLD
    server.script = [serve(NEW, etag='"two"')]
    with pytest.raises(UserError):
        raw.main(place.arguments(*more))
    assert place.output.read_bytes() == OLD


def test_a_bad_download_is_not_recorded(server, place):
    server.script = [serve(OLD[:-1])]
    refused(place, "--checksums", str(place.checksums))
    assert not place.checksums.exists()


@pytest.mark.parametrize("text", ["", "abc  reviews_Books.json.gz\n"])
def test_a_record_without_a_checksum_is_refused_and_kept(server, place, text):
    place.record.parent.mkdir(parents=True)
    place.record.write_text(text)
    assert "not a line of sha256sum" in refused(place, "--checksums", str(place.checksums))
    assert place.record.read_text() == text


def test_a_gzip_of_several_members_and_padding_is_whole(tmp_path):
    path = tmp_path / "x.gz"
    path.write_bytes(gzip.compress(b"a") + gzip.compress(b"b" * 200_000) + packed(3) + bytes(70_000))
    assert raw.gzip_sha256(path) == hashlib.sha256(path.read_bytes()).hexdigest()


# Addresses and local files


@pytest.mark.parametrize("release", ["amazon2014", "amazon2018", "amazon2023"])
@pytest.mark.parametrize("kind", ["reviews", "meta"])
def test_a_known_release_has_addresses_whose_names_are_looked_for_locally(release, kind):
    url = raw.url_of(release, "Movies_and_TV", kind)
    assert url.rsplit("/", 1)[1] in raw.local_names("Movies_and_TV", kind)


def local(folder: Path, output: Path, kind: str = "reviews") -> None:
    what = ["--source", "local", "--release", "amazon2018", "--category", "Books", "--kind", kind]
    raw.main([*what, "--folder", str(folder), "--output", str(output)])


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("reviews_Books.json.gz", "reviews"),
        ("reviews_Books_5.json.gz", "reviews"),
        ("Books.json.gz", "reviews"),
        ("Books_5.json.gz", "reviews"),
        ("Books.jsonl.gz", "reviews"),
        ("meta_Books.json.gz", "meta"),
        ("meta_Books.jsonl.gz", "meta"),
    ],
)
def test_every_name_of_the_releases_is_found_and_linked(tmp_path, monkeypatch, name, kind):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / name).write_bytes(OLD)
    monkeypatch.chdir(tmp_path)
    output = tmp_path / "raw" / "x" / f"{kind}_Books.json.gz"
    for _ in range(2):
        local(Path("mine"), output, kind)
        assert output.readlink() == (tmp_path / "mine" / name).resolve()
        assert output.read_bytes() == OLD


def test_all_reviews_come_before_the_five_core(tmp_path):
    for name in ("Books_5.json.gz", "Books.json.gz"):
        (tmp_path / name).write_bytes(OLD)
    assert raw.find_local(tmp_path, "Books", "reviews").name == "Books.json.gz"


def test_a_missing_local_file_names_the_folder_and_what_was_sought(tmp_path):
    (tmp_path / "meta_Books.json.gz").write_bytes(OLD)
    with pytest.raises(UserError) as caught:
        local(tmp_path, tmp_path / "out.gz")
    for text in [str(tmp_path), *raw.local_names("Books", "reviews")]:
        assert text in str(caught.value)


@pytest.mark.parametrize("body", [b"", b"{}\n"])
def test_a_local_file_that_is_not_gzip_is_refused(tmp_path, body):
    (tmp_path / "Books.json.gz").write_bytes(body)
    with pytest.raises(UserError, match="not a gzip file"):
        local(tmp_path, tmp_path / "out.gz")
    assert not (tmp_path / "out.gz").is_symlink()


@pytest.mark.parametrize("through", ["the file", "a link"])
def test_a_local_file_that_is_the_output_itself_is_not_replaced_by_a_link(tmp_path, through):
    output = tmp_path / "reviews_Books.json.gz"
    output.write_bytes(OLD)
    folder = tmp_path if through == "the file" else tmp_path / "mine"
    folder.mkdir(exist_ok=True)
    if through == "a link":
        (folder / "Books.json.gz").symlink_to(output)
    local(folder, output)
    assert output.read_bytes() == OLD


def test_local_without_a_folder_is_an_error(tmp_path):
    what = ["--source", "local", "--release", "x", "--category", "Books", "--kind", "meta"]
    with pytest.raises(UserError, match="--folder"):
        raw.main([*what, "--output", str(tmp_path / "x.gz")])


def test_an_output_that_cannot_be_written_is_a_user_error(server, place):
    place.output.mkdir(parents=True)
    with pytest.raises(UserError, match="reviews_Books"):
        raw.main(place.arguments())


def test_help_says_what_is_read_and_written(capsys):
    with pytest.raises(SystemExit):
        raw.main(["--help"])
    shown = capsys.readouterr().out
    assert "Reads" in shown and "Writes" in shown

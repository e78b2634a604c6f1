"""Downloads that must fail: refusals, incomplete gzip files, and files that do not match the record."""

import gzip
import hashlib

import pytest
from remote import NEW, OLD, SHA256, packed, refused, serve, status

from semacdr.errors import UserError
from semacdr.stages import raw


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
    assert "the downloaded file is damaged" in refused(place)
    assert not place.part.exists() and not place.memory.exists()


def test_a_server_that_always_drops_and_cannot_resume_does_not_keep_us_forever(server, place):
    server.script = [serve(stop=stop, ranges=False) for stop in (100_000, 50_000, 90_000, 50_000)]
    assert "3 attempts in a row" in refused(place, "--attempts", "3")
    assert len(server.seen) == 4
    assert place.part.read_bytes() == OLD[:50_000]


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

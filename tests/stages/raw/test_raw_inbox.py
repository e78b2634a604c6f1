"""Files that a user put into the inbox by hand: linked instead of downloaded, and never changed or deleted (F2)."""

import pytest
from remote import NEW, OLD, SHA256, refused, status

from semacdr.errors import UserError
from semacdr.stages import raw

NAMES = ["reviews_Books.json.gz", "Books.json.gz", "Books.jsonl.gz"]


@pytest.fixture
def inbox(tmp_path):
    folder = tmp_path / "inbox" / "tiny"
    folder.mkdir(parents=True)
    return folder


def run(place, inbox, *more):
    raw.main(place.arguments("--inbox", str(inbox.parent), *more))


@pytest.mark.parametrize("name", NAMES)
def test_a_file_in_the_inbox_is_linked_and_nothing_is_asked_for(server, place, inbox, name):
    (inbox / name).write_bytes(OLD)
    run(place, inbox)
    assert place.output.readlink() == (inbox / name).resolve()
    assert server.seen == []


def test_removing_the_output_as_snakemake_does_leaves_the_file_and_the_next_run_links_it_again(server, place, inbox):
    (inbox / NAMES[0]).write_bytes(OLD)
    for _ in range(2):
        run(place, inbox)
        place.output.unlink()
        assert (inbox / NAMES[0]).read_bytes() == OLD
    assert server.seen == []


def test_without_the_file_it_is_downloaded(server, place, inbox):
    (inbox / "reviews_Films.json.gz").write_bytes(OLD)
    run(place, inbox)
    assert place.output.read_bytes() == OLD and not place.output.is_symlink()


def test_a_download_that_fails_names_the_inbox(server, place, inbox):
    server.script = [status(404)]
    assert f"put the file, downloaded otherwise, into {inbox}/" in refused(place, "--inbox", str(inbox.parent))


def test_an_earlier_download_is_replaced_by_the_link(server, place, inbox):
    run(place, inbox)
    (inbox / NAMES[0]).write_bytes(NEW)
    run(place, inbox)
    assert place.output.read_bytes() == NEW


def test_a_file_that_is_not_gzip_is_refused_and_kept(server, place, inbox):
    (inbox / NAMES[0]).write_bytes(b"<html>")
    with pytest.raises(UserError, match="not a gzip file"):
        run(place, inbox)
    assert (inbox / NAMES[0]).read_bytes() == b"<html>"


def test_a_file_that_is_not_the_recorded_one_is_refused_and_kept(server, place, inbox):
    place.record.parent.mkdir(parents=True)
    place.record.write_text(f"{SHA256}  reviews_Books.json.gz\n")
    (inbox / NAMES[0]).write_bytes(NEW)
    with pytest.raises(UserError, match="expects sha256"):
        run(place, inbox, "--checksums", str(place.checksums))
    assert (inbox / NAMES[0]).read_bytes() == NEW and not place.output.exists()

"""Atomic writing: complete or not at all, and one line that names the file when the disk is full."""

import errno
from pathlib import Path

import pyarrow as pa
import pytest

from semacdr.errors import UserError
from semacdr.storage import files, tables, tsv

FULL = Path("/dev/full")  # a device on which every write fails for lack of space
needs_full = pytest.mark.skipif(not FULL.exists(), reason="this system has no /dev/full")
USERS = pa.table({"user": pa.array(range(1000), pa.int32()), "user_id": [f"u{i}" for i in range(1000)]})


def write_text(path):
    files.write_text(path, "text\n")


def write_json(path):
    files.write_json(path, {"a": [1, "ü"]})


def write_bytes(path):
    files.write_bytes(path, b"bytes")


def write_tsv(path):
    tsv.write(path, "a\tb\n")


def write_table(path):
    tables.write(USERS, path, "users", {"release": "x"})


WRITERS = [write_text, write_json, write_bytes, write_tsv, write_table]


@pytest.mark.parametrize("write", WRITERS)
def test_a_file_appears_with_its_folder_and_nothing_else(tmp_path, write):
    path = tmp_path / "new" / "folder" / "file.x"
    write(path)
    first = path.read_bytes()
    write(path)
    assert path.read_bytes() == first != b""
    assert list(path.parent.iterdir()) == [path]


@needs_full
@pytest.mark.parametrize("write", WRITERS)
def test_a_full_disk_is_one_line_with_the_file_and_leaves_the_earlier_one(tmp_path, write):
    path = tmp_path / "file.x"
    path.write_bytes(b"earlier")
    (tmp_path / ".new.file.x").symlink_to(FULL)
    with pytest.raises(UserError) as caught:
        write(path)
    assert str(caught.value) == f"{path}: cannot be written: no space left on device"
    assert path.read_bytes() == b"earlier"
    assert list(tmp_path.iterdir()) == [path]


def test_a_used_up_quota_and_an_error_without_number_are_reported_as_no_space_too(tmp_path):
    for error in (OSError(errno.EDQUOT, "Disk quota exceeded"), OSError("No space left on device (os error 28)")):
        with pytest.raises(UserError, match="no space left on device"), files.replacing(tmp_path / "x"):
            raise error


def test_a_file_that_may_not_be_written_is_named(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match=rf"{tmp_path}/file/x: cannot be written: "):
        files.write_text(tmp_path / "file" / "x", "")


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt])
def test_a_writer_that_fails_half_way_leaves_the_earlier_file(tmp_path, error):
    path = tmp_path / "file"
    path.write_text("earlier")
    with pytest.raises(error), files.replacing(path) as temporary:
        temporary.write_text("ha")
        raise error
    assert path.read_text() == "earlier" and list(tmp_path.iterdir()) == [path]


def test_the_temporary_file_ends_as_the_file_does(tmp_path):
    with files.replacing(tmp_path / "picture.png") as temporary:
        assert temporary.suffix == ".png" and temporary.parent == tmp_path
        temporary.write_bytes(b"")


def test_json_and_text_have_the_same_bytes_everywhere(tmp_path):
    files.write_json(tmp_path / "x.json", {"b": 1, "a": "é"})
    assert (tmp_path / "x.json").read_bytes() == b'{\n  "b": 1,\n  "a": "\\u00e9"\n}\n'
    files.write_text(tmp_path / "x.txt", "é\n", durable=True)
    assert (tmp_path / "x.txt").read_bytes() == "é\n".encode()

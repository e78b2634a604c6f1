"""Raw files that are on the machine: found under the releases' own names, and linked."""

from pathlib import Path

import pytest
from remote import OLD

from semacdr.data import local as places
from semacdr.errors import UserError
from semacdr.stages import raw


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


@pytest.mark.parametrize(
    ("release", "first", "second"),
    [
        ("amazon2014", "reviews_Books.json.gz", "Books.json.gz"),
        ("amazon2014", "reviews_Books_5.json.gz", "Books.json.gz"),
        ("amazon2018", "Books.json.gz", "reviews_Books.json.gz"),
        ("amazon2018", "Books_5.json.gz", "Books.jsonl.gz"),
        ("amazon2023", "Books.jsonl.gz", "Books.json.gz"),
        ("mine", "Books.jsonl.gz", "Books_5.json.gz"),
    ],
)
def test_the_release_s_own_name_comes_first(tmp_path, caplog, release, first, second):
    """F13: names of 2014 came first for every release."""
    for name in (first, second):
        (tmp_path / name).write_bytes(OLD)
    assert places.find_local(tmp_path, "Books", "reviews", release).name == first
    assert f"{first} is used; not used: {second}" in caplog.text
    (tmp_path / first).unlink()
    assert places.find_local(tmp_path, "Books", "reviews", release).name == second


def test_every_name_is_known_once_for_every_release():
    every = {"reviews_X.json.gz", "reviews_X_5.json.gz", "X.json.gz", "X_5.json.gz", "X.jsonl.gz"}
    for release in [*raw.URLS, "mine", ""]:
        names = places.local_names("X", "reviews", release)
        assert set(names) == every and len(names) == len(every)
        assert set(places.local_names("X", "meta", release)) == {"meta_X.json.gz", "meta_X.jsonl.gz"}


def test_all_reviews_come_before_the_five_core(tmp_path):
    for name in ("Books_5.json.gz", "Books.json.gz"):
        (tmp_path / name).write_bytes(OLD)
    assert places.find_local(tmp_path, "Books", "reviews").name == "Books.json.gz"


def test_a_missing_local_file_names_the_folder_and_the_names_tried(tmp_path):
    (tmp_path / "meta_Books.json.gz").write_bytes(OLD)
    with pytest.raises(UserError) as caught:
        local(tmp_path, tmp_path / "out.gz")
    for text in [str(tmp_path), *places.local_names("Books", "reviews")]:
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

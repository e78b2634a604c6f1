"""A bundle answers like the run it was packed from, without the other files, and refuses foreign parts."""

import json
import shutil
import zipfile

import pytest
from direction_world import LEARNED, SYSTEMS
from served import lay_out, train, train_final

import semacdr
from semacdr.commands import pack as command
from semacdr.errors import UserError
from semacdr.serving.bundle import pack

PEOPLE = [["item_id 1", "item_id 33", "item_id 7"], ["item_id 50"]]


@pytest.fixture(scope="module")
def scenario(world, tmp_path_factory):
    return lay_out(world, tmp_path_factory.mktemp("bundled"))


def unseen(name):
    return {"user_vector": "none"} if name == "semacdr" else {}


@pytest.mark.parametrize("name", SYSTEMS)
def test_a_bundle_answers_like_its_run(name, world, scenario, tmp_path):
    run = train(world, scenario, name)
    pack(run, tmp_path / "a.zip")
    asked = {"users": ["user 3", "user 9"], "top": 5}
    assert semacdr.load(tmp_path / "a.zip").recommend(**asked).equals(semacdr.load(run).recommend(**asked))


WITH_HISTORIES = ("c2dsr", "mgcl", "tjapl", "lightgcn", "neumf", "svdpp", "sphere")  # or with a vector of each user


@pytest.mark.parametrize("name", [name for name in LEARNED if name not in WITH_HISTORIES])
def test_a_bundle_without_histories_serves_new_people(name, world, scenario, tmp_path):
    run = train(world, scenario, name, **unseen(name))
    manifest = pack(run, tmp_path / "a.zip", histories=False)
    assert not [
        inside for inside in manifest["files"] if "interactions" in inside or "users" in inside or "split" in inside
    ]
    packed = semacdr.load(tmp_path / "a.zip")
    assert packed.recommend(histories=PEOPLE, top=5).equals(semacdr.load(run).recommend(histories=PEOPLE, top=5))
    assert packed.as_of == "before_test"
    with pytest.raises(UserError, match="packed without histories"):
        packed.recommend(users=["user 1"])


def test_the_same_run_gives_the_same_bytes(world, scenario, tmp_path):
    run = train(world, scenario, "sasrec")
    for name in ("a.zip", "b.zip"):
        command.main([str(run), str(tmp_path / name)])
    assert (tmp_path / "a.zip").read_bytes() == (tmp_path / "b.zip").read_bytes()


def test_a_run_of_all_events_says_so_in_its_bundle(world, scenario, tmp_path):
    run = train_final(scenario, train(world, scenario, "semacdr", **unseen("semacdr")))
    assert pack(run, tmp_path / "a.zip")["as_of"] == "now"
    assert semacdr.load(tmp_path / "a.zip").as_of == "now"


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("item_knn", "is built from the events"),
        ("c2dsr", "is built from the events"),
        ("tjapl", "cannot serve unseen users"),
    ],
)
def test_some_systems_need_the_histories(name, words, world, scenario, tmp_path):
    with pytest.raises(UserError, match=words):
        pack(train(world, scenario, name), tmp_path / "a.zip", histories=False)


def test_a_changed_file_is_refused(world, scenario, tmp_path):
    """In the archive, a file of another run; before packing, a table of other data."""
    pack(train(world, scenario, "sasrec"), tmp_path / "a.zip")
    with zipfile.ZipFile(tmp_path / "a.zip") as old, zipfile.ZipFile(tmp_path / "b.zip", "w") as new:
        for name in old.namelist():
            content = old.read(name)
            new.writestr(name, content.replace(b"title", b"TITLE") if name == "items.parquet" else content)
    with pytest.raises(UserError, match=r"items\.parquet is not the file that was packed"):
        semacdr.load(tmp_path / "b.zip")


def test_files_that_do_not_belong_together_are_refused(world, scenario, tmp_path):
    run = train(world, scenario, "semacdr")
    other = shutil.copytree(scenario, tmp_path / "other")
    from semacdr.storage import tables

    table, meta = tables.read(other / "embeddings.parquet", "embeddings")
    tables.write(
        table.slice(0).set_column(1, "vector", table["vector"].take(list(range(54, -1, -1)))),
        other / "embeddings.parquet",
        "embeddings",
        meta,
    )
    with pytest.raises(UserError, match="was trained on another embeddings table"):
        pack(other / run.relative_to(scenario), tmp_path / "a.zip")


@pytest.mark.parametrize("content", [b"", b"not a zip", "zip without manifest", "other format", "outside"])
def test_what_is_no_bundle_is_refused(content, tmp_path):
    path = tmp_path / "a.zip"
    if isinstance(content, bytes):
        path.write_bytes(content)
    else:
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr("x", "y")
            if content == "other format":
                archive.writestr("bundle.json", json.dumps({"what": "semacdr bundle", "format": 99}))
            if content == "outside":
                files = {"../x": "0" * 64}
                archive.writestr("bundle.json", json.dumps({"what": "semacdr bundle", "format": 1, "files": files}))
    with pytest.raises(UserError, match=r"bundle|outside"):
        semacdr.load(path)
    assert not (tmp_path.parent / "x").exists()

"""Exported vectors multiply to the scores, and the index finds the items that are recommended."""

import json
import sys

import numpy as np
import polars as pl
import pytest
from direction_world import INNER
from served import lay_out, train

import semacdr
from semacdr.commands import export as command
from semacdr.errors import UserError
from semacdr.serving.bundle import pack


@pytest.fixture(scope="module")
def scenario(world, tmp_path_factory):
    return lay_out(world, tmp_path_factory.mktemp("exported"))


def same_top(recommender, folder, ranked, users):
    """Whether `ranked` (rows of items.parquet) are the best items of the users, up to items with equal scores."""
    items = pl.read_parquet(folder / "items.parquet")
    scores = recommender.scores(users=users)["score"].to_numpy().reshape(len(users), -1)
    table = recommender.recommend(users=users, top=10, keep_seen=True)
    for row, own in enumerate(ranked):
        best = table.filter(user_id=users[row])
        np.testing.assert_allclose(scores[row, own], best["score"], rtol=1e-4, atol=1e-5)
        differ = [place for place, item in enumerate(own) if items["item_id"][int(item)] != best["item_id"][place]]
        for place in differ:  # another item only where its score is the same in float32
            assert np.isclose(scores[row, own[place]], best["score"][place], rtol=1e-5, atol=1e-6)
        assert len(differ) <= 2
    return True


@pytest.mark.parametrize(("name", "settings"), INNER)
def test_the_index_finds_what_is_recommended(name, settings, world, scenario, tmp_path):
    faiss = pytest.importorskip("faiss", reason="the extra semacdr[index] is not installed")
    run = train(world, scenario, name, **settings)
    command.main([str(run), "--output", str(tmp_path), "--index", "faiss"])
    recommender = semacdr.load(run)
    users = pl.read_parquet(tmp_path / "users.parquet")
    assert users["user_id"].to_list() == recommender.users()
    index = faiss.read_index(str(tmp_path / "index.faiss"))
    assert index.ntotal == 30 and index.metric_type == faiss.METRIC_INNER_PRODUCT
    _, found = index.search(users["vector"].to_numpy(), 10)
    assert same_top(recommender, tmp_path, found, users["user_id"].to_list())


def test_vectors_are_stored_with_ids_titles_and_provenance(world, scenario, tmp_path):
    run = train(world, scenario, "sasrec")
    command.main([str(run), "--output", str(tmp_path)])
    items = pl.read_parquet(tmp_path / "items.parquet")
    assert items.columns == ["item_id", "title", "vector"]
    assert items["item_id"].to_list() == [f"item_id {item}" for item in range(30)]
    assert items.equals(semacdr.load(run).item_vectors())
    about = json.loads((tmp_path / "export.json").read_text())
    assert (about["model"], about["as_of"], about["items"], about["users"]) == ("sasrec", "before_test", 30, 40)
    assert about["provenance"]["model"] == "sasrec" and not (tmp_path / "index.faiss").exists()


def test_a_bundle_without_histories_exports_items_only(world, scenario, tmp_path):
    pack(train(world, scenario, "sasrec"), tmp_path / "a.zip", histories=False)
    command.main([str(tmp_path / "a.zip"), "--output", str(tmp_path / "out")])
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["export.json", "items.parquet"]


def test_a_model_that_counts_has_nothing_to_export(world, scenario, tmp_path):
    with pytest.raises(UserError, match="item_knn has no user and item vectors"):
        command.main([str(train(world, scenario, "item_knn")), "--output", str(tmp_path / "out")])
    assert not (tmp_path / "out").exists()


def test_without_faiss_nothing_is_written(world, scenario, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "faiss", None)
    with pytest.raises(UserError, match=r"pip install 'semacdr\[index\]'"):
        command.main([str(train(world, scenario, "sasrec")), "--output", str(tmp_path / "out"), "--index", "faiss"])
    assert not (tmp_path / "out").exists()

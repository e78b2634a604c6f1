"""The Python interface: what it returns, for whom, and what it refuses."""

import numpy as np
import polars as pl
import pytest
from direction_world import World
from served import lay_out, train, train_final

import semacdr
from semacdr.data.history import load_history
from semacdr.errors import UserError

UNSEEN = {"graph": "none", "user_vector": "none", "source_weight": 1.0, "contrastive_weight": 0.0}


@pytest.fixture(scope="module")
def scenario(world, tmp_path_factory):
    return lay_out(world, tmp_path_factory.mktemp("served"))


@pytest.fixture(scope="module")
def evaluated(world: World, scenario):
    return train(world, scenario, "semacdr", **UNSEEN)


@pytest.fixture(scope="module")
def recommender(evaluated):
    return semacdr.load(evaluated)


def events(scenario, user, test=True):
    """A user's item ids in order of time, up to the test event or all."""
    folder = scenario / "movie_to_book"
    history = load_history(scenario / "interactions.parquet", scenario / "items.parquet", folder / "split.parquet")
    end = history.test[user] if test else history.start[user + 1]
    return [f"item_id {item}" for item in history.item[history.start[user] : end]]


def test_recommendations_have_ids_titles_and_places(recommender):
    table = recommender.recommend(users=["user 7", "user 2"], top=3)
    assert table.columns == ["user_id", "place", "item_id", "title", "score"]
    assert table["user_id"].to_list() == ["user 7"] * 3 + ["user 2"] * 3
    assert table["place"].to_list() == [1, 2, 3] * 2
    assert table["title"].to_list() == [f"title {name.split()[1]}" for name in table["item_id"]]
    for _, own in table.group_by("user_id"):
        assert own["score"].is_sorted(descending=True)


def test_a_history_of_a_known_user_gives_the_same_list(recommender, scenario):
    """The model has no user vectors, so what counts is the history alone, given in any of the three forms."""
    known = recommender.recommend(users=["user 7"], top=5).drop("user_id")
    own = events(scenario, 7)
    listed = recommender.recommend(histories=[own], top=5)
    assert listed["user_id"].unique().to_list() == ["1"]
    assert listed.drop("user_id").equals(known)
    assert recommender.recommend(histories={"Ann": own}, top=5).drop("user_id").equals(known)
    table = pl.DataFrame({"user_id": ["Ann"] * len(own), "item_id": own})
    assert recommender.recommend(histories=table, top=5)["user_id"].unique().to_list() == ["Ann"]
    assert recommender.recommend(histories=table, top=5).drop("user_id").equals(known)


def test_items_of_the_user_are_left_out(recommender):
    everything = recommender.recommend(histories=[["item_id 3", "item_id 40", "item_id 9"]], top=100)
    assert set(everything["item_id"]) == {f"item_id {item}" for item in range(30)} - {"item_id 3", "item_id 9"}
    kept = recommender.recommend(histories=[["item_id 3"]], top=100, keep_seen=True)
    assert len(kept) == 30


def test_scores_order_the_recommendations(recommender):
    scores = recommender.scores(users=["user 1"])
    assert scores.columns == ["user_id", "item_id", "score"] and len(scores) == 30
    best = recommender.recommend(users=["user 1"], top=4)
    joined = best.join(scores, on="item_id")
    assert joined["score"].to_list() == joined["score_right"].to_list()
    some = recommender.scores(histories=[["item_id 31"], []], items=["item_id 5", "item_id 2"])
    assert some.select("user_id", "item_id").rows() == [
        ("1", "item_id 5"), ("1", "item_id 2"), ("2", "item_id 5"), ("2", "item_id 2")
    ]  # fmt: skip


def test_vectors_multiply_to_the_scores(recommender):
    users = recommender.user_vectors(users=["user 1", "user 4"])
    items = recommender.item_vectors()
    assert users["user_id"].to_list() == ["user 1", "user 4"] and items.columns == ["item_id", "title", "vector"]
    scores = users["vector"].to_numpy() @ items["vector"].to_numpy().T
    np.testing.assert_allclose(
        scores.ravel(), recommender.scores(users=["user 1", "user 4"])["score"], rtol=1e-4, atol=1e-5
    )


def test_lists_before_the_test_and_lists_as_of_now(recommender, evaluated, scenario):
    """The run of all events sees each user's last events, and the two kinds of lists name themselves."""
    now = semacdr.load(train_final(scenario, evaluated))
    assert (recommender.as_of, now.as_of) == ("before_test", "now")
    last = events(scenario, 7, test=False)[-1]
    own = [name for name in events(scenario, 7, test=False) if int(name.split()[1]) < 30]
    assert not set(now.recommend(users=["user 7"], top=30)["item_id"]) & set(own)
    listed = now.recommend(histories=[events(scenario, 7, test=False)], top=5)
    assert listed.drop("user_id").equals(now.recommend(users=["user 7"], top=5).drop("user_id")), last
    assert set(now.recommend(users="all", top=1)["user_id"]) == {f"user {user}" for user in range(40)}


def test_the_categories_that_support_an_item(recommender, scenario):
    """Counted again by hand from the categories of the items."""
    agnostic = pl.read_parquet(scenario / "semantics/agnostic.parquet")
    own = [1, 5, 33, 41]
    table = recommender.recommend(histories=[[f"item_id {item}" for item in own]], top=6, explain=True)
    supported = table.filter(pl.col("supported_by") != "")
    assert len(supported)
    for item_id, line in supported.select("item_id", "supported_by").iter_rows():
        for part in line.split("; "):
            category, rest = part.split(": ")
            subcategory, counted = rest.split(" (")
            of = agnostic.filter((pl.col("category") == category) & (pl.col("subcategory") == subcategory))["item"]
            count = of.is_in(own).sum()
            assert counted == f"{count} of 4 events)" and int(item_id.split()[1]) in of.to_list()
            assert count / 4 > len(of) / 55


@pytest.mark.parametrize(
    ("asked", "words"),
    [
        ({"users": ["user 1"], "histories": [[]]}, "give either users or histories"),
        ({}, "give either users or histories"),
        ({"users": ["Ann"]}, "no user 'Ann' among the 40 users, such as 'user 0'; for somebody new, give a history"),
        ({"users": "user 1"}, "users must be a list of ids"),
        ({"histories": [["item_id 1"], ["nope"]]}, "history 2: there is no item 'nope' among the 55 items"),
        ({"histories": ["item_id 1"]}, "history 1: must be a list of item ids"),
        ({"histories": [[("game", "item_id 1")]]}, "no domain 'game'; the domains are movie and book"),
        ({"histories": [[("book", "item_id 1", 3)]]}, r"an item is an id or \(domain, id\)"),
        ({"histories": [[7]]}, "an item id is a text, not 7"),
        ({"histories": pl.DataFrame({"item_id": ["x"]})}, "a table of histories needs a column 'user_id'"),
        ({"users": ["user 1"], "top": 0}, "top must be at least 1"),
    ],
)  # fmt: skip
def test_wrong_requests_are_refused(recommender, asked, words):
    with pytest.raises(UserError, match=words):
        recommender.recommend(**asked)


def test_unknown_items_may_be_left_out(recommender):
    some = recommender.recommend(histories=[["nope", "item_id 1"]], top=4, skip_unknown=True)
    assert some.equals(recommender.recommend(histories=[["item_id 1"]], top=4))


def test_an_id_of_both_domains_needs_its_domain(world, tmp_path):
    scenario = lay_out(world, tmp_path)
    items, meta = semacdr_tables().read(scenario / "items.parquet", "items")
    frame = pl.DataFrame(items).with_columns(item_id=pl.lit("id ") + (pl.col("item") % 30).cast(pl.String))
    from semacdr.serving.catalogue import Catalogue

    semacdr_tables().write(frame.to_arrow(), tmp_path / "both.parquet", "items", meta)
    catalogue = Catalogue(tmp_path / "both.parquet", "movie", "book")
    with pytest.raises(UserError, match=r"item 'id 3' is in both domains; say which: \('book', 'id 3'\)"):
        catalogue.number("id 3")
    assert (catalogue.number(("book", "id 3")), catalogue.number(("movie", "id 3"))) == (3, 33)


def semacdr_tables():
    from semacdr.storage import tables

    return tables


def test_a_model_with_user_vectors_refuses_new_people(world, scenario):
    known = semacdr.load(train(world, scenario, "semacdr"))
    assert not known.serves_unseen_users
    with pytest.raises(UserError, match="semacdr cannot serve unseen users: with its settings each user has learned"):
        known.recommend(histories=[["item_id 1"]])
    assert len(known.recommend(users=["user 1"], top=2)) == 2


def test_a_folder_that_is_no_run_is_refused(tmp_path):
    with pytest.raises(UserError, match="is not the folder of a trained run"):
        semacdr.load(tmp_path)

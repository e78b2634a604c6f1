"""Tables of your own in the config: what they need, which files they are, and what stage preprocess gets."""

import json

import pytest
from plans import overlaid, plan_of

from semacdr.plan.config import Config
from semacdr.plan.raw import check_files, raw_files, source_options, table_files
from semacdr.runtime.setting_errors import SettingError

COLUMNS = {"user": "who", "item": "what", "time": "when"}
SONGS = {"interactions": "plays.csv", "items": "songs.csv", "columns": COLUMNS}
PODS = {"interactions": "heard/*.parquet", "columns": COLUMNS}


def shop(songs=SONGS, pods=PODS, **more):
    release = {"source": "table", "tables": {"songs": songs, "pods": pods}} | more
    return {
        "raw": {"shop": release},
        "scenarios": {"mine": {"release": "shop", "domains": {"song": "songs", "pod": "pods"}}},
    }


def test_the_stage_gets_the_files_by_domain(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("plays.csv", "songs.csv", "heard/b.parquet", "heard/a.parquet"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    config = plan_of(shop()).config
    assert raw_files(config, "mine", "reviews") == []
    assert table_files(config, "mine") == ["plays.csv", "songs.csv", "heard/a.parquet", "heard/b.parquet"]
    flag, given = source_options(config, "mine")
    assert flag == "--tables"
    assert json.loads(given)["pod"]["interactions"] == ["heard/a.parquet", "heard/b.parquet"]
    assert json.loads(given)["song"]["columns"]["user"] == "who"
    check_files(config, "mine")
    assert table_files(config, "movie_book") == []
    assert source_options(config, "movie_book")[0] == "--reviews"


def test_a_file_that_is_not_there_is_an_error_before_anything_runs(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(
        SettingError, match=r"raw\.shop\.tables\.songs\.interactions: there is no file plays\.csv; paths"
    ):
        check_files(plan_of(shop()).config, "mine")


def test_snippets_need_reviews(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "x").touch()
    there = shop({"interactions": "x", "items": "x", "columns": COLUMNS}, {"interactions": "./x", "columns": COLUMNS})
    check_files(plan_of(there).config, "mine")
    with pytest.raises(SettingError, match=r"semantics\.reviews needs reviews"):
        check_files(plan_of(there, {"semantics": {"reviews": True}}).config, "mine")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (shop(source="local", folder="x"), "raw.shop: tables needs source: table"),
        ({"raw": {"shop": {"source": "table"}}}, "raw.shop: source table needs tables, its files and columns"),
        (shop(songs={"columns": COLUMNS}), "raw.shop.tables.songs: needs interactions"),
        (shop(songs=SONGS | {"columns": {"user": "who"}}), "raw.shop.tables.songs.columns: needs time, the column"),
        (shop(songs=SONGS | {"columns": COLUMNS | {"item": {"items": "a"}}}), "columns.item: needs a name, or names"),
        (shop(songs=SONGS | {"columns": COLUMNS | {"titel": "a"}}), "there is no setting 'titel'"),
        (shop(pods=PODS | {"columns": COLUMNS | {"title": "a"}}), "tables.pods: needs items"),
        (shop(songs=SONGS | {"delimiter": ", "}), "tables.songs.delimiter: must be one character, not ', '"),
        (shop(songs=SONGS | {"interactions": "{a}.csv"}), "tables.songs.interactions: Snakemake reads braces in"),
        (shop(pods=SONGS), "tables.pods.interactions: is also the file of songs, with the same filter"),
        (shop(pods=SONGS | {"filter": 3}), "tables.pods.filter: must be text or a mapping or null, not 3"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_said(change, message):
    with pytest.raises(SettingError) as caught:
        Config(overlaid(change))
    assert message in str(caught.value)


def test_a_domain_names_a_table():
    wrong = shop()
    wrong["scenarios"]["mine"]["domains"]["pod"] = "podz"
    with pytest.raises(SettingError, match="there is no table 'podz'; did you mean 'pods'"):
        Config(overlaid(wrong))


def test_one_file_may_serve_both_domains_with_filters():
    Config(overlaid(shop(SONGS | {"filter": "kind == 'song'"}, SONGS | {"filter": "kind == 'pod'"})))


def test_other_users_or_repeats_are_not_the_data_that_settings_were_tuned_on():
    tuned = plan_of({"scenarios": {"kitchen_food": {"preprocess": {"min_item_interactions": 5, "filter": "iterated"}}}})
    assert tuned.tuned.same_data("kitchen_food")
    for change in ({"users": "any"}, {"duplicates": "all"}):
        own = {"min_item_interactions": 5, "filter": "iterated"} | change
        assert not plan_of({"scenarios": {"kitchen_food": {"preprocess": own}}}).tuned.same_data("kitchen_food")

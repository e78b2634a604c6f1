"""`semacdr recommend` writes the same lists in three formats, and says what they follow."""

import json

import polars as pl
import pytest
from served import lay_out, train

import semacdr
from semacdr.commands import pack, recommend
from semacdr.errors import UserError


@pytest.fixture(scope="module")
def run(world, tmp_path_factory):
    scenario = lay_out(world, tmp_path_factory.mktemp("commands"))
    return train(world, scenario, "semacdr", graph="none", user_vector="none")


def test_the_formats_have_the_same_rows(run, tmp_path):
    expected = semacdr.load(run).recommend(users="all", top=3).with_columns(as_of=pl.lit("before_test"))
    for suffix in ("tsv", "json", "parquet"):
        recommend.main([str(run), "--all", "--top", "3", "--output", str(tmp_path / f"lists.{suffix}")])
    assert pl.read_parquet(tmp_path / "lists.parquet").equals(expected)
    row = json.loads((tmp_path / "lists.json").read_text())[4]
    assert row["score"] == pytest.approx(expected["score"][4])
    assert row | {"score": 0} == expected.row(4, named=True) | {"score": 0}
    read = pl.read_csv(tmp_path / "lists.tsv", separator="\t", schema_overrides=expected.schema)
    assert read.drop("score").equals(expected.drop("score"))
    assert (read["score"] - expected["score"]).abs().max() < 1e-6


def test_a_history_is_printed_with_titles(run, capsys):
    recommend.main([str(run), "--history", "item_id 3", "item_id 40", "--top", "2", "--explain"])
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].split("\t") == ["user_id", "place", "item_id", "title", "score", "supported_by", "as_of"]
    assert len(lines) == 3 and lines[1].endswith("\thistory")


@pytest.mark.parametrize("suffix", ["csv", "tsv", "parquet"])
def test_histories_are_read_from_files(run, suffix, tmp_path):
    table = pl.DataFrame({"user_id": ["Ann", "Bo", "Ann"], "item_id": ["item_id 3", "item_id 5", "item_id 41"]})
    path = tmp_path / f"histories.{suffix}"
    if suffix == "parquet":
        table.write_parquet(path)
    else:
        table.write_csv(path, separator="\t" if suffix == "tsv" else ",")
    recommend.main([str(run), "--histories", str(path), "--top", "4", "--output", str(tmp_path / "out.parquet")])
    own = {"Ann": ["item_id 3", "item_id 41"], "Bo": ["item_id 5"]}
    expected = semacdr.load(run).recommend(histories=own, top=4)
    assert pl.read_parquet(tmp_path / "out.parquet").drop("as_of").equals(expected)


def test_wrong_files_are_refused(run, tmp_path):
    with pytest.raises(UserError, match=r"lists\.xlsx: the name must end in \.tsv, \.json, \.parquet"):
        recommend.main([str(run), "--all", "--output", str(tmp_path / "lists.xlsx")])
    with pytest.raises(UserError, match=r"histories\.csv: cannot be read as a table of histories"):
        recommend.main([str(run), "--histories", str(tmp_path / "histories.csv")])
    with pytest.raises(UserError, match=r"the name of a bundle must end in \.zip"):
        pack.main([str(run), str(tmp_path / "a.tar")])

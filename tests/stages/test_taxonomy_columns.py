"""Stages taxonomy and semantics with categories from columns, from attributes.parquet to agnostic.parquet."""

import json

import pyarrow as pa
import pytest
from tiny_dataset import read

from semacdr.errors import UserError
from semacdr.semantics.text_encoder import PACKAGED
from semacdr.stages import semantics, taxonomy
from semacdr.storage import tables
from semacdr.training.inputs import load_semantics

META = {"release": "shop", "scenario": "song_podcast", "made_from_interactions": "abc"}
TITLES = ["Rap it", "Rock it", "Sing", "Talk", "Beats", "Silence"]
VALUES = [(0, "Hip Hop"), (1, "Rock"), (3, "hip-hop"), (4, "rock"), (4, "Hip-Hop"), (4, "jazz")]
SETTINGS = {
    "engine": "columns",
    "columns": {"song.genre": "genre", "podcast.topic": "genre"},
    "values": {"genre": {"hip hop": "hip-hop"}},
}


@pytest.fixture
def folder(tmp_path):
    rows = [
        {"item": item, "item_id": f"i{item}", "domain": "song" if item < 3 else "podcast", "title": title, "brand": "",
         "categories": [], "description": ""}
        for item, title in enumerate(TITLES)
    ]  # fmt: skip
    values = [{"item": item, "name": "genre" if item < 3 else "topic", "value": value} for item, value in VALUES]
    tables.write(pa.Table.from_pylist(rows), tmp_path / "items.parquet", "items", META)
    tables.write(pa.Table.from_pylist(values), tmp_path / "attributes.parquet", "attributes", META)
    return tmp_path


def inputs(folder):
    return ["--items", str(folder / "items.parquet"), "--attributes", str(folder / "attributes.parquet")]


def make_taxonomy(folder, **changed):
    taxonomy.main([
        *inputs(folder), "--settings", json.dumps(SETTINGS | changed), "--output", str(folder / "taxonomy.json"),
        "--report", str(folder / "taxonomy.tsv"),
    ])  # fmt: skip


def test_each_item_is_filed_by_its_own_values_and_an_item_without_one_is_unknown(folder):
    make_taxonomy(folder)
    made = json.loads((folder / "taxonomy.json").read_text())
    assert made["made_by"]["engine"] == "columns"
    assert [one["name"] for one in made["categories"][0]["subcategories"]] == ["hip-hop", "jazz", "Rock"]
    assert (folder / "taxonomy.tsv").read_text().splitlines()[:3] == [
        "test\tcategory\tsubcategory\tpodcast\tsong\tremark\trelease",
        "0\tgenre\thip-hop\t2\t1\t\tshop",
        "0\tgenre\tjazz\t1\t0\tin podcast only\tshop",
    ]
    semantics.main([
        *inputs(folder), "--taxonomy", str(folder / "taxonomy.json"), "--output", str(folder), "--threads", "1"
    ])  # fmt: skip
    filed = read(folder / "agnostic.parquet", "agnostic")
    assert filed.select("item", "subcategory").rows() == [
        (0, "hip-hop"), (1, "Rock"), (3, "hip-hop"), (4, "Rock"), (4, "hip-hop")
    ]  # fmt: skip
    assert filed["provenance"].to_list()[:3:2] == [
        "engine=columns column=song.genre", "engine=columns column=podcast.topic"
    ]  # fmt: skip
    inner = read(folder / "inner.parquet", "inner")
    assert inner["text"].to_list() == TITLES  # the texts are those of the default engine
    assert inner["provenance"][0] == f"engine=encoder model={PACKAGED} text=composed"
    counts = [line.split("\t")[:3] for line in (folder / "semantics.tsv").read_text().splitlines()]
    assert ["file: genre", "by column", "4"] in counts and ["file: genre", "without a value", "2"] in counts
    assert ["file: genre", "with more than 2 values, cut (max_subcategories)", "1"] in counts
    # unknown, Rock, hip-hop; the shared ones have one column for both domains
    assert load_semantics(folder / "agnostic.parquet", len(TITLES)).membership.tolist() == [
        [0, 0, 1], [0, 1, 0], [1, 0, 0], [0, 0, 1], [0, 0.5, 0.5], [1, 0, 0]
    ]  # fmt: skip


def test_a_taxonomy_of_columns_needs_the_attributes_of_the_same_items(folder):
    make_taxonomy(folder)
    argv = ["--items", str(folder / "items.parquet"), "--taxonomy", str(folder / "taxonomy.json"), "--output", "x"]
    with pytest.raises(UserError, match="has categories from columns; give --attributes"):
        semantics.main(argv)
    values = tables.read(folder / "attributes.parquet", "attributes")[0]
    tables.write(values, folder / "other.parquet", "attributes", META | {"made_from_interactions": "other"})
    with pytest.raises(UserError, match=r"other\.parquet: was made from another interactions table"):
        semantics.main([*argv, "--attributes", str(folder / "other.parquet")])


def test_engine_columns_needs_its_inputs(folder):
    with pytest.raises(UserError, match="engine columns needs --attributes"):
        taxonomy.main(["--engine", "columns", "--items", "i", "--output", "x"])
    with pytest.raises(UserError, match=r"no item has a value in song\.mood"):
        make_taxonomy(folder, columns={"song.mood": "mood"}, values={})

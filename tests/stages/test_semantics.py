"""Semantics and encode: the composed text, the choice of subcategories, and real runs with the packaged encoder."""

import csv
import json
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import polars as pl
import pyarrow as pa
import pytest
from tiny_dataset import read

from semacdr.errors import UserError
from semacdr.semantics.encoder_engine import compose
from semacdr.semantics.filing import calibrated, choose
from semacdr.semantics.text_encoder import PACKAGED, TextEncoder
from semacdr.stages import encode, semantics
from semacdr.stages.taxonomy import read_taxonomy
from semacdr.storage import tables
from semacdr.training.inputs import load_semantics, load_text

ROOT = Path(__file__).parents[2]
TAXONOMY = ROOT / "resources/taxonomies/movie_book.json"
META = {"release": "handmade", "scenario": "movie_book"}
EMPTY = {"title": "", "brand": "", "categories": [], "description": "", "domain": "film"}


@pytest.mark.parametrize(
    ("item", "text"),
    [
        (
            {"title": "Emma", "brand": "Austen", "categories": ["Books", "Classics"], "description": "A match."},
            "Emma. by Austen. Books, Classics. A match",
        ),
        ({}, "untitled film"),
        ({"title": "Emma"}, "Emma"),
        ({"title": "What?", "description": "Who knows..."}, "What?. Who knows"),
        ({"brand": "Austen", "categories": ["Books"]}, "untitled film. by Austen. Books"),
        ({"title": "Emma", "description": "..."}, "Emma"),
    ],
)
def test_compose(item, text):
    assert compose(EMPTY | item, 1000) == text


def test_a_long_text_ends_at_a_word_within_the_limit():
    item = EMPTY | {"title": "Emma", "description": "handsome clever and rich"}
    assert compose(item, 30) == "Emma. handsome clever and rich"
    assert compose(item, 29) == compose(item, 27) == "Emma. handsome clever and…"
    assert compose(item, 24) == "Emma. handsome clever…"
    for limit in range(1, 31):
        assert len(compose(item, limit)) <= limit
        assert len(compose(EMPTY | {"title": "x" * 50}, limit)) == limit


def test_calibrated_takes_off_each_option_s_mean_in_the_domain():
    given = np.array([[1, 0.8], [0, 0.6], [0.6, 0.96]], np.float32)
    scores = calibrated(given, groups=np.array(["a", "a", "b"]))
    np.testing.assert_allclose(scores, [[0.5, 0.1], [-0.5, -0.1], [0, 0]], atol=1e-6)
    assert given[0, 0] == 1 and scores.dtype == np.float32  # the given scores are unchanged


def test_choose_takes_the_best_and_near_ones_up_to_the_maximum():
    scores = np.array([[0.5, 0.48, 0.46, 0.1], [0.1, 0.2, 0.5, 0.4], [-0.3, -0.1, -0.12, -0.2]])
    assert choose(scores, 2, 0.05) == ([0, 0, 1, 2, 2], [0, 1, 2, 1, 2])
    assert choose(scores, 3, 0.05) == ([0, 0, 0, 1, 2, 2], [0, 1, 2, 2, 1, 2])
    assert choose(scores, 1, 0.5) == ([0, 1, 2], [0, 2, 1])
    assert choose(scores, 2, 0.2) == ([0, 0, 1, 1, 2, 2], [0, 1, 2, 3, 1, 2])  # the best first, whatever its position
    assert choose(scores, 4, 0) == ([0, 1, 2], [0, 2, 1])
    assert choose(np.zeros((1, 4)), 2, 0.03) == ([0, 0], [0, 1])  # ties go by position


# Real runs with the packaged encoder, on the embedded sample's catalogue: its genres are known


def works(domain, count):
    """Works spread evenly over the years."""
    with (ROOT / f"resources/sample/{domain}s.tsv").open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE))
    return rows[:: len(rows) // count][:count]


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """Semantics and encode on 60 works without their genres, and one item without any text."""
    chosen = [("book", work) for work in works("book", 30)] + [("film", work) for work in works("film", 30)]
    rows = [
        {"item": item, "item_id": f"X{item}", "domain": domain, "title": work["title"], "brand": work["creator"],
         "categories": [], "description": work["description"]}
        for item, (domain, work) in enumerate(chosen)
    ]  # fmt: skip
    rows.append(EMPTY | {"item": len(rows), "item_id": "none"})
    folder = tmp_path_factory.mktemp("semantics")
    both_stages(rows, TAXONOMY, folder)
    return SimpleNamespace(folder=folder, works=[work for _, work in chosen], items=rows)


def both_stages(rows, taxonomy, folder, *options):
    tables.write(pa.Table.from_pylist(rows), folder / "items.parquet", "items", META)
    argv = ["--items", f"{folder}/items.parquet", "--taxonomy", str(taxonomy), "--output", str(folder)]
    semantics.main([*argv, "--threads", "1", *options])
    encode.main(["--inner", f"{folder}/inner.parquet", "--output", f"{folder}/embeddings.parquet", "--threads", "1"])


@pytest.fixture(scope="module")
def agnostic(run):
    return read(run.folder / "agnostic.parquet", "agnostic")


def test_every_item_has_a_text_and_says_where_it_is_from(run):
    inner = read(run.folder / "inner.parquet", "inner")
    assert inner["item"].to_list() == list(range(len(run.items)))
    assert inner["text"].to_list() == [compose(item, 1000) for item in run.items]
    assert inner["provenance"].unique().to_list() == [f"engine=encoder model={PACKAGED} text=composed"]
    header, *rows = (line.split("\t") for line in (run.folder / "semantics.tsv").read_text().splitlines())
    assert header == ["step", "result", "items", "release"]
    assert rows[0] == ["describe", "composed", str(len(run.items)), "handmade"]
    assert {row[3] for row in rows} == {"handmade"}
    assert json.loads((run.folder / "cost.json").read_text()) == {"engine": "encoder", "model": PACKAGED}


def test_every_item_has_one_or_two_subcategories_in_every_category(run, agnostic):
    taxonomy = {category.name: {name for name, _ in category.subcategories} for category in read_taxonomy(TAXONOMY)}
    counts = agnostic.group_by("item", "category").len()
    assert counts.height == len(run.items) * len(taxonomy)
    assert counts["len"].min() == 1 and counts["len"].max() == 2
    assert set(agnostic["category"]) == taxonomy.keys()
    assert all(name in taxonomy[category] for category, name in agnostic.select("category", "subcategory").rows())
    rows = agnostic.select("item", "category", "subcategory").rows()
    assert [row[:2] for row in rows] == sorted(row[:2] for row in rows)
    assert len(set(rows)) == len(rows)
    assert agnostic["provenance"].unique().to_list() == [f"engine=encoder model={PACKAGED}"]
    assert META.items() <= tables.read(run.folder / "agnostic.parquet", "agnostic")[1].items()


def genres(agnostic, item):
    chosen = agnostic.filter((pl.col("item") == item) & (pl.col("category") == "Genre"))
    return set(chosen["subcategory"].str.to_lowercase())


def test_assigned_genres_are_true_ones_far_above_chance(run, agnostic):
    """An item counts if one of its assigned genres is a true one; chance assigns the same number at random."""
    hits, chance, options = [], [], 16
    for item, work in enumerate(run.works):
        true, assigned = set(work["genres"].split("|")), genres(agnostic, item)
        hits.append(bool(true & assigned))
        missed = np.prod([(options - len(true) - k) / (options - k) for k in range(len(assigned))])
        chance.append(1 - missed)
    assert np.mean(chance) < 0.3
    assert np.mean(hits) > 2 * np.mean(chance)


def test_plain_cases_are_filed_where_they_belong_and_twice_with_the_same_bytes(tmp_path):
    texts = {
        "Starship to Mars": "A space crew flies a starship to a distant planet and meets aliens and robots.",
        "The Vicar's Rose Garden": "A quiet love story of a widow and a gardener in an English village.",
        "Trench Letters": "Soldiers write home from the trenches of the First World War.",
        "The Clown at the Wedding": "A hilarious farce of mistaken brides and a drunken clown.",
        "Murder in Room Nine": "A detective questions the hotel's guests to find the killer.",
        "Gunsmoke Canyon": "A sheriff and outlaws on the American frontier draw their guns.",
    }
    rows = [
        EMPTY | {"item": item, "item_id": title, "domain": domain, "title": title, "description": text}
        for item, (domain, (title, text)) in enumerate((d, pair) for d in ("book", "film") for pair in texts.items())
    ]
    categories = json.loads(TAXONOMY.read_text())["categories"]
    (tmp_path / "genres.json").write_text(json.dumps({"categories": categories[:1]}))
    for name in ("one", "two"):
        both_stages(rows, tmp_path / "genres.json", tmp_path / name, "--max-subcategories", "1")
    filed = read(tmp_path / "one/agnostic.parquet", "agnostic")
    assert filed["item"].to_list() == list(range(12))
    assert filed["subcategory"].to_list() == 2 * ["Science fiction", "Romance", "War", "Comedy", "Mystery", "Western"]
    for name in ("inner", "agnostic", "embeddings"):
        assert (tmp_path / f"one/{name}.parquet").read_bytes() == (tmp_path / f"two/{name}.parquet").read_bytes()


@pytest.mark.parametrize("text", [None, {"categories": ["Drama"]}])
def test_items_without_any_text_stop_the_stage_and_one_text_is_enough(tmp_path, text):
    rows = [{"item": item, "item_id": f"i{item}", **EMPTY} for item in range(3)]
    rows[2] |= text or {}
    tables.write(pa.Table.from_pylist(rows), tmp_path / "items.parquet", "items", META)
    args = semantics.arguments([
        "--items", str(tmp_path / "items.parquet"), "--taxonomy", str(TAXONOMY), "--output", str(tmp_path)
    ])  # fmt: skip
    if text:
        assert len(semantics.read_inputs(args)[0]) == 3
        return
    with pytest.raises(UserError, match=r"items\.parquet: no item has a text .* set `train: {texts: false}`"):
        semantics.read_inputs(args)


def test_vectors_are_unit_and_in_item_order_and_those_of_each_text_alone(run):
    frame, meta = tables.read(run.folder / "embeddings.parquet", "embeddings")
    assert frame.schema.field("vector").type == pa.list_(pa.float32(), 384)
    assert META.items() | {("encoder", PACKAGED)} <= meta.items()
    vectors = load_text(run.folder / "embeddings.parquet", len(run.items)).numpy()
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-6)
    encoder, texts = TextEncoder(threads=1), read(run.folder / "inner.parquet", "inner")["text"].to_list()
    by_length = sorted(range(len(texts)), key=lambda item: len(texts[item]))
    for item in (0, 40, len(texts) - 1, by_length[len(texts) // 2], by_length[-1]):
        np.testing.assert_allclose(encoder.encode([texts[item]])[0], vectors[item], atol=1e-5)
    assert np.abs(vectors @ vectors.T - np.eye(len(vectors))).max() < 0.95  # no two texts share a vector


def test_texts_that_semantics_encoded_are_not_encoded_again(run, tmp_path, monkeypatch):
    whole = (run.folder / "embeddings.parquet").read_bytes()
    given = ["--inner", f"{run.folder}/inner.parquet", "--encoded", f"{run.folder}/encoded.parquet", "--threads", "1"]
    encode.main(
        [*given, "--batch-size", "32", "--output", f"{tmp_path}/other.parquet"]
    )  # another batch size: encoded again
    other = load_text(tmp_path / "other.parquet", len(run.items)).numpy()
    np.testing.assert_allclose(other, load_text(run.folder / "embeddings.parquet", len(run.items)).numpy(), atol=1e-5)
    monkeypatch.setattr(encode, "TextEncoder", None)
    encode.main([*given, "--output", f"{tmp_path}/taken.parquet"])
    assert (tmp_path / "taken.parquet").read_bytes() == whole
    with pytest.raises(TypeError):  # it would call the encoder
        encode.main([*given, "--encoder", "another", "--output", f"{tmp_path}/none.parquet"])
    inner, meta = tables.read(run.folder / "inner.parquet", "inner")
    texts = ["another text", *inner["text"].to_pylist()[1:]]  # edited: the same number of texts, but not the same
    tables.write(inner.set_column(1, "text", pa.array(texts)), tmp_path / "inner.parquet", "inner", meta)
    given[1] = f"{tmp_path}/inner.parquet"
    with pytest.raises(TypeError):
        encode.main([*given, "--output", f"{tmp_path}/none.parquet"])


def test_equal_texts_in_any_order_have_equal_vectors():
    one, other, again = TextEncoder(batch_size=2, threads=1).encode(
        ["a cat", "the sea at night, long and dark", "a cat"]
    )
    assert np.array_equal(one, again)
    assert not np.array_equal(one, other)


def test_an_encoder_that_is_not_there_is_named(tmp_path, monkeypatch):
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    with pytest.raises(UserError, match=f"text encoder '{tmp_path}/none' cannot be loaded: .*\n?.*Give a folder"):
        TextEncoder(f"{tmp_path}/none")


# How training reads the tables


def test_membership_sums_to_one_in_each_category(run, agnostic):
    loaded = load_semantics(run.folder / "agnostic.parquet", len(run.items))
    assert len(loaded.sizes) == 5
    for block in loaded.membership.split(loaded.sizes, dim=1):
        np.testing.assert_allclose(block.sum(1).numpy(), 1)
        assert (block[:, 0] == 0).all()  # nothing is unknown
    assert (loaded.membership > 0).sum() == agnostic.height


def assignments(tmp_path, *rows):
    names = ["item", "category", "subcategory", "provenance"]
    table = pa.table({name: [(*row, "")[place] for row in rows] for place, name in enumerate(names)})
    tables.write(table, tmp_path / "agnostic.parquet", "agnostic", META)
    return tmp_path / "agnostic.parquet"


def test_membership_by_hand_with_unknown_where_none(tmp_path):
    path = assignments(tmp_path, (0, "Mood", "wry"), (0, "Mood", "bleak"), (2, "Mood", "wry"), (1, "Genre", "war"))
    loaded = load_semantics(path, 4)
    assert loaded.sizes == (2, 3)
    assert loaded.membership.tolist() == [
        [1, 0, 0, 0.5, 0.5],  # Genre: unknown, war; Mood: unknown, bleak, wry
        [0, 1, 1, 0, 0],
        [1, 0, 0, 0, 1],
        [1, 0, 1, 0, 0],
    ]


def test_tables_of_another_scenario_are_refused(run, tmp_path):
    with pytest.raises(UserError, match=r"agnostic\.parquet: assigns item 4, the scenario has 4 items; run semantics"):
        load_semantics(assignments(tmp_path, (0, "Mood", "wry"), (4, "Mood", "wry")), 4)
    with pytest.raises(UserError, match=r"agnostic\.parquet: contains no assignment; run semantics again"):
        load_semantics(assignments(tmp_path), 4)
    with pytest.raises(UserError, match=r"embeddings\.parquet: its items are not the scenario's 4 items in order"):
        load_text(run.folder / "embeddings.parquet", 4)

"""The page's section on item descriptions and categories, and the cost of answers."""

import json

import pyarrow as pa
import pytest
from page_world import CATEGORIES

from semacdr.errors import UserError
from semacdr.reporting.page import item_semantics, record
from semacdr.storage import tables


def test_the_cost_of_answers():
    cost = {"engine": "llm", "model": "m", "answers": 3, "prompt_tokens": 1200, "completion_tokens": 30}
    assert (
        record.llm_cost(cost | {"dollars": 0.5})
        == "3 answers of m for describing and classifying the items: 1,200 prompt tokens, 30 completion tokens, $0.5000"
    )
    assert "no price is set" in record.llm_cost(cost | {"dollars": None})
    assert "no language model was used" in record.llm_cost({"engine": "encoder", "model": "e"})
    made = {"model": "t", "answers": 2, "prompt_tokens": 7, "completion_tokens": 5, "dollars": 0.25}
    spent = "2 answers of t for the categories: 7 prompt tokens, 5 completion tokens, $0.2500"
    assert record.llm_cost({"engine": "encoder", "model": "e"}, made) == spent
    assert record.llm_cost(cost | {"dollars": 0.5}, made).startswith(f"{spent}; and 3 answers of m")


def test_categories_and_examples_of_the_items(world, catalogue):
    names = ("taxonomy.json", "inner.parquet", "semantics.tsv", "asked.json")
    found = item_semantics.read_item_semantics(catalogue, *(world.folder / name for name in names), 2, 0)
    assert [category.name for category in found.categories] == list(CATEGORIES)
    drama = found.categories[0].subcategories[0]
    assert drama[0] == "Drama" and drama[2] == [(4, 4 / 12), (4, 4 / 12)]  # every third of 12 books and 12 films
    assert [example.item.domain for example in found.examples] == ["book", "book", "film", "film", "book"]
    assert found.examples[-1].item.item == 9 and found.fallen == 1
    assert found.examples[-1].origin.endswith("the language model's answer was rejected: too long")
    assert found.examples[0].origin == "written by the language model, attempt 2"
    assert found.steps == [("describe", ["23", "1"])]


def test_of_a_share_the_page_says_how_well_the_rest_was_learned_and_no_text_fell_back(world, catalogue, tmp_path):
    """Two learned categories: 6 of 10 and 8 of 10 held-out answers; nine texts of items that were not asked."""
    lines = [
        "describe\tattempt 1\t15",
        "describe\tnot asked\t9",
        "held out: Genre\tagrees\t6",
        "held out: Genre\tdiffers\t4",
    ]
    lines += ["held out: Mood\tagrees\t8", "held out: Mood\tdiffers\t2"]
    (tmp_path / "semantics.tsv").write_text("\n".join(["step\tresult\titems", *lines, ""]))
    inner, meta = tables.read(world.folder / "inner.parquet", "inner")
    made = ["engine=llm model=m attempt=1"] * 15 + ["engine=encoder model=e text=composed because=not asked"] * 9
    inner = inner.set_column(2, "provenance", pa.array(made))
    tables.write(inner, tmp_path / "inner.parquet", "inner", meta)
    cost = json.loads((world.folder / "asked.json").read_text()) | {"share": 0.6, "asked_items": 15}
    (tmp_path / "asked.json").write_text(json.dumps(cost))
    others = (tmp_path / "semantics.tsv", tmp_path / "asked.json")
    found = item_semantics.read_item_semantics(
        catalogue, world.folder / "taxonomy.json", tmp_path / "inner.parquet", *others, 2, 0
    )
    assert found.agreement == pytest.approx(0.7) and (found.asked, found.fallen) == (15, 0)
    origins = {example.item.item: example.origin for example in found.examples}
    assert all(words.endswith("was not asked") == (item >= 15) for item, words in origins.items())
    assert any(item >= 15 for item in origins)


def test_a_cost_that_cannot_be_read_is_refused(tmp_path):
    (tmp_path / "cost.json").write_text("{")
    with pytest.raises(UserError, match=r"cost\.json: cannot be read.*run the semantics stage again"):
        item_semantics.read_cost(tmp_path / "cost.json")


@pytest.mark.parametrize(
    ("text", "shown"), [("Pan. by A. B", "Pan. by A. B."), ("It ends.", "It ends."), ("cut at…", "cut at…"), ("", "")]
)
def test_a_composed_text_ends_with_a_full_stop(text, shown):
    assert item_semantics.with_full_stop(text) == shown


def test_texts_that_were_replaced_by_hand_are_counted(world, catalogue, tmp_path):
    table, meta = tables.read(world.folder / "inner.parquet", "inner")
    made = table["provenance"].to_pylist()
    made[:2] = [f"{made[0]} corrected=by_hand"] * 2
    tables.write(table.set_column(2, "provenance", [made]), tmp_path / "inner.parquet", "inner", meta)
    others = [world.folder / name for name in ("semantics.tsv", "asked.json")]
    for inner, count in ((world.folder / "inner.parquet", 0), (tmp_path / "inner.parquet", 2)):
        found = item_semantics.read_item_semantics(catalogue, world.folder / "taxonomy.json", inner, *others, 2, 0)
        assert found.replaced == count

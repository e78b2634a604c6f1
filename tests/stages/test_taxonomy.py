"""Taxonomies: the shipped ones, and the errors for unusable ones."""

import json
import re
from pathlib import Path

import pytest
from tiny_dataset import encoded

from semacdr.errors import UserError
from semacdr.stages import taxonomy
from semacdr.stages.taxonomy import Category, read_taxonomy

SHIPPED = sorted((Path(__file__).parents[2] / "resources/taxonomies").glob("*.json"))
TWO = [{"name": "a", "description": "first"}, {"name": "b"}]
SOUND = {"categories": [{"name": "Mood", "question": "Which?", "subcategories": TWO}]}


def category(**changed):
    return {"categories": [{**SOUND["categories"][0], **changed}]}


def test_a_taxonomy_is_read_as_it_stands(tmp_path):
    (tmp_path / "t.json").write_text(json.dumps(SOUND))
    assert read_taxonomy(tmp_path / "t.json") == [Category("Mood", "Which?", (("a", "first"), ("b", "")))]


def test_there_are_taxonomies_of_the_scenarios():
    assert [path.stem for path in SHIPPED] == ["art_office", "cd_movie", "kitchen_food", "movie_book"]


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.stem)
def test_shipped_taxonomies_are_sound(path):
    categories = read_taxonomy(path)
    assert 4 <= len(categories) <= 8
    assert json.loads(path.read_text())["scenario"] == path.stem
    for one in categories:
        assert one.question.endswith("?")
        assert 5 <= len(one.subcategories) <= 20
        assert all(10 <= len(text) <= 200 for _, text in one.subcategories)
        assert len({text for _, text in one.subcategories}) == len(one.subcategories)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("{\n  'categories': []}", "line 2: not JSON: Expecting property name"),
        ({}, "needs categories .*missing: 'categories'"),
        ([], "needs categories with name and subcategories with name"),
        ({"categories": ["Mood"]}, "needs categories with name and subcategories with name"),
        ({"categories": [{"subcategories": TWO}]}, "needs categories .*missing: 'name'"),
        ({"categories": [{"name": "Mood"}]}, "needs categories .*missing: 'subcategories'"),
        ({"categories": []}, "fewer than 1 entries: category"),
        (category(subcategories=TWO[:1]), "fewer than 2 entries: subcategory of 'Mood'"),
        (category(subcategories=[*TWO, TWO[0]]), "'a' occurs twice: subcategory of 'Mood'"),
        ({"categories": SOUND["categories"] * 2}, "'Mood' occurs twice: category"),
        (category(name=" "), "the name of a category is ' ', not a text"),
        (category(subcategories=[*TWO, {"name": 3}]), "the name of a subcategory of 'Mood' is 3, not a text"),
        (category(subcategories=[*TWO, {"name": "c", "description": 3}]), "the description of 'c' is 3, not a text"),
        (b'{"categories": "\xe9"}', "not UTF-8: .* 0xe9"),
    ],
)
def test_an_error_names_the_file_and_what_is_wrong(tmp_path, content, message):
    path = tmp_path / "t.json"
    path.write_bytes(encoded(content))
    with pytest.raises(UserError, match=f"^{re.escape(str(path))}: {message}"):
        read_taxonomy(path)


def test_a_missing_file_and_a_folder_are_named(tmp_path):
    with pytest.raises(UserError, match=r"none\.json: no such taxonomy"):
        read_taxonomy(tmp_path / "none.json")
    with pytest.raises(UserError, match=f"{tmp_path}: cannot be read: Is a directory"):
        read_taxonomy(tmp_path)


def test_the_stage_hands_on_the_bytes_of_the_file(tmp_path):
    text = json.dumps(SOUND | {"remark": "für später"}, ensure_ascii=False, indent=1) + "\n\n"
    (tmp_path / "t.json").write_text(text, encoding="utf-8")
    taxonomy.main(["--taxonomy", str(tmp_path / "t.json"), "--output", str(tmp_path / "new/taxonomy.json")])
    assert (tmp_path / "new/taxonomy.json").read_bytes() == text.encode()

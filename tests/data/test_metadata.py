"""Metadata files of the three releases: literals are parsed and never evaluated, odd texts become one clean line."""

import json
import sys
import tempfile
from pathlib import Path

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from tiny_dataset import write_gz

from semacdr.data.metadata import SCHEMA, clean, read_metadata
from semacdr.errors import UserError

EMPTY = {"title": "", "brand": "", "categories": [], "description": ""}


def read(tmp_path, *lines, wanted=("B1",)):
    frame, tally = read_metadata(write_gz(tmp_path / "meta.json.gz", *lines), wanted)
    assert frame.schema == SCHEMA
    return frame.to_dicts(), tally


def the_row(tmp_path, *lines):
    (row,), tally = read(tmp_path, *lines)
    assert not tally.malformed
    return row


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        (
            "{'asin': 'B1', 'title': 'Plain', 'price': 2.5, 'related': {'also_bought': ['B2', 'B3']}, "
            "'categories': [['Books', 'Mystery'], ['Books', 'Crime']]}",
            {"title": "Plain", "categories": ["Books", "Mystery", "Crime"]},
        ),
        (
            """{'asin': 'B1', 'title': "It's a Dog's Life", 'description': 'A "true" story, it\\'s said.'}""",
            {"title": "It's a Dog's Life", "description": 'A "true" story, it\'s said.'},
        ),
        (
            "{'asin': 'B1', 'title': 'Am\\xe9lie \\u2013 \U0001f4da', 'brand': 'Dvořák &amp; S&oslash;n', "
            "'description': 'Tom &lt;3 Ann &#39;s'}",
            {"title": "Amélie – 📚", "brand": "Dvořák & Søn", "description": "Tom <3 Ann 's"},
        ),
        ("{'title': None, 'asin': 'B1', 'salesRank': {}, 'imUrl': 'http://x/y.jpg'}", {}),
    ],
    ids=["nested", "quotes", "unicode", "nothing"],
)
def test_python_literals_of_2014(tmp_path, line, expected):
    assert the_row(tmp_path, line) == EMPTY | {"item_id": "B1"} | expected


def test_json_of_2018(tmp_path):
    line = {
        "category": ["Grocery &amp; Gourmet Food", "Tea", "Tea"],
        "description": ["Loose <b>leaf</b>\n tea.", "", "From Assam."],
        "title": "Tea,  black",
        "also_buy": ["B2"],
        "brand": "Leaf\tCo",
        "asin": "B1",
        "similar_item": None,
        "details": {"Shipping": True},
    }
    assert the_row(tmp_path, line) == {
        "item_id": "B1",
        "title": "Tea, black",
        "brand": "Leaf Co",
        "categories": ["Grocery & Gourmet Food", "Tea"],
        "description": "Loose leaf tea. From Assam.",
    }


def test_json_of_2023_is_keyed_by_the_parent_and_branded_by_the_store(tmp_path):
    line = {
        "main_category": "Books",
        "title": "Emma",
        "features": [],
        "description": ["A novel."],
        "price": None,
        "store": "Jane Austen (Author)",
        "categories": ["Books", "Classics"],
        "details": {"ASIN": "B9", "Pages": "474"},
        "parent_asin": "B1",
        "bought_together": None,
    }
    row = the_row(tmp_path, line)
    assert (row["item_id"], row["brand"], row["categories"]) == ("B1", "Jane Austen (Author)", ["Books", "Classics"])
    assert read(tmp_path, line, wanted=["B9"])[0] == []


def test_a_line_is_never_evaluated(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    lines = [
        "{'asin': __import__('os').system('touch X'), 'title': 'B1'}",
        "{'asin': 'B1', 'title': __import__('pathlib').Path('X').touch()}",
        "{'asin': 'B1', 'title': open('X', 'w').name}",
        "[print('B1') for _ in open('X', 'w')]",
    ]
    rows, tally = read(tmp_path, *lines)
    assert rows == []
    assert tally.malformed == {"neither JSON nor a Python literal": 4}
    assert not (tmp_path / "X").exists()


@pytest.mark.parametrize(
    ("line", "kind"),
    [
        (b"", "blank"),
        ("asin B1", "neither JSON nor a Python literal"),
        ("{'asin': 'B1'", "neither JSON nor a Python literal"),
        ("{'asin': 'B1', {}: 1, []: 2}", "neither JSON nor a Python literal"),
        ("{'asin': 'B1', 'price': " + "9" * 5000 + "}", "neither JSON nor a Python literal"),
        ("{'asin': 'B1', 'title': '\x00'}", "neither JSON nor a Python literal"),
        ("['asin', 'B1']", "not an object"),
        ({"title": "no key"}, "no item"),
        ({"asin": ""}, "no item"),
        ({"asin": 5}, "no item"),
        (b"{'asin': 'B1', 'title': 'Ren\xe9'}", "not UTF-8"),
    ],
)
def test_each_kind_of_malformed_line_is_counted_and_its_first_is_reported(tmp_path, line, kind):
    rows, tally = read(tmp_path, {"asin": "B1"}, line, line)
    assert [row["item_id"] for row in rows] == ["B1"]
    assert (tally.lines, tally.malformed) == (3, {kind: 2})
    assert tally.firsts[kind].startswith(f"line 2: {kind}: ")


@pytest.mark.parametrize("depth", [900, 100_000])
@pytest.mark.parametrize("opening", ['{"asin": "B1", "categories": ', "{'asin': 'B1', 'categories': "], ids="jp")
def test_deep_nesting_is_malformed_and_no_crash(tmp_path, opening, depth):
    deep = opening + "[" * depth + "]" * depth + "}"
    rows, tally = read(tmp_path, deep, "-" * 100_000 + "1", {"asin": "B1", "title": "Next"})
    assert [row["title"] for row in rows] == ["Next"]
    assert tally.malformed.total() == 2 or (depth == 900 and sys.version_info >= (3, 12))  # which parses that depth


def test_unwanted_items_are_skipped_unparsed(tmp_path):
    lines = ["{'asin': 'B2', broken", "{'asin': 'B1', 'title': 'Wanted'}", "{'title': 'Last', 'asin': 'B3'}"]
    rows, tally = read(tmp_path, *lines)
    assert [row["title"] for row in rows] == ["Wanted"]
    assert (tally.lines, tally.malformed.total()) == (3, 0)
    assert read(tmp_path, *lines, wanted=[])[0] == []


IDS = ["歌S-00001", "pod/1", "O'Brien's", 'the "best"', "back\\slash", "tab\tid", "é", "🎧-1", "plain", "<b>&amp;</b>"]
WRITERS = {
    "json": json.dumps,
    "json in UTF-8": lambda line: json.dumps(line, ensure_ascii=False),
    "json without spaces": lambda line: json.dumps(line, separators=(",", ":")),
    "json with escaped slashes": lambda line: json.dumps(line).replace("/", "\\/"),
    "json with spaces before colons": lambda line: json.dumps(line, separators=(" , ", " : ")),
    "literal": repr,
    "literal in ASCII": ascii,
}


@pytest.mark.parametrize("write", WRITERS.values(), ids=WRITERS)
@pytest.mark.parametrize("key", ["asin", "parent_asin"])
def test_every_id_is_found_however_it_is_written(tmp_path, write, key):
    """U1: ids with escapes, or with an apostrophe, were compared as raw bytes and lost."""
    lines = [write({key: item, "title": f"Title {place}"}) for place, item in enumerate(IDS)]
    rows, tally = read(tmp_path, *lines, wanted=IDS)
    assert {row["item_id"]: row["title"] for row in rows} == {item: f"Title {n}" for n, item in enumerate(IDS)}
    assert not tally.malformed
    assert read(tmp_path, *lines, wanted=["other"])[0] == []


@given(st.text(min_size=1), st.sampled_from(sorted(WRITERS)))
def test_any_id_is_found_however_it_is_written(item, writer):
    assume(item.isprintable())
    with tempfile.TemporaryDirectory() as folder:
        path = write_gz(Path(folder) / "meta.json.gz", WRITERS[writer]({"asin": item, "title": "T"}))
        assert read_metadata(path, [item])[0]["item_id"].to_list() == [item]


@pytest.mark.parametrize("empty", [{}, {"title": ""}, {"title": "var x = (new Date()).getTime();"}, {"title": " "}])
def test_of_two_lines_of_an_item_the_first_with_a_title_is_used(tmp_path, empty):
    untitled = {"asin": "B1", "brand": "Untitled"} | empty
    titled = {"asin": "B1", "title": "Titled"}
    for lines in ((untitled, titled), (titled, untitled), (untitled, titled, {"asin": "B1", "title": "Third"})):
        assert the_row(tmp_path, *lines) == EMPTY | {"item_id": "B1", "title": "Titled"}
    assert the_row(tmp_path, untitled, {"asin": "B1", "brand": "Second"})["brand"] == "Untitled"


def test_a_file_of_0_bytes_is_refused(tmp_path):
    (tmp_path / "meta.json.gz").touch()
    with pytest.raises(UserError, match=r"meta\.json\.gz: the file has 0 bytes, so it is not a gzip file"):
        read_metadata(tmp_path / "meta.json.gz", ["B1"])


def test_of_two_lines_of_an_item_the_first_stays(tmp_path):
    first, second = ({"asin": "B1", "title": title} for title in ("First", "Second"))
    assert the_row(tmp_path, first, {"asin": "B2"}, second)["title"] == "First"


@pytest.mark.parametrize("word", ["casino", "basin", "asin", "the 'asin': 'B2' of", '"asin": "B2"'])
@pytest.mark.parametrize("write", [repr, lambda line: line], ids=["literal", "json"])
def test_a_text_that_holds_the_name_of_the_key_hides_no_item(tmp_path, word, write):
    for line in ({"title": word, "asin": "B1"}, {"asin": "B1", "title": word}):
        assert the_row(tmp_path, write(line))["title"] == word
        assert read(tmp_path, write(line), wanted=["B2"])[0] == []


def test_a_script_in_place_of_a_title_is_no_title(tmp_path):
    script = "var aPageStart = (new Date()).getTime();\nvar ue_t0=ue_t0||+new Date();"
    assert the_row(tmp_path, {"asin": "B1", "title": script, "brand": "Kept"}) == EMPTY | {
        "item_id": "B1",
        "brand": "Kept",
    }


def test_a_huge_description_is_kept_whole(tmp_path):
    text = "word " * 20_000
    assert the_row(tmp_path, {"asin": "B1", "description": text})["description"] == text.strip()


@pytest.mark.parametrize(
    ("raw", "text"),
    [
        ("a\x00b\x07c\x1b[0m\x7f\x9fd", "a b c [0m d"),
        ("  two\r\n\tlines\u2028and\xa0more ", "two lines and more"),
        ("مرحبا بالعالم ‏— שלום", "مرحبا بالعالم ‏— שלום"),
        ("👩‍🚀 in space 🚀", "👩‍🚀 in space 🚀"),
        ("\ud83d\ude80 and half \ud83d.", "🚀 and half �."),
        ("<p class='x'>Fine<br/>print</p><!-- no -->", "Fine print"),
        ("3 < 5 and 7 > 2, <3", "3 < 5 and 7 > 2, <3"),
        ("&lt;b&gt;Bold&lt;/b&gt; &amp; plain", "Bold & plain"),
        (["one", ["two", 3, None]], "one two"),
        (None, ""),
        (12, ""),
    ],
)
def test_clean(raw, text):
    assert clean(raw) == text


def test_half_a_surrogate_pair_in_a_literal_does_not_stop_the_table(tmp_path):
    row = the_row(tmp_path, r"{'asin': 'B1', 'title': 'x\ud83d', 'categories': [['\ude00y']]}")
    assert (row["title"], row["categories"]) == ("x�", ["�y"])


def test_a_broken_file_is_named(tmp_path):
    (tmp_path / "meta.json.gz").write_bytes(b"{'asin': 'B1'}")
    with pytest.raises(UserError, match=r"meta\.json\.gz: not a sound gzip file"):
        read_metadata(tmp_path / "meta.json.gz", ["B1"])

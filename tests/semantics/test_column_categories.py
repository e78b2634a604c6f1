"""Shared categories from columns: which values become one subcategory, what is warned about, how items are filed."""

import json
from collections import Counter, defaultdict

import pytest
from hypothesis import given
from hypothesis import strategies as st

from semacdr.errors import UserError
from semacdr.semantics.categories import folded, read_taxonomy
from semacdr.semantics.column_categories import column_categories, file_by_columns
from semacdr.semantics.column_settings import check_columns

COLUMNS = {"song.genre": "genre", "podcast.topic": "genre"}
MAP = {"genre": {"Hip Hop": "hip-hop", "rap": "hip-hop", "n/a": None}}
ROWS = [
    (0, ("song", "genre", "Hip Hop")),
    (1, ("song", "genre", " rock ")),
    (2, ("song", "genre", "Rock")),
    (3, ("song", "genre", "Rock")),
    (3, ("song", "genre", "folk")),
    (3, ("song", "year", "1999")),
    (4, ("song", "genre", "N/A")),
    (5, ("podcast", "topic", "RAP")),
    (6, ("podcast", "topic", "hip-hop")),
    (6, ("podcast", "topic", "ROCK")),
    (7, ("podcast", "topic", "news")),
    (7, ("podcast", "genre", "folk")),  # another column of that name, which is not asked for
]


def made(rows=ROWS, columns=COLUMNS, maps=MAP, fewest=1):
    return column_categories(rows, columns, maps, fewest)


def test_values_are_joined_by_map_and_spelling_and_counted_by_domain():
    (genre,), warnings = made()
    assert genre.items == {
        "folk": Counter(song=1), "hip-hop": Counter(song=1, podcast=2), "news": Counter(podcast=1),
        "Rock": Counter(song=3, podcast=1),  # the spelling that most items have
    }  # fmt: skip
    assert genre.shared == ["hip-hop", "Rock"]
    assert genre.values["hip-hop"] == {"song.genre": ["Hip Hop"], "podcast.topic": ["RAP", "hip-hop"]}
    assert warnings == [
        f"category genre: 1 of 4 values occur in {domain} only (1 items), so they transfer nothing; map them in "
        f"taxonomy.values.genre if they mean the same as others: '{name}'"
        for domain, name in (("podcast", "news"), ("song", "folk"))
    ]


def test_rare_values_become_other_and_other_comes_last():
    (genre,), warnings = made([*ROWS, (8, ("song", "genre", "other"))], fewest=2)
    assert list(genre.items) == ["hip-hop", "Rock", "Other"]
    assert genre.items["Other"] == Counter(song=2, podcast=1)
    assert warnings == ["category genre: 2 values with few items (taxonomy.min_value_items) are now Other"]


@pytest.mark.parametrize(
    ("maps", "columns", "warning"),
    [
        ({}, COLUMNS, "occur in song only"),
        ({"genre": {"Metal": "rock"}}, COLUMNS, "no item has these values of taxonomy.values: 'Metal'"),
        ({}, {"song.genre": "genre"}, "only domain song has a column, so it transfers nothing"),
        ({}, {"song.year": "genre", "podcast.topic": "genre"}, "the domains share no value, so it transfers nothing"),
    ],
)
def test_what_transfers_nothing_is_warned_about(maps, columns, warning):
    assert any(warning in text for text in made(maps=maps, columns=columns)[1])


@pytest.mark.parametrize(
    ("columns", "fewest", "message"),
    [
        ({"song.genres": "genre"}, 1, r"no item has a value in song.genres; did you mean 'song.genre'\?; the category"
         " columns with values are podcast.genre, podcast.topic, song.genre, song.year"),
        ({"song.year": "year"}, 1, "all items of song.year have the value '1999', so it distinguishes nothing"),
        (COLUMNS, 99, "have the value 'Other', so it distinguishes nothing; take another column, or lower"),
    ],
)  # fmt: skip
def test_columns_that_give_no_category_are_refused(columns, fewest, message):
    with pytest.raises(UserError, match=message):
        made(columns=columns, maps={}, fewest=fewest)


@pytest.mark.parametrize(
    ("columns", "maps", "message"),
    [
        ({}, {}, r"taxonomy\.columns: engine columns needs columns"),
        ({"songs.genre": "genre"}, {}, r"taxonomy\.columns\.songs\.genre: .* 'songs'; did you mean 'song'\?"),
        ({"song": "genre"}, {}, r"taxonomy\.columns\.song: must be domain\.column"),
        ({"song.genre": " "}, {}, "needs the name of a category"),
        (COLUMNS, {"gener": {}}, r"no category of taxonomy\.columns 'gener'; did you mean 'genre'\?"),
        (COLUMNS, {"genre": {"a": "x", "A": "y"}}, "is given twice, as 'x' and 'y'"),
        (COLUMNS, {"genre": {"a": ""}}, r"values\.genre\.a: needs the name of a subcategory"),
    ],
)
def test_wrong_settings_are_named(columns, maps, message):
    with pytest.raises(UserError, match=message):
        check_columns(columns, maps, ["song", "podcast"])


def as_read(category, folder):
    (folder / "t.json").write_text(json.dumps({"categories": [category.as_json()]}))
    return read_taxonomy(folder / "t.json")[0]


def test_items_are_filed_by_their_own_values_and_none_is_invented(tmp_path):
    filing = file_by_columns(as_read(made()[0][0], tmp_path), ROWS, 2)
    assert filing.rows == [
        (0, "hip-hop", "song.genre"), (1, "Rock", "song.genre"), (2, "Rock", "song.genre"),
        (3, "Rock", "song.genre"), (3, "folk", "song.genre"), (5, "hip-hop", "podcast.topic"),
        (6, "hip-hop", "podcast.topic"), (6, "Rock", "podcast.topic"), (7, "news", "podcast.topic"),
    ]  # fmt: skip
    assert (filing.cut, filing.lacking) == (0, 1)  # N/A says nothing
    filing = file_by_columns(as_read(made()[0][0], tmp_path), ROWS, 1)
    assert [row[:2] for row in filing.rows if row[0] in (3, 6)] == [(3, "Rock"), (6, "hip-hop")]
    assert filing.cut == 2


def test_a_value_of_two_subcategories_is_refused(tmp_path):
    category = made()[0][0].as_json()
    category["subcategories"][0]["values"] = {"song.genre": ["ROCK"]}
    (tmp_path / "t.json").write_text(json.dumps({"categories": [category]}))
    with pytest.raises(UserError, match=r"value 'Rock' of column song\.genre is of two subcategories of 'genre'"):
        read_taxonomy(tmp_path / "t.json")


@given(
    st.lists(st.tuples(st.integers(0, 9), st.sampled_from(["a", "A ", "b", "B", "c d", "C  D", "other"])), min_size=1),
    st.dictionaries(st.sampled_from(["a", "b", "c D"]), st.sampled_from(["x", "b", None])),
)
def test_every_value_goes_where_the_map_says_else_to_its_own_name(tmp_path_factory, pairs, given_map):
    """An oracle that looks up each value alone; even items are songs."""
    rows = [(item, ("song", "genre", value) if item % 2 else ("podcast", "topic", value)) for item, value in pairs]
    goals = {folded(value): goal for value, goal in given_map.items()}
    wanted = defaultdict(set)
    for item, value in pairs:
        goal = goals.get(folded(value), value)
        if goal is not None:
            wanted[item].add(folded(goal))
    columns = {name: name for name in COLUMNS}
    columns = {f"{d}.{c}": "genre" for _, (d, c, _) in rows}
    if len(set().union(*wanted.values(), set())) < 2:
        with pytest.raises(UserError, match="distinguishes nothing"):
            made(rows, columns, {"genre": given_map})
        return
    (genre,), _ = made(rows, columns, {"genre": given_map})
    filing = file_by_columns(as_read(genre, tmp_path_factory.mktemp("t")), rows, 99)
    found = defaultdict(set)
    for item, name, _ in filing.rows:
        found[item].add(folded(name))
    assert found == wanted
    assert sum(genre.items.values(), Counter()).total() == len(filing.rows)

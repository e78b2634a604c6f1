"""Rules for a taxonomy that a language model makes: equal names, names of domains, and numbers."""

import json
import re
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st
from induction_model import TONES, TOPICS, names, proposal

from semacdr.llm.requests import Answer
from semacdr.semantics.categories import Category
from semacdr.semantics.naming import OTHER, Rules, domain_names, parse_categories, same, with_other, words
from semacdr.semantics.trial import needed


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Movies", "movie"), ("Stories", "story"), ("Cookies", "Cookie"), ("Boxes", "box"), ("Classes", "class"),
        ("Children's", "childrens"), ("Love & marriage", "love and marriages"), ("Sci-Fi", "sci fi"), ("CDs", "cd"),
        ("Houses", "house"), ("Wishes", "wish"), ("TV", "tvs"),
    ],
)  # fmt: skip
def test_names_that_differ_in_case_plural_and_punctuation_are_the_same(one, other):
    assert same(one) == same(other)


@pytest.mark.parametrize(("one", "other"), [("War", "Wary"), ("Crime", "Crim"), ("Love", "Lover"), ("Gas", "Grass")])
def test_names_that_differ_are_not_the_same(one, other):
    assert same(one) != same(other)


def test_a_domain_s_own_names_are_its_name_and_the_parts_of_the_release_s():
    assert domain_names(["movie", "book"], ["Movies_and_TV", "Books"]) == ["movie", "book", "TV"]
    assert domain_names(["kitchen", "food"], ["Home_and_Kitchen", "Grocery_and_Gourmet_Food"]) == [
        "kitchen", "food", "Home", "Grocery", "Gourmet Food",
    ]  # fmt: skip
    rules = Rules(1, 1, 9, ("food", "Gourmet Food"))
    for name, fine in (("Gourmet", True), ("Gourmet foods", False), ("Food-lovers", False), ("Seafood", True)):
        assert (rules.fault([Category("Taste", "?", ((name, ""),))]) == "") is fine


@pytest.mark.parametrize("called", ["Other", "others", "OTHER.", "Other tones", "None of these", "Miscellaneous"])
def test_whatever_other_is_called_it_stands_once_and_last(called):
    category = Category("Tone", "?", ((called, "the rest"), ("Calm", ""), ("Other", "")))
    assert with_other(category).subcategories == (("Calm", ""), (OTHER, "the rest"))


def test_an_answer_is_tidied():
    raw = proposal((" mood\n", ["**calm**", "so‮tense."]))
    raw["categories"][0]["question"] = "What\nfeeling?"
    (category,), _ = parse_categories(Answer(text=json.dumps(raw)))
    assert (category.name, category.question) == ("Mood", "What feeling?")
    assert names(category) == ["Calm", "Sotense", OTHER]
    assert parse_categories(Answer(text="x", refusal="no")) == (None, "refused")
    assert parse_categories(Answer(text='{"categories": [{', finish="length")) == (
        None,
        "cut off at its limit of tokens",
    )


NAMES = st.text("ab s-&O", min_size=1, max_size=5) | st.sampled_from(["Other", "others", "Books", "A book", "War"])
CATEGORIES = st.lists(st.tuples(NAMES, st.lists(NAMES, max_size=5)), min_size=1, max_size=4)


@given(CATEGORIES, st.integers(1, 3), st.integers(0, 3))
def test_what_passes_the_rules_keeps_every_one_of_them(made, least, more):
    """An independent check of each name that the rules accept."""
    rules = Rules(len(made), least, least + more, ("book",))
    categories, why = rules.judge(Answer(text=json.dumps(proposal(*made))))
    assert (categories is None) == bool(why)
    for category in categories or []:
        own = names(category)
        assert own[-1] == OTHER and OTHER not in own[:-1]
        assert least <= len(own) - 1 <= least + more
    heads = [category.name for category in categories or []]
    below = [name for category in categories or [] for name in names(category)[:-1]]
    for some in (heads, below):
        assert len({same(name) for name in some}) == len(some)
        assert not any("book" in words(name) for name in some)


LETTERS = st.sampled_from("abcdef")


@given(st.lists(LETTERS, unique=True, min_size=1), st.sets(LETTERS), st.integers(1, 6))
def test_unused_subcategories_are_dropped_as_long_as_enough_are_left(listed, used, least):
    category = Category("Tone", "?", (*((name, "") for name in listed), (OTHER, "")))
    counts = Counter({("Tone", name, "book"): 1 for name in used})
    left = names(needed(category, counts, least, ["book", "film"]))
    assert left[-1] == OTHER and left[:-1] == [name for name in listed if name in left]
    assert set(listed) & used <= set(left)
    assert len(left) - 1 == max(len(set(listed) & used), min(least, len(listed)))


@pytest.mark.parametrize(
    ("bad", "why"),
    [
        (proposal(("Tone", ["Bookish", "Book lovers", "Calm"]), ("Topic", TOPICS)), "named after 'book'"),
        (proposal(("Films' tone", TONES), ("Topic", TOPICS)), "named after 'film'"),
        (proposal(("Tone", ["TV nights", "Calm"]), ("Topic", TOPICS)), "named after 'TV'"),
        (proposal(("Tone", ["Calm", "calms!"]), ("Topic", TOPICS)), "'Calms!' and 'Calm' are the same name"),
        (proposal(("Tone", TONES), ("tones", TOPICS)), "'Tones' and 'Tone' are the same name"),
        (proposal(("Tone", TONES), ("Topic", ["War", "Calm"])), "'Calm' and 'Calm' are the same name"),
        (proposal(("Tone", TONES)), "1 categories, not 2"),
        (proposal(("Tone", ["Calm", "Other"]), ("Topic", TOPICS)), "1 subcategories of 'Tone', not 2 to 6"),
        (proposal(("Tone", list("abcdefg")), ("Topic", TOPICS)), "7 subcategories of 'Tone'"),
        (proposal(("Tone", ["Calm, quiet", "Tense"]), ("Topic", TOPICS)), "'Calm, quiet' is no short name"),
        (proposal(("Tone", ["Calm" * 20, "Tense"]), ("Topic", TOPICS)), "is no short name"),
        (proposal(("Tone", ["?!", "Tense"]), ("Topic", TOPICS)), "is no short name"),
        ({"categories": []}, "no categories"),
        ({"categories": [{"name": "Tone"}]}, "off the schema: categories.0.question Field required"),
        ('{"categories": [', "off the schema: .* EOF"),
        ("", "empty"),
    ],
)
def test_an_answer_that_breaks_a_rule_is_not_taken(bad, why):
    text = bad if isinstance(bad, str) else json.dumps(bad)
    taken, said = Rules(2, 2, 6, ("book", "film", "TV")).judge(Answer(text=text))
    assert taken is None and re.search(why, said)

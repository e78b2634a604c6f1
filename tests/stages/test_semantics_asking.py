"""Semantics with engine llm, and encoders that fail: too many fallbacks, vectors that are not finite, no model hub."""

import json
import socket
import time

import numpy as np
import pyarrow as pa
import pytest
from fake_llm_server import Server
from llm_engines import KEY, ROOT, items, llm_flags

from semacdr.errors import UserError
from semacdr.semantics import encoder_engine, text_encoder
from semacdr.semantics.text_encoder import PACKAGED, TextEncoder
from semacdr.stages import encode, semantics
from semacdr.storage import tables
from semacdr.training.inputs import load_text

META = {"release": "handmade", "scenario": "movie_book"}
RUNNING = {"timeout": 1, "http_retries": 0, "retry_passes": 1, "concurrency": 4}


class ConstantEncoder:
    """An encoder that needs no model: equal vectors for all texts."""

    def __init__(self, **_):
        pass

    def encode(self, texts):
        return np.ones((len(texts), 4), np.float32) / 2


@pytest.fixture
def run(tmp_path, monkeypatch):
    """The stage with engine llm on ten items; returns the rows of agnostic.parquet."""
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    monkeypatch.setattr(encoder_engine, "TextEncoder", ConstantEncoder)
    tables.write(pa.Table.from_pylist(items(10)), tmp_path / "items.parquet", "items", META)

    def runner(url, method="structured", **llm):
        argv = ["--items", tmp_path / "items.parquet", "--taxonomy", ROOT / "resources/taxonomies/movie_book.json"]
        argv += ["--settings", json.dumps({"engine": "llm", "method": method, "llm": llm}), "--output", tmp_path]
        options = {"prompts": ROOT / "resources/prompts", "store": tmp_path / "answers.sqlite", "running": RUNNING}
        semantics.main(list(map(str, [*argv, *llm_flags(endpoint=url, **options)])))
        return tables.read(tmp_path / "agnostic.parquet", "agnostic")[0].to_pylist()

    return runner


def of_parts(kind, *parts):
    """A script by which all requests about some of the items fail."""
    return lambda key, asked: kind if any(f", part {part}\n" in key[0] for part in parts) else None


def test_more_items_without_a_good_answer_than_allowed_are_an_error_that_keeps_the_answers(run, tmp_path):
    with Server(of_parts("empty", 1, 2, 3)) as server:
        message = (
            r"describe: 3 of 10 items have no conforming answer, more than semantics\.llm\.max_fallback_share 0\.2; "
            r"the most frequent reason \(3 items\): too short"
        )
        with pytest.raises(UserError, match=message):
            run(server.url)
        assert not (tmp_path / "inner.parquet").exists()
        asked = server.asked.total()
        assert asked == 10 + 2 * 3  # filing is not requested
        rows = run(server.url, max_fallback_share=0.3)
        assert server.asked.total() == asked + 10 + 2 * 3 and not server.again
    by_encoder = {row["item"] for row in rows if row["provenance"].startswith("engine=encoder")}
    assert by_encoder == {1, 2, 3} and {row["item"] for row in rows} == set(range(10))


def test_refused_requests_count_as_fallbacks(run):
    with Server(of_parts("400", 1, 2, 3)) as server, pytest.raises(UserError, match=r"3 of 10 items .* prompt is too"):
        run(server.url)
    with Server(of_parts("400", 4)) as server:
        assert any("because=BadRequestError" in row["provenance"] for row in run(server.url, max_fallback_share=0.5))


def test_a_single_request_that_failed_on_the_way_ends_the_stage_with_an_error(run, tmp_path):
    with Server(of_parts("500", 7)) as server:
        with pytest.raises(UserError, match=r"1 of 10 answers are missing because their requests failed"):
            run(server.url, max_fallback_share=1)
        asked = server.asked.total()
    assert not (tmp_path / "inner.parquet").exists()
    with Server() as server:
        rows = run(server.url)
        assert server.asked.total() == 1 + 10 and asked == 10  # the missing description, and all filings
    assert all(row["provenance"].startswith("engine=llm") for row in rows)


def test_an_endpoint_that_is_down_is_an_error_however_few_the_items(run):
    with socket.socket() as gone:
        gone.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{gone.getsockname()[1]}/v1"
    with pytest.raises(UserError, match=r"10 of 10 answers are missing .*ConnectError"):
        run(url)


def test_letters_without_log_probabilities_fall_back_where_that_is_allowed(run):
    """An endpoint without log-probabilities: no answer to the letters has them."""
    with Server(lambda key, asked: "empty" if "\nA. " in key[0] else None) as server:
        with pytest.raises(UserError, match=r"file: Genre: 10 of 10 items .*: no log-probabilities"):
            run(server.url, "letters")
        rows = run(server.url, "letters", max_fallback_share=1)
    assert len({(row["item"], row["category"]) for row in rows}) == 50
    assert all(row["provenance"].endswith("because=no log-probabilities") for row in rows)


def test_tables_name_what_they_were_made_from_and_snippets_of_other_items_are_refused(run, tmp_path):
    with Server() as server:
        run(server.url)
    made_from = tables.read(tmp_path / "inner.parquet", "inner")[1]
    items_meta = tables.read(tmp_path / "items.parquet", "items")[1]
    assert made_from["made_from_items"] == items_meta["digest"] and len(made_from["made_from_taxonomy"]) == 16
    snippets = pa.table({"item": pa.array([1], pa.int32()), "text": ["Fine."]})
    tables.write(snippets, tmp_path / "snippets.parquet", "snippets", META | {"made_from_items": "another"})
    argv = ["--items", f"{tmp_path}/items.parquet", "--snippets", f"{tmp_path}/snippets.parquet"]
    argv += ["--taxonomy", f"{ROOT}/resources/taxonomies/movie_book.json", "--output", f"{tmp_path}/out"]
    with pytest.raises(UserError, match=r"snippets\.parquet: was made from another items table .* run stage snippets"):
        semantics.main(argv)


# Encoders


class BrokenModel:
    """A sentence-transformers model whose second text has no finite vector."""

    @property
    def width(self):
        return 3

    def encode(self, texts, **_):
        return np.array([[np.nan if text == "b" else 1.0] * 3 for text in texts], np.float32)


def test_vectors_that_are_not_finite_name_the_encoder_and_the_text():
    encoder = TextEncoder.__new__(TextEncoder)
    encoder.name, encoder.batch_size, encoder.model = "broken", 2, BrokenModel()
    message = "text encoder 'broken' gave vectors that are not finite for 1 of 2 texts, the first of 'b'"
    with pytest.raises(UserError, match=message):
        encoder.encode(["a", "b"])


def vectors(path, *rows, **meta):
    matrix = tables.vectors(np.array(rows, np.float32))
    items = pa.array(range(len(rows)), pa.int32())
    tables.write(pa.table({"item": items, "vector": matrix}), path, "embeddings", META | meta)


def test_a_table_of_vectors_that_are_not_finite_is_named(tmp_path):
    vectors(tmp_path / "embeddings.parquet", [1, 0], [float("nan"), 0])
    with pytest.raises(UserError, match=r"embeddings\.parquet: the vector of item 1 is not finite; .*encode again"):
        load_text(tmp_path / "embeddings.parquet", 2)
    how = {"encoder": PACKAGED, "batch_size": "64", "texts": text_encoder.fingerprint(["a"])}
    vectors(tmp_path / "encoded.parquet", [float("inf"), 0], **how)
    with pytest.raises(UserError, match=r"encoded\.parquet: holds a vector that is not finite; .*run semantics again"):
        encode.reusable_vectors(tmp_path / "encoded.parquet", ["a"], encode.Settings())


def test_an_encoder_of_a_hub_that_cannot_be_reached_fails_within_seconds_in_one_line(monkeypatch):
    huggingface_hub = pytest.importorskip("huggingface_hub")

    def unreachable(*_, timeout, **__):
        assert timeout <= 10
        raise OSError("Connection refused")

    monkeypatch.setattr(huggingface_hub.HfApi, "model_info", unreachable)
    start = time.monotonic()
    message = "text encoder 'some/model' cannot be loaded: it is not a folder, and the model hub cannot be reached: "
    with pytest.raises(UserError, match=message) as raised:
        TextEncoder("some/model", threads=1)
    assert time.monotonic() - start < 30 and "\n" not in str(raised.value)

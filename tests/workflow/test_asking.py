"""The workflow with a language model: which jobs and requests are repeated, and that no file holds the key."""

import pytest
from fake_llm_server import Server
from project import RUN, few_works, shrink

from semacdr.storage import tables

pytestmark = pytest.mark.slow

KEY = "sk-planted-0123456789abcdef"
FOLDER = "results/movie_book/semantics"
TARGETS = [f"{FOLDER}/inner.parquet", f"{FOLDER}/price.txt"]


def asking(config, url):
    """A tiny config that asks a scripted endpoint about the sample's items."""
    shrink(config)
    config["scenarios"]["movie_book"]["release"] = "sample"
    config["raw"]["sample"] = {"source": "sample"}  # without its recorded answers
    config["semantics"] |= {"engine": "llm", "llm": {"answer_attempts": 2}}
    config["llm"] |= {"model": "scripted", "endpoint": url}
    config["llm"]["running"] = {"concurrency": 8, "timeout": 5, "http_retries": 0, "retry_passes": 2}


def test_no_file_of_failed_and_good_runs_holds_the_key(checkout, tmp_path, monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    project, fault, printed = checkout.copy(tmp_path / "project"), [], ""
    with Server(lambda key, asked: fault[-1]) as server:
        project.configure(lambda config: asking(config, server.url))
        few_works(project)
        for kind in ("401", "500", None):
            fault.append(kind)
            status, text = project.call("--cores", "2", *TARGETS)
            printed += text + (project / "logs/movie_book/semantics.log").read_text()
            assert status == (1 if kind else 0), text
    assert server.keys == {KEY} and server.whole.total() > 100
    assert "Incorrect API key provided: ***" in printed and "requests in a row failed" in printed
    files = [path for path in project.folder.rglob("*") if path.is_file()]
    files = [path for path in files if not path.is_relative_to(project / "tests")]  # where the key is from
    folders = {path.relative_to(project.folder).parts[0] for path in files}
    assert folders >= {".snakemake", "logs", "results", "answers"}
    assert KEY not in printed
    assert [path for path in files if KEY.encode() in path.read_bytes()] == []


def test_an_answer_is_requested_once_and_only_stages_that_use_it_rerun(checkout, tmp_path, monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    project, names = checkout.copy(tmp_path / "project"), ("inner.parquet", "agnostic.parquet", "semantics.tsv")
    with Server() as first, Server() as second:
        project.configure(lambda config: asking(config, first.url))
        few_works(project)
        assert project.run(TARGETS[0]) == {"sample": 1, "preprocess": 1, "taxonomy": 1, "semantics": 1}
        made, asked = [(project / f"{FOLDER}/{name}").read_bytes() for name in names], first.asked.total()

        def elsewhere(config):  # how answers are obtained is no part of the question
            config["llm"] |= {"endpoint": second.url, "budget": 1.0, "prices": {"scripted": {"input": 1, "output": 1}}}
            config["llm"]["running"] |= {"concurrency": 3, "http_retries": 1}

        project.configure(elsewhere)
        assert project.run(TARGETS[0]) == {}
        project.append("src/semacdr/llm/store.py", "# a comment\n")
        assert project.run(TARGETS[0]) == {"semantics": 1}
        project.configure(lambda config: config["semantics"].update(shards=2))
        assert project.run(TARGETS[0]) == {"semantics_shard": 2, "semantics": 1}
        assert [(project / f"{FOLDER}/{name}").read_bytes() for name in names] == made
        assert second.asked.total() == 0
        project.configure(lambda config: (config["semantics"].update(shards=1), config["llm"].update(offline=True)))
        project.append("resources/prompts/structured.txt", "Think of the whole work.\n")
        status, printed = project.call(TARGETS[0], *RUN)
        assert status == 1 and "lacks 200 answers, the first for the categories of SAMPLE" in printed
        project.configure(lambda config: config["llm"].update(offline=False))
        assert project.run(TARGETS[0]) == {"semantics": 1}
        assert (first.asked.total(), second.asked.total()) == (asked, 200)  # descriptions are not requested again


def test_the_sample_s_recorded_answers_need_no_request_and_a_changed_prompt_says_that_it_does(
    checkout, tmp_path, monkeypatch
):
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    project = checkout.copy(tmp_path / "project")
    few_works(project)
    project.configure(lambda c: c.update(sample={"users": 100}))
    project.configure(lambda c: c["raw"]["sample"].update(preprocess={"min_item_interactions": 1}))
    project.run(TARGETS[0])
    made = tables.read(project / f"{FOLDER}/agnostic.parquet", "agnostic")[0]["provenance"].to_pylist()
    provenance = tables.read(project / f"{FOLDER}/inner.parquet", "inner")[0]["provenance"].to_pylist()
    sure = "engine=llm model=qwen2.5-coder-1.5b-instruct-q4_k_m weights=cc324af070c2 "
    assert len(provenance) == 200 and {row.startswith(sure) for row in made} == {True}
    assert sum(row.startswith(sure) for row in provenance) > 150  # among fewer works, some are outliers and fall back
    project.append("resources/prompts/letters.txt", "Think of the whole work.\n")
    status, printed = project.call(TARGETS[0], *RUN)
    assert status == 1 and "lacks 1,000 answers" in printed and "examples/record_sample.yaml" in printed

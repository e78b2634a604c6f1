"""The workflow with a language model: no file that it wrote holds the key, whether the runs failed or went well."""

import sys
from pathlib import Path

import pytest
from project import few_works, shrink

sys.path.append(str(Path(__file__).parents[1] / "unit"))
from scripted import Server

pytestmark = pytest.mark.slow

KEY = "sk-planted-0123456789abcdef"
TARGETS = ["results/movie_book/semantics/inner.parquet", "results/movie_book/semantics/price.txt"]


def asking(config, url):
    """A tiny config that asks a scripted endpoint about the sample's items."""
    shrink(config)
    config["scenarios"]["movie_book"]["release"] = "sample"
    config["semantics"] |= {"engine": "llm", "llm": {"tries": 2}}
    config["llm"] |= {"model": "scripted", "endpoint": url}
    config["llm"]["running"] |= {"concurrency": 8, "timeout": 5, "retries": 0, "rounds": 2}


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

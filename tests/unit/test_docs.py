"""What the documents name is there, in a fresh checkout too: links, files of the project, targets of the workflow."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md")), *sorted((ROOT / "resources").rglob("*.md"))]
PAGES += [ROOT / "tests/data/README.md"]
LINK = re.compile(r"\]\(([^)#\s]+)(?:#[^)]*)?\)")
FILE = re.compile(r"(?<![\w./-])(?:docs|examples|benchmarks|resources|workflow|envs|profiles|tests)/[\w./-]*\w\.\w+")
MADE = ("resources/raw/", "resources/taxonomies/game_music")  # by the workflow; by the reader


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_files_that_a_document_names_are_there(page):
    text = page.read_text()
    links = [page.parent / link for link in LINK.findall(text) if "://" not in link]
    files = [ROOT / name for name in FILE.findall(text) if not name.startswith(MADE)]
    assert [str(path.relative_to(ROOT)) for path in (*links, *files) if not path.resolve().exists()] == []


def test_the_documents_are_read():
    readme = (ROOT / "README.md").read_text()
    assert len(PAGES) > 5 and "docs/results/kitchen_food.md" in LINK.findall(readme)
    assert {"docs/results/padding.tsv", "examples/kitchen_food.yaml", "benchmarks/stages.py"} <= {*FILE.findall(readme)}

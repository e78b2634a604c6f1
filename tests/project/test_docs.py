"""What the documents name is there, in a fresh checkout too: links, files of the project, targets of the workflow.

And what their tables derive from their own numbers is right.
"""

import re
from pathlib import Path

import pytest

from semacdr.evaluation.significance import holm
from semacdr.storage import tsv

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md")), *sorted((ROOT / "resources").rglob("*.md"))]
PAGES += [ROOT / "tests/resources/README.md"]
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


COMPARED = [
    path for path in sorted((ROOT / "docs/results").glob("*.tsv")) if "p_holm" in path.read_text().split("\n")[0]
]


@pytest.mark.parametrize("table", COMPARED, ids=lambda table: table.name)
def test_p_values_of_tables_are_corrected_over_their_rows(table):
    groups = {}
    for row in tsv.read(table):
        if row["p_holm"]:
            columns = list(row)
            key = tuple(row[name] for name in columns[: columns.index("mean")] if name != "variant")
            groups.setdefault(key, []).append(row)
    for rows in groups.values():
        for own, corrected in (("p_bootstrap", "p_bootstrap_holm"), ("p_wilcoxon", "p_holm")):
            expected = holm([float(row[own]) for row in rows])
            assert [float(row[corrected]) for row in rows] == pytest.approx(expected, rel=1e-5)


def test_tables_of_comparisons_are_found():
    assert {"field.tsv", "field_plus.tsv", "field_sasrec.tsv", "sensitivity.tsv"} <= {path.name for path in COMPARED}

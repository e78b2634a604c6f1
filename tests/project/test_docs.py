"""The documents: links, anchors and files exist in a fresh checkout, tables equal the stored results, scripts parse."""

import re
import subprocess
from pathlib import Path

import baseline_tests
import pytest
import table_differences

from semacdr.evaluation.significance import holm
from semacdr.storage import tsv

ROOT = Path(__file__).parents[2]
README, CONTRIBUTING = ROOT / "README.md", ROOT / "CONTRIBUTING.md"
RESULTS = ROOT / "docs/results"
PAGES = [README, CONTRIBUTING, *sorted((ROOT / "docs").rglob("*.md")), *sorted((ROOT / "resources").rglob("*.md"))]
PAGES += [ROOT / "tests/resources/README.md"]
LINK = re.compile(r"\]\(([^)#\s]*)(?:#([^)]*))?\)")
FILE = re.compile(
    r"(?<![\w./-])(?:docs|examples|benchmarks|resources|workflow|envs|profiles|tests)/[\w./+-]*[\w+]\.\w+"
)
MADE = ("resources/raw/", "resources/taxonomies/game_music")  # made by the workflow; made by the reader
SCRIPTS = [*sorted((ROOT / "benchmarks").rglob("*.sh")), *sorted((ROOT / "resources").rglob("*.sh")), ROOT / ".ci/run"]
SYSTEMS = {  # names in README and docs/results/baselines.md, without what follows in brackets: names in the table
    "SemaCDR": "semacdr",
    "SemaCDR `plus`": "plus",
    "SemaCDR `plus` with user vectors": "plus_user_vector",
    "Enhanced C2DSR": "enhanced_c2dsr",
    "C2DSR": "c2dsr",
    "CD-SASRec": "cd_sasrec",
    "SASRec": "sasrec",
    "CL4SRec": "cl4srec",
    "Enhanced Tri-CDR": "enhanced_tri_cdr",
    "Tri-CDR": "tri_cdr",
    "TJAPL": "tjapl",
    "π-Net": "pinet",
    "last-item transitions": "markov",
    "MGCL": "mgcl",
    "item-kNN": "item_knn",
    "most popular": "popularity",
    "sequential rules": "seq_rules",
    "EASE": "ease",
    "SASRec with text": "sasrec_text",
    "SASRec on both domains": "sasrec_merged",
    "SASRec on both domains with text": "sasrec_merged_text",
    "SASRec on both domains, loss over both": "sasrec_joint",
    "SemaCDR without the source domain": "semacdr_no_source",
    "`plus` without the source domain": "plus_no_source",
}
PUBLISHED = {  # the systems of docs/results/baselines.md
    *("semacdr", "plus", "enhanced_c2dsr", "c2dsr", "cd_sasrec", "sasrec", "cl4srec", "enhanced_tri_cdr", "tri_cdr"),
    *("tjapl", "pinet", "markov", "mgcl", "item_knn", "popularity"),
}


def anchors(page: Path) -> set[str]:
    """The anchors that GitHub gives to a page's headings."""
    headings = re.findall(r"^#+ (.*)$", page.read_text(), re.MULTILINE)
    plain = [re.sub(r"\[([^]]*)\]\([^)]*\)", r"\1", heading).lower() for heading in headings]
    return {re.sub(r"[^\w\- ]", "", heading).replace(" ", "-") for heading in plain}


def cells(line: str) -> list[str]:
    """A table row's cells without bold marks."""
    return [cell.strip().replace("**", "") for cell in line.strip().strip("|").split("|")]


def rows(text: str) -> list[list[str]]:
    """The table rows of a text whose first cell names a system."""
    found = [cells(line) for line in text.split("\n") if line.startswith("| ")]
    return [[SYSTEMS[name], *row[1:]] for row in found if (name := row[0].split(" (")[0]) in SYSTEMS]


def stored(table: str) -> dict[tuple[str, str, str, str], dict[str, str]]:
    """The rows of a table of systems by system, source, ranking and metric, with cut-off 10 where it has one."""
    found = [row for row in tsv.read(RESULTS / f"{table}.tsv") if row["k"] in ("10", "")]
    return {(row["variant"], row["source"], row["ranking"], row["metric"]): row for row in found}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_files_and_anchors_that_a_document_names_exist(page):
    text = page.read_text()
    links = [(page.parent / link if link else page, anchor) for link, anchor in LINK.findall(text) if "://" not in link]
    files = [ROOT / name for name in FILE.findall(text) if not name.startswith(MADE)]
    paths = [*(path for path, _ in links), *files]
    assert [str(path) for path in paths if not path.resolve().exists()] == []
    missing = [(path.name, anchor) for path, anchor in links if anchor and anchor not in anchors(path)]
    assert missing == []


def test_the_check_finds_links_and_files():
    text = README.read_text()
    assert ("docs/results/baselines.md", "selection-before-tuning") in LINK.findall(text)
    assert "examples/shop/shop.yaml" in FILE.findall(text)


def test_the_index_lists_every_page():
    index = ROOT / "docs/index.md"
    listed = {(index.parent / link).resolve() for link, _ in LINK.findall(index.read_text())}
    assert {page.resolve() for page in (ROOT / "docs").rglob("*.md")} - {index} <= listed


@pytest.mark.parametrize(("page", "lines"), [(README, 130), (CONTRIBUTING, 60)], ids=["README", "CONTRIBUTING"])
def test_a_page_stays_short(page, lines):
    assert len(page.read_text().splitlines()) <= lines


def test_the_readme_has_the_blocks_that_ci_runs():
    for name in ("main job", "tests", "local model"):
        assert re.search(rf"^<!-- {name} -->\n```bash\n(?:.+\n)+```$", README.read_text(), re.MULTILINE), name


def test_the_readmes_result_table_equals_the_stored_one():
    table, columns = (
        stored("main_systems"),
        [(source, ranking) for source in ("kitchen", "food") for ranking in ("full", "sampled")],
    )
    shown = rows(README.read_text())
    assert {row[0] for row in shown} == {system for system, *_ in table}
    for system, *values in shown:
        expected = [f"{float(table[system, *column, 'ndcg']['mean']):.4f}" for column in columns]
        assert values == expected, system


@pytest.mark.parametrize(("source", "heading"), [("kitchen", "### kitchen → food"), ("food", "### food → kitchen")])
def test_the_result_pages_tables_equal_the_stored_one(source, heading):
    text = (RESULTS / "baselines.md").read_text().split(f"{heading}\n")[1].split("\n#")[0]
    table, shown = stored("baselines"), rows(text)
    assert {row[0] for row in shown} == PUBLISHED
    for system, full, hits, change, bootstrap, ranks, sampled, *_ in shown:
        row = table[system, source, "full", "ndcg"]
        std = f" ± {float(row['std']):.4f}" if row["std"] else ""
        assert full == f"{float(row['mean']):.4f}{std}"
        assert hits == f"{float(table[system, source, 'full', 'hr']['mean']):.4f}"
        assert sampled.split(" ")[0] == f"{float(table[system, source, 'sampled', 'ndcg']['mean']):.4f}"
        if row["difference"]:
            low, high = float(row["difference_low"]), float(row["difference_high"])
            assert change == f"{float(row['difference']):+.4f} [{low:+.4f}, {high:+.4f}]"
            assert bootstrap == f"{float(row['p_bootstrap_holm']):.4f}"
            assert ranks == ("< 0.0001" if float(row["p_holm"]) < 0.0001 else f"{float(row['p_holm']):.4f}")


@pytest.mark.parametrize(
    ("name", "page"), [("main_systems", "main_systems"), ("transfer", "text_and_transfer")], ids=lambda name: name
)
@pytest.mark.parametrize(("source", "heading"), [("kitchen", "### kitchen → food"), ("food", "### food → kitchen")])
def test_the_tables_of_main_systems_and_transfer_equal_the_stored_ones(name, page, source, heading):
    table = stored(name)
    shown = rows((RESULTS / f"{page}.md").read_text().split(f"{heading}\n")[1].split("\n#")[0])
    assert {row[0] for row in shown} == {system for system, *_ in table}
    for system, *values in shown:
        for part, ranking in ((values[:4], "full"), (values[4:], "sampled")):
            row = table[system, source, ranking, "ndcg"]
            std = f" ± {float(row['std']):.4f}" if row["std"] else ""
            assert part[0] == f"{float(row['mean']):.4f}{std}", system
            if row["difference"]:
                low, high = float(row["difference_low"]), float(row["difference_high"])
                assert part[1] == f"{float(row['difference']):+.4f} [{low:+.4f}, {high:+.4f}]", system
                shown_p = [float(row["p_bootstrap_holm"]), float(row["p_holm"])]
                assert part[2:] == ["< 0.001" if p < 0.001 else f"{p:.3f}" for p in shown_p], system


COMPARED = [path for path in sorted(RESULTS.glob("*.tsv")) if "p_holm" in path.read_text().split("\n")[0]]


@pytest.mark.parametrize("table", COMPARED, ids=lambda table: table.name)
def test_p_values_of_tables_are_corrected_over_their_rows(table):
    groups = {}
    for row in tsv.read(table):
        if row["p_holm"]:
            columns = list(row)
            key = tuple(row[name] for name in columns[: columns.index("mean")] if name != "variant")
            groups.setdefault(key, []).append(row)
    for group in groups.values():
        for raw, corrected in (("p_bootstrap", "p_bootstrap_holm"), ("p_wilcoxon", "p_holm")):
            expected = holm([float(row[raw]) for row in group])
            assert [float(row[corrected]) for row in group] == pytest.approx(expected, rel=1e-5)


def test_tables_of_comparisons_are_found():
    names = {"baselines.tsv", "baselines_plus.tsv", "baselines_sasrec.tsv", "sensitivity.tsv"}
    assert names <= {path.name for path in COMPARED}


def test_what_the_result_page_derives_from_its_tables():
    pair = baseline_tests.enhanced_pair()
    assert pair["p_bootstrap"].round(3).to_list() == [0.002] * 8
    weak = pair.filter(pair["p_wilcoxon"] >= 0.05).select("source", "ranking", "variant").rows()
    assert weak == [
        (*place, "enhanced_c2dsr") for place in [("kitchen", "full"), ("food", "full"), ("food", "sampled")]
    ]
    assert baseline_tests.fragile("baselines").is_empty() and baseline_tests.fragile("baselines_plus").is_empty()
    fragile = {row[:3]: round(row[3], 3) for row in baseline_tests.fragile("baselines_sasrec").rows()}
    assert fragile == {
        ("kitchen", "sampled", "tri_cdr"): 0.007,
        ("food", "full", "enhanced_c2dsr"): 0.002,
        ("food", "sampled", "tjapl"): -0.006,
    }
    assert round(baseline_tests.friedman(), 2) == 0.05


def test_how_far_the_second_processor_is_apart():
    table = table_differences.differences(RESULTS / "kitchen_food.tsv", RESULTS / "kitchen_food_again.tsv")
    found = [(ranking, *(round(value, 4) for value in values)) for ranking, *values in table.rows()]
    assert found == [("full", -0.0031, 0.0037, 0.0002), ("sampled", -0.0105, 0.0090, -0.0002)]


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda script: str(script.relative_to(ROOT)))
def test_scripts_parse(script):
    subprocess.run(["bash", "-n", script], check=True)


def test_tables_that_pages_name_can_be_made(monkeypatch):
    monkeypatch.setenv("DRY", "1")
    monkeypatch.chdir(ROOT)
    listed = subprocess.run(["bash", "benchmarks/tables.sh"], capture_output=True, text=True, check=True).stdout.split()
    dry = subprocess.run(["bash", "benchmarks/tables.sh", *listed], capture_output=True, text=True, check=True).stdout
    assert dry.count("snakemake --cores 2 ") == len(listed) - 1  # scale is not a Snakemake target
    files = {name for name in FILE.findall(dry) if not name.startswith("results/")}
    assert [name for name in files if not (ROOT / name).exists()] == []
    text = " ".join(" ".join(page.read_text().split()) for page in PAGES)
    groups = re.findall(r"tables\.sh (\w+)`((?:,? (?:and )?`\w+`)*)", text)
    named = {name for first, others in groups for name in (first, *re.findall(r"\w+(?=`)", others))}
    assert {"baselines", "plus_forms"} <= named <= set(listed)

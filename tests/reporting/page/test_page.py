"""The page: it is self-contained, all text is escaped, and for missing input it has a reason instead of a section."""

import json
import re
import shutil
from html.parser import HTMLParser

import pytest
from page_world import HOSTILE, SHOWN

from semacdr.errors import UserError
from semacdr.stages import report

VOID = {"meta", "link", "img", "br", "input", "use", "path", "rect"}
SECTIONS = {"summary", "results", "users", "items", "experiments", "figures", "training", "record"}


class Seen(HTMLParser):
    """Elements, attributes and words of a page; tags must close in order."""

    def __init__(self, text):
        super().__init__()
        self.open, self.elements, self.words, self.headers = [], [], [], []
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))

    def handle_endtag(self, tag):
        if tag not in VOID:
            assert self.open.pop() == tag

    def handle_data(self, data):
        if self.open and self.open[-1] not in ("script", "style"):
            self.words.append(data)


@pytest.fixture(scope="module")
def seen(page):
    return Seen(page)


def test_nothing_is_fetched(seen, page):
    addresses = [
        value
        for tag, attrs in seen.elements
        for name, value in attrs.items()
        if name in ("src", "href", "xlink:href", "srcset", "action", "data", "poster")
    ]
    assert addresses and all(value.startswith(("#", "data:")) for value in addresses)
    assert not re.search(r"@import|url\((?!#)", page)
    (policy,) = [a["content"] for tag, a in seen.elements if a.get("http-equiv") == "Content-Security-Policy"]
    assert policy.startswith("default-src 'none';")
    assert [tag for tag, _ in seen.elements].count("script") == 1


def test_hostile_texts_are_words_and_nothing_else(seen, page):
    words = " ".join(" ".join(seen.words).split())
    for title in HOSTILE.values():
        assert " ".join(title.split()) in words
    assert "(no title)" in words and "<u>Text of" in words and "<i>A. Writer" in words and "<b>Quest</b>" in words
    assert not {name for _, attrs in seen.elements for name in attrs if name.startswith("on")}
    images = [attrs["src"] for tag, attrs in seen.elements if tag == "img"]
    assert len(images) == 1 and images[0].startswith("data:image/png;base64,")
    assert "49" not in re.findall(r"<b>([^<]*)</b> by", page)
    assert {tag for tag, _ in seen.elements}.isdisjoint({"iframe", "object", "embed", "form", "base"})


def test_ids_are_unique_and_references_find_them(seen):
    ids = [attrs["id"] for _, attrs in seen.elements if "id" in attrs]
    assert len(ids) == len(set(ids))
    refers = ("href", "xlink:href", "aria-labelledby", "for")
    asked = {a[n].lstrip("#") for _, a in seen.elements for n in refers if n in a and not a[n].startswith("data:")}
    assert asked <= set(ids) and {"users", "main"} <= asked
    assert set(re.findall(r"url\(#([^)]+)\)", " ".join(str(attrs) for _, attrs in seen.elements))) <= set(ids)


def test_tables_have_headers_and_pictures_have_descriptions(seen):
    tags = [tag for tag, _ in seen.elements]
    assert tags.count("table") == tags.count("thead") > 10
    assert all("scope" in attrs for tag, attrs in seen.elements if tag == "th")
    assert all(attrs.get("alt") for tag, attrs in seen.elements if tag == "img")
    charts = [attrs for tag, attrs in seen.elements if tag == "svg"]
    assert all(attrs["role"] == "img" and attrs["aria-label"] for attrs in charts)
    regions = [attrs for _, attrs in seen.elements if attrs.get("role") == "region"]
    for some in (charts, regions):
        assert len({attrs["aria-label"] for attrs in some}) == len(some) > 7


def test_charts_take_the_page_s_colours(page):
    charts = re.findall(r"<svg.*?</svg>", page, re.DOTALL)
    assert all("var(--c1)" in chart and "<text" in chart for chart in charts)
    assert not [found for chart in charts for found in re.findall(r"#[0-9a-fA-F]{6}\b", chart) if found != "#ffffff"]


def test_all_sections_are_there(seen):
    assert {attrs["id"] for tag, attrs in seen.elements if tag == "section"} == SECTIONS
    assert len([attrs for _, attrs in seen.elements if "data-user" in attrs]) == 12


@pytest.mark.parametrize(
    ("without", "section", "why"),
    [
        ({"shown": False}, "users", "<b>Users</b>: no recommendations were given"),
        ({"experiments": ()}, "experiments", "<b>Experiments</b>: none was requested"),
        ({"figures": False}, "figures", "<b>Figures</b>: none was requested"),
        ({"logs": False}, None, "<b>Time by stage</b>: there are no measurements"),
    ],
)
def test_what_is_not_given_has_no_section_but_a_reason(world, page, tmp_path, without, section, why):
    less = world.page(tmp_path / "report.html", **without)
    found = {attrs["id"] for tag, attrs in Seen(less).elements if tag == "section"}
    assert found == SECTIONS - {section}
    assert why in less and why not in page
    assert section is None or f'href="#{section}"' not in less


def test_the_page_says_which_systems_were_tuned(world, page, tmp_path):
    """The settings of the result table's runs, of which only one was tuned, and on other data."""
    folder = tmp_path / "book_to_film" / world.runs[0].parent.name / "seed1"
    shutil.copytree(world.runs[0], folder)
    settings = json.loads((folder / "settings.json").read_text())
    tuned = {"names": ["dim"], "other_data": {"min_item_interactions": 5}}
    (folder / "settings.json").write_text(json.dumps(settings | {"tuned": tuned}))
    argv = world.argv(tmp_path / "report.html")
    argv[argv.index("--runs") + 1] = str(folder)
    report.main(argv)
    changed = (tmp_path / "report.html").read_text()
    assert "tuning chose settings of SemaCDR (ce), but not of SASRec (ce), SASRec, in at least one" in changed
    assert "tuned on data filtered by min_item_interactions=5" in changed
    assert "Unequal tuning budgets" not in page and "Tuned on other data" not in page


def test_the_page_names_runs_at_the_level_of_popularity(world, tmp_path):
    run = next(run for run in world.runs if json.loads((run / "settings.json").read_text())["training"]["loss"])
    name, pages = run.parent.name, []
    for popularity in (0.0, 1.0):
        folder = tmp_path / str(popularity) / name / "seed1"
        shutil.copytree(run, folder)
        cost = json.loads((folder / "cost.json").read_text())
        (folder / "cost.json").write_text(json.dumps(cost | {"popularity_valid_ndcg_10": popularity}))
        argv = world.argv(tmp_path / "report.html")
        argv[argv.index("--runs") + 1] = str(folder)
        report.main(argv)
        pages.append((tmp_path / "report.html").read_text())
    said = r"At the level of popularity:</strong> on validation events, .*, seed 1 \(0\.\d{4}\) against 1\.0000"
    assert [bool(re.search(said, page)) for page in pages] == [False, True]


def test_the_page_begins_with_a_summary(seen, page):
    ids = [attrs["id"] for tag, attrs in seen.elements if tag == "section"]
    words = " ".join(" ".join(seen.words).split())
    summary = words[words.index("book → film, 24 test users") :]
    assert ids[0] == "summary" and "is first with NDCG@10 0." in summary
    assert "book → film, 24 test users, fewer than 100" in summary and "One seed: the intervals" in summary
    assert "Fewer than 100 users (book → film: 24; film → book: 24)" in summary
    assert "What the words mean" in summary and "HR@10 hit rate" in summary
    cells = re.findall(r"<small>(0\.\d{4})\u2013(0\.\d{4})</small>", page)
    assert cells and all(low <= high for low, high in cells)  # one seed: intervals over users


def test_an_experiment_of_validation_events_is_named_so(world, page, tmp_path):
    lines = (world.folder / "compare.tsv").read_text().splitlines()
    (tmp_path / "sweep.tsv").write_text("\n".join([f"split\t{lines[0]}", *(f"valid\t{line}" for line in lines[1:])]))
    changed = world.page(tmp_path / "report.html", "--experiments", str(tmp_path / "sweep.tsv"), experiments=())
    assert ", validation events, for model selection</span>" in changed
    assert ", test events</span>" in page and "for model selection" not in page


def test_disjoint_users_are_counted_by_domain(world, page, tmp_path):
    lines = ["domain overlapped_users users items interactions avg_len release"]
    lines += ["book 0 1300 12 144 6.00 handmade", "film 0 2500 12 144 6.00 handmade"]
    (tmp_path / "statistics.tsv").write_text("\n".join(line.replace(" ", "\t") for line in lines) + "\n")
    changed = world.page(tmp_path / "report.html", "--statistics", str(tmp_path / "statistics.tsv"))
    for domain, users in (("book", "1,300"), ("film", "2,500")):
        assert f"<div><dt>{domain} users</dt><dd>{users}</dd></div>" in changed
        assert f'<th scope="row">{domain}</th><td class="n">0</td><td class="n">{users}</td>' in changed
    assert "<div><dt>users</dt>" in page and "book users" not in page


def test_the_same_input_gives_the_same_page(world, page, tmp_path):
    assert world.page(tmp_path / "report.html") == page


def test_a_folder_without_a_run_is_refused(world, tmp_path):
    argv = world.argv(tmp_path / "report.html")
    place = argv.index("--runs") + 1
    with pytest.raises(UserError, match=r"settings\.json: cannot be read"):
        refused_with(argv, place, tmp_path)


def test_recommendations_of_another_run_are_refused(world, tmp_path):
    run, other = (next(r for r in world.runs if r.parent.name == name) for name in SHOWN)
    mixed = tmp_path / "mixed/seed1"
    mixed.mkdir(parents=True)
    (mixed / "ranks.parquet").write_bytes((run / "ranks.parquet").read_bytes())
    (mixed / "recommendations.parquet").write_bytes((other / "recommendations.parquet").read_bytes())
    argv = world.argv(tmp_path / "report.html")
    with pytest.raises(UserError, match="not of the same run as"):
        refused_with(argv, argv.index("--shown") + 1, mixed)


def refused_with(argv, place, path):
    report.main([*argv[:place], str(path), *argv[place + 1 :]])

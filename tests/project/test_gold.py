"""The gold labels in tests/resources: complete, drawn as described, and consistent with taxonomies and catalogue."""

import hashlib
from collections import Counter

import gold
import pyarrow as pa
import pytest
from gold import ROOT, drawn, items, labels, rows

from semacdr.stages import sample
from semacdr.stages.taxonomy import read_taxonomy
from semacdr.storage import tables

COLUMNS = ["scenario", "domain", "item_id", "category", "best", "also", "part"]
DOMAINS = {  # scenario and number of items
    "book": ("movie_book", 60),
    "movie": ("movie_book", 60),
    "kitchen": ("kitchen_food", 50),
    "food": ("kitchen_food", 50),
}
SCENARIOS = ["movie_book", "kitchen_food"]
CATALOGUES = [("book", "books", sample.IDS[0]), ("movie", "films", sample.IDS[1])]
WORKS = "e42301f3e96ba256540ed6f2078557239ebf596d8fb8bc1a2b064ea8fa3ae0d5"  # of ids, titles, creators


def catalogue(name, start):
    works = sample.read_catalogue(ROOT / f"resources/sample/{name}.tsv")
    return {f"{start}{number:03d}": work for number, work in enumerate(works, 1)}


def subcategories(scenario):
    taxonomy = read_taxonomy(ROOT / f"resources/taxonomies/{scenario}.json")
    return {category.name: {name for name, _ in category.subcategories} for category in taxonomy}


def said(text):
    """Whether the README of the labels says so."""
    return text in " ".join((ROOT / "tests/resources/README.md").read_text(encoding="utf-8").split())


def test_columns_and_domains():
    assert all(list(row) == COLUMNS and None not in row.values() for row in rows())
    assert {row["domain"]: row["scenario"] for row in rows()} == {domain: one for domain, (one, _) in DOMAINS.items()}


@pytest.mark.parametrize("scenario", SCENARIOS)
def test_every_item_has_every_category_once_with_names_of_the_taxonomy(scenario):
    names = subcategories(scenario)
    here = [row for row in rows() if row["scenario"] == scenario]
    expected = {(row["item_id"], category) for row in here for category in names}
    assert Counter((row["item_id"], row["category"]) for row in here) == Counter(expected)
    for row in here:
        right = labels(row)
        assert set(right) <= names[row["category"]], row
        assert len(right) == len(set(right)) <= 4, row
        assert right == ["Other"] or "Other" not in right, row


@pytest.mark.parametrize("domain", DOMAINS)
def test_parts_are_halves_drawn_by_the_seed(domain):
    parts = items(domain)
    assert len(parts) == DOMAINS[domain][1]
    assert all(parts[row["item_id"]] == row["part"] for row in rows() if row["domain"] == domain)
    assert {item for item, part in parts.items() if part == "choice"} == set(drawn(parts, "part")[: len(parts) // 2])
    assert set(parts.values()) == {"choice", "held_out"}


@pytest.mark.parametrize(("domain", "name", "start"), CATALOGUES)
def test_works_are_drawn_from_the_catalogue_by_the_seed(domain, name, start):
    parts = items(domain)
    assert set(parts) == set(drawn(catalogue(name, start), "draw")[: len(parts)])


def test_the_ids_still_mean_the_works_that_were_read():
    works = {item: work for _, name, start in CATALOGUES for item, work in catalogue(name, start).items()}
    read = sorted({row["item_id"] for row in rows() if row["scenario"] == "movie_book"})
    text = "".join(f"{item}\t{works[item]['title']}\t{works[item]['creator']}\n" for item in read)
    assert hashlib.sha256(text.encode()).hexdigest() == WORKS, "read the labels of the changed works again"


def test_the_command_counts_titles_and_draws_again(tmp_path, capsys):
    ids = [*items("kitchen"), "without a title"]
    text = {name: [""] * len(ids) for name in ("brand", "description")}
    text |= {"item_id": ids, "title": ["A title"] * (len(ids) - 1) + [""], "domain": ["kitchen"] * len(ids)}
    table = pa.table({"item": range(len(ids)), "categories": [["x"]] * len(ids)} | text)
    tables.write(table, tmp_path / "items.parquet", "items", {"release": "test"})
    gold.main([str(tmp_path / "items.parquet")])
    assert capsys.readouterr().out == "kitchen: 50 items with a title; the draw takes 50 of 50 labelled\n"


# The numbers in the README


def bests(scenario):
    """How often each subcategory is best, by category."""
    found = {category: Counter(dict.fromkeys(names, 0)) for category, names in subcategories(scenario).items()}
    for row in rows():
        if row["scenario"] == scenario:
            found[row["category"]][row["best"]] += 1
    return found


def test_how_many_there_are():
    books, films = (len(catalogue(name, start)) for _, name, start in CATALOGUES)
    of = {domain: len(items(domain)) for domain in DOMAINS}
    assert books == films and said(f"come from all {books} works of each catalogue")
    assert said(f"# Gold labels of {sum(of.values())} items")
    assert said(f"{of['book']} books and {of['movie']} films (the embedded sample), {of['kitchen']} kitchen and")
    assert said(f"and {of['food']} food items (Amazon 2014)") and said(f"{len(rows()):,} lines")
    parts = [(scenario, part) for domain, (scenario, _) in DOMAINS.items() for part in items(domain).values()]
    held = {scenario: parts.count((scenario, "held_out")) for scenario in SCENARIOS}
    assert said(f"A part has {held['movie_book']} books and films and {held['kitchen_food']} kitchen and food items")


def test_how_many_are_accepted_beside_the_best():
    lines = Counter(len(labels(row)) - 1 for row in rows())
    assert said(f"none on {lines[0]} lines, one on {lines[1]}, two on {lines[2]}, three on {lines[3]}.")


def test_how_often_the_best_genre_is_one_of_the_catalogue():
    works = {item: work for _, name, start in CATALOGUES for item, work in catalogue(name, start).items()}
    genres = [(row["best"].lower(), works[row["item_id"]]["genres"]) for row in rows() if row["category"] == "Genre"]
    assert all(best in listed for best, listed in genres)
    first = sum(best == listed[0] for best, listed in genres)
    assert said(f"best is the first of them in {first} of {len(genres)} items and one of them in all.")


def test_how_often_the_most_frequent_best_is_right():
    top = []
    for scenario in SCENARIOS:
        shares = {name: max(found.values()) / found.total() for name, found in bests(scenario).items()}
        name = max(shares, key=shares.get)
        top.append((shares[name], name))
    (one, first), (other, second) = top
    assert said(f"alone is right in {one:.0%} of {first} (books and films) and {other:.0%} of {second};")


def test_how_many_subcategories_are_rarely_or_never_best():
    lines = [count for scenario in SCENARIOS for found in bests(scenario).values() for count in found.values()]
    rare = sum(0 < count <= 2 for count in lines)
    assert said(f"Of {len(lines)} subcategories {rare} have one or two lines as best, {lines.count(0)} none.")

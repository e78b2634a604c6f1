"""The gold labels in tests/data: whole, drawn as written down, and true to the taxonomies and the catalogue."""

import csv
import hashlib
from collections import Counter
from pathlib import Path

import pytest

from semacdr import sample
from semacdr.taxonomy import read_taxonomy

ROOT = Path(__file__).parents[2]
COLUMNS = ["scenario", "domain", "item_id", "category", "best", "also", "part"]
SEED = 20140
DOMAINS = {  # scenario and number of items
    "book": ("movie_book", 60),
    "movie": ("movie_book", 60),
    "kitchen": ("kitchen_food", 50),
    "food": ("kitchen_food", 50),
}
CATALOGUES = [("book", "books", sample.IDS[0]), ("movie", "films", sample.IDS[1])]
WORKS = "e42301f3e96ba256540ed6f2078557239ebf596d8fb8bc1a2b064ea8fa3ae0d5"  # of ids, titles, creators


def rows():
    with (ROOT / "tests/data/gold.tsv").open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE))


def items(domain):
    """The items of a domain with their parts, in the order of the file."""
    return {row["item_id"]: row["part"] for row in rows() if row["domain"] == domain}


def catalogue(name, start):
    works = sample.read_catalogue(ROOT / f"resources/sample/{name}.tsv")
    return {f"{start}{number:03d}": work for number, work in enumerate(works, 1)}


def drawn(ids, what):
    return sorted(ids, key=lambda item: hashlib.sha256(f"{SEED} {what} {item}".encode()).hexdigest())


def test_columns_and_domains():
    assert all(list(row) == COLUMNS and None not in row.values() for row in rows())
    assert {row["domain"]: row["scenario"] for row in rows()} == {domain: one for domain, (one, _) in DOMAINS.items()}


@pytest.mark.parametrize("scenario", ["movie_book", "kitchen_food"])
def test_every_item_has_every_category_once_with_names_of_the_taxonomy(scenario):
    names = {
        category.name: {name for name, _ in category.subcategories}
        for category in read_taxonomy(ROOT / f"resources/taxonomies/{scenario}.json")
    }
    here = [row for row in rows() if row["scenario"] == scenario]
    expected = {(row["item_id"], category) for row in here for category in names}
    assert Counter((row["item_id"], row["category"]) for row in here) == Counter(expected)
    for row in here:
        labels = [row["best"], *filter(None, row["also"].split("|"))]
        assert set(labels) <= names[row["category"]], row
        assert len(labels) == len(set(labels)) <= 4, row
        assert labels == ["Other"] or "Other" not in labels, row


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

"""Measure how well an engine files items, by hand-made labels or by what is planted in the sample.

    python benchmarks/filing.py results/movie_book --part held_out
    python benchmarks/filing.py results/movie_book --planted resources/sample

Reads items.parquet and semantics/agnostic.parquet of the scenario (or another one, --agnostic) and
tests/resources/gold.tsv. Prints one line per category and one over all. top1: the share of items whose first
subcategory is the best one by the label. accepted: the share of items whose first subcategory the label accepts, with
its 95 % interval by bootstrap over items. precision: the share of given subcategories that are accepted. recall: the
share of accepted subcategories that are given. Also top1 and accepted of random choice and of the most frequent label.
"""

import argparse
import csv
from collections import Counter, defaultdict
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq

from semacdr.stages.taxonomy import read_taxonomy

Labels = dict[str, dict[str, list[str]]]  # by item id and category: accepted subcategories, the best first
PLANTED = {"genres": "Genre", "moods": "Mood", "audience": "Audience"}
NAMES = {"everyone": "Families"}  # planted names with another name in the taxonomy


def gold(path: Path, scenario: str, part: str | None) -> Labels:
    labels: Labels = defaultdict(dict)
    with path.open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE):
            if row["scenario"] == scenario and row["part"] == (part or row["part"]):
                labels[row["item_id"]][row["category"]] = [row["best"], *filter(None, row["also"].split("|"))]
    return labels


def planted(folder: Path) -> Labels:
    """The labels of each work in the sample's catalogue; if there are several, none is marked as best."""
    labels: Labels = defaultdict(dict)
    for name, letter in (("books.tsv", "B"), ("films.tsv", "F")):
        with (folder / name).open(encoding="utf-8", newline="") as file:
            for place, row in enumerate(csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE), 1):
                for column, category in PLANTED.items():
                    values = [NAMES.get(value, value.capitalize()) for value in row[column].split("|")]
                    labels[f"SAMPLE{letter}{place:03}"][category] = values
    return labels


def scored(labels: Labels, given: dict, category: str, options: int) -> np.ndarray:
    """(items, 6): top1, accepted, accepted given, given, of accepted given, accepted by random choice."""
    rows = []
    for item, wanted in labels.items():
        if category in wanted and item in given:
            right, got = wanted[category], given[item][category]
            hits = len(set(right) & set(got))
            rows.append([got[0] == right[0], got[0] in right, hits, len(got), hits / len(right), len(right) / options])
    return np.array(rows, float)


def most_frequent(labels: Labels, fitted: Labels, category: str) -> tuple[float, float]:
    """Top1 and accepted of always answering the best label that is most frequent in `fitted`."""
    said = Counter(wanted[category][0] for wanted in fitted.values() if category in wanted).most_common(1)[0][0]
    wanted = [wanted[category] for wanted in labels.values() if category in wanted]
    return np.mean([said == right[0] for right in wanted]), np.mean([said in right for right in wanted])


def line(name: str, table: np.ndarray, options: float, frequent: tuple[float, float]) -> str:
    rng = np.random.default_rng(0)
    draws = [table[rng.integers(0, len(table), len(table)), 1].mean() for _ in range(2000)]
    low, high = np.quantile(draws, [0.025, 0.975])
    top1, accepted, _, _, recall, random = table.mean(0)
    values = (top1, accepted, low, high, table[:, 2].sum() / table[:, 3].sum(), recall, 1 / options, random, *frequent)
    return "\t".join([name, str(len(table)), *(f"{value:.3f}" for value in values)])


def main() -> None:
    cli = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    cli.add_argument("folder", type=Path, help="results/<scenario>")
    cli.add_argument("--agnostic", type=Path, help="another agnostic.parquet than the scenario's")
    cli.add_argument("--items", type=Path, help="another items.parquet than the scenario's")
    cli.add_argument("--taxonomy", type=Path, help="another taxonomy than the scenario's")
    cli.add_argument("--gold", type=Path, default=Path("tests/resources/gold.tsv"))
    cli.add_argument("--part", choices=["choice", "held_out"], help="part of the labels; default: both")
    cli.add_argument("--planted", type=Path, help="the sample's catalogue instead of labels")
    args = cli.parse_args()
    items = pq.read_table(args.items or args.folder / "items.parquet", columns=["item", "item_id"]).to_pydict()
    ids = dict(zip(items["item"], items["item_id"], strict=True))
    given: dict = defaultdict(lambda: defaultdict(list))
    for row in pq.read_table(args.agnostic or args.folder / "semantics/agnostic.parquet").to_pylist():
        given[ids[row["item"]]][row["category"]].append(row["subcategory"])
    scenario = args.folder.name
    labels = planted(args.planted) if args.planted else gold(args.gold, scenario, args.part)
    fitted = labels if args.planted else gold(args.gold, scenario, "choice")
    columns = "top1 accepted low high precision recall random_top1 random_accepted frequent_top1 frequent_accepted"
    print("\t".join(["category", "items", *columns.split()]))
    tables, frequent, sizes = [], [], []
    for category in read_taxonomy(args.taxonomy or args.folder / "semantics/taxonomy.json"):
        table = scored(labels, given, category.name, len(category.subcategories))
        if len(table):
            tables.append(table)
            frequent.append(most_frequent(labels, fitted, category.name))
            sizes.append(len(category.subcategories))
            print(line(category.name, table, sizes[-1], frequent[-1]))
    mean = tuple(np.mean(frequent, 0))
    print(line("all", np.mean(np.stack(tables), 0), 1 / np.mean([1 / size for size in sizes]), mean))


if __name__ == "__main__":
    main()

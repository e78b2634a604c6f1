"""The gold labels in tests/resources, and the draw of their items.

    python tests/helpers/gold.py results/kitchen_food/items.parquet

prints, by domain of an items table, how many items have a title and how many of the labelled ones the draw takes.
"""

import argparse
import csv
import hashlib
from collections.abc import Iterable
from pathlib import Path

from semacdr.storage import tables

ROOT = Path(__file__).parents[2]
SEED = 20140


def rows() -> list[dict[str, str]]:
    with (ROOT / "tests/resources/gold.tsv").open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE))


def labels(row: dict[str, str]) -> list[str]:
    """The accepted subcategories of a line, the best first."""
    return [row["best"], *filter(None, row["also"].split("|"))]


def items(domain: str) -> dict[str, str]:
    """The items of a domain with their parts, in the order of the file."""
    return {row["item_id"]: row["part"] for row in rows() if row["domain"] == domain}


def drawn(ids: Iterable[str], what: str) -> list[str]:
    return sorted(ids, key=lambda item: hashlib.sha256(f"{SEED} {what} {item}".encode()).hexdigest())


def main(argv: list[str] | None = None) -> None:
    cli = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    cli.add_argument("items", type=Path, help="items.parquet of a scenario")
    table = tables.read(cli.parse_args(argv).items, "items")[0].select(["domain", "item_id", "title"]).to_pylist()
    for domain in dict.fromkeys(row["domain"] for row in table):
        titled = [row["item_id"] for row in table if row["domain"] == domain and row["title"]]
        labelled = items(domain)
        again = labelled.keys() & drawn(titled, "draw")[: len(labelled)]
        print(f"{domain}: {len(titled):,} items with a title; the draw takes {len(again)} of {len(labelled)} labelled")


if __name__ == "__main__":
    main()

"""Measure how well categories that are learned from a share of a language model's answers agree with all its answers.

    python benchmarks/labels.py results/kitchen_food_llm --shares 0.01 0.03 0.1 0.3

Reads items.parquet, semantics/taxonomy.json and semantics/agnostic.parquet of a scenario with engine llm and share 1.
Asks nothing. For each share the stage's own sample and classifier are used. Prints one line per share and category, and
one over all categories. agreement: of the items that are not asked, the share whose first learned subcategory is one of
the model's. held_out: the same by cross-validation on the asked items, which a user sees. several: the share of unasked
items that get more than one subcategory; several_llm: the same of the model. encoder: engine encoder, over all items.
seconds: of CPU time, for all categories. The text vectors are made once, and not counted.
"""

import argparse
import time
from collections import defaultdict
from pathlib import Path

import numpy as np

from semacdr.errors import UserError
from semacdr.runtime.cli import run
from semacdr.semantics.asked_share import asked_items
from semacdr.semantics.categories import Category, read_taxonomy
from semacdr.semantics.encoder_engine import EncoderEngine
from semacdr.semantics.learned_filing import Learner
from semacdr.semantics.text_encoder import PACKAGED
from semacdr.stages.semantics import Settings
from semacdr.storage import tables

COLUMNS = "share asked category agreement held_out several several_llm seconds"
Filed = dict[int, list[str]]  # by item its subcategories in a category, the best first


def answers(folder: Path, items: list[int]) -> dict[str, Filed]:
    """By category the model's filing of each item; a UserError where an engine other than llm filed one."""
    places = {item: place for place, item in enumerate(items)}
    found: dict[str, Filed] = defaultdict(lambda: defaultdict(list))
    path = folder / "semantics/agnostic.parquet"
    for row in tables.read(path, "agnostic")[0].to_pylist():
        if not row["provenance"].startswith("engine=llm "):
            raise UserError(
                f"{path}: item {row['item']} was filed by {row['provenance'].split()[0]}; needs answers to all"
            )
        found[row["category"]][places[row["item"]]].append(row["subcategory"])
    return found


def by_item(rows: list[tuple[int, str]]) -> Filed:
    filed: Filed = defaultdict(list)
    for item, name in rows:
        filed[item].append(name)
    return filed


def agreement(filed: Filed, model: Filed) -> tuple[float, float, float]:
    """The share of the filed items whose first subcategory is one of the model's; of both the share with several."""
    first = np.mean([names[0] in model[item] for item, names in filed.items()])
    several = (np.mean([len(own[item]) > 1 for item in filed]) for own in (filed, model))
    return (float(first), *map(float, several))  # type: ignore[return-value]


def show(share: str, asked: int, names: list[str], table: list[tuple], seconds: float | str) -> None:
    """One line a category, and their mean."""
    for name, row in zip([*names, "all"], [*table, tuple(np.mean(table, 0))], strict=True):
        values = ["" if np.isnan(value) else f"{value:.4f}" for value in row]
        print("\t".join([share, str(asked), name, *values, str(seconds) if name == "all" else ""]), flush=True)


def learned(
    learner: Learner, model: dict[str, Filed], asked: list[int], rest: list[int], category: Category
) -> tuple[float, ...]:
    found = learner.file(category, {item: model[category.name][item] for item in asked}, rest)
    first, *several = agreement(by_item(found.rows), model[category.name])
    return (first, found.agreeing / found.checked, *several)


def main(argv: list[str] | None = None) -> None:
    cli = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    cli.add_argument("folder", type=Path, help="results/<scenario>")
    cli.add_argument("--shares", type=float, nargs="+", default=[0.01, 0.03, 0.1, 0.3])
    cli.add_argument("--encoder", default=PACKAGED)
    args = cli.parse_args(argv)
    table, _ = tables.read(args.folder / "items.parquet", "items")
    items, settings = tables.Rows(table), Settings()
    model = answers(args.folder, table["item"].to_pylist())
    categories = [one for one in read_taxonomy(args.folder / "semantics/taxonomy.json") if one.name in model]
    names = [category.name for category in categories]
    limits = (settings.max_characters, settings.max_subcategories, settings.margin)
    encoder = EncoderEngine(items, *limits, name=args.encoder, threads=1)
    texts = [encoder.text(place) for place in range(len(items))]
    print("\t".join(COLUMNS.split()))
    rows = []
    for category in categories:
        first, *several = agreement(by_item(encoder.file(category)), model[category.name])
        rows.append((first, float("nan"), *several))
    show("encoder", 0, names, rows, "")
    learner = Learner(encoder.vectors, texts, table["domain"].to_pylist(), settings.max_subcategories)
    for share in args.shares:
        asked, start = asked_items(items, share), time.process_time()
        rest = sorted(set(range(len(items))) - set(asked))
        rows = [learned(learner, model, asked, rest, category) for category in categories]
        show(f"{share:g}", len(asked), names, rows, round(time.process_time() - start, 1))


if __name__ == "__main__":
    run(main)

"""Taxonomy: the categories that both domains share, each with its subcategories.

Reads   with engine file a taxonomy, as resources/taxonomies/<scenario>.json, which is used as it is; with engine llm
        items.parquet and the prompts: a language model proposes categories from samples of the items of both domains,
        merges the proposals, files other items under them and revises what they do not fit.
Writes  taxonomy.json of the scenario, checked; taxonomy.tsv: with engine llm, how the items of each test were filed.

What the model made is a file like any other: a person may edit it. Its copy in resources/taxonomies stays for good.
"""

import argparse
import csv
import json
from collections.abc import Sequence
from dataclasses import asdict
from hashlib import sha256
from pathlib import Path

from semacdr.llm import options
from semacdr.llm.prompts import Prompt
from semacdr.runtime.cli import log, parser, resolve, run
from semacdr.semantics.categories import Category, read_taxonomy
from semacdr.semantics.induction import PROMPTS, Induction, Settings, Unasked
from semacdr.semantics.naming import Rules, own_names
from semacdr.semantics.sampling import draw
from semacdr.semantics.trial import Row, Trials
from semacdr.storage import tables

CONTEXT = 8192  # tokens that a local model gets: a sample of items, and a taxonomy as its answer


def induce(args: argparse.Namespace) -> tuple[bytes, list[Row], list[str], str] | None:
    """The taxonomy that a language model makes, as JSON; how its tests went; domains; release. None after a dry run."""
    settings = resolve(Settings, args.settings, "taxonomy")
    table, meta = tables.read(args.items, "items")
    items = table.to_pylist()
    samples = draw(items, settings.sizes(), settings.seed)
    domains = sorted({item["domain"] for item in items})
    files = {name: args.prompts / f"{name}.txt" for name in PROMPTS}
    prompts = {name: Prompt(path, PROMPTS[name]) for name, path in files.items()}
    rules = Rules(
        settings.categories, settings.min_subcategories, settings.max_subcategories,
        tuple(own_names(domains, args.avoid)),
    )  # fmt: skip
    trials = Trials(domains, settings.min_subcategories, settings.max_other)
    with options.asker(args, CONTEXT) as asker:
        asking = options.asking(args)
        induction = Induction(asker, asking, settings, prompts, rules, trials)
        try:
            categories = induction.run(samples)
        except Unasked:
            print(f"{options.priced(asker)}\nThat is the next step; up to {settings.most_requests:,} in all.")
            return None
        cost = options.paid(asker, asking.model)
    made_by = {"engine": "llm", "model": asking.model, "weights": asking.weights, "parameters": asking.parameters}
    made_by["prompts"] = {name: sha256(path.read_bytes()).hexdigest()[:12] for name, path in files.items()}
    made_by |= {"settings": asdict(settings), "cost": cost}
    return as_json(meta.get("scenario", ""), made_by, categories), trials.rows, domains, meta["release"]


def as_json(scenario: str, made_by: dict, categories: Sequence[Category]) -> bytes:
    """A taxonomy file as a person would write it."""
    listed = [
        {
            "name": category.name,
            "question": category.question,
            "subcategories": [{"name": name, "description": text} for name, text in category.subcategories],
        }
        for category in categories
    ]
    content = {"scenario": scenario, "made_by": made_by, "categories": listed}
    return (json.dumps(content, indent=2, ensure_ascii=False) + "\n").encode()


def write_report(rows: Sequence[Row], domains: Sequence[str], release: str, path: Path) -> None:
    """Write how the tests went, a line a subcategory; the header alone where there was none."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, delimiter="\t", lineterminator="\n")
        writer.writerow(["test", "category", "subcategory", *domains, "remark", "release"])
        for test, category, name, counts, what in rows:
            writer.writerow([test, category, name, *(counts.get(domain, 0) for domain in domains), what, release])


def arguments(argv: Sequence[str] | None) -> argparse.Namespace:
    """The stage's command line."""
    cli = parser(__doc__)
    cli.add_argument("--engine", choices=["file", "llm"], default="file", help="where the taxonomy comes from")
    cli.add_argument("--taxonomy", type=Path, help="engine file: the file to take")
    cli.add_argument("--items", type=Path, help="engine llm: items.parquet")
    cli.add_argument("--avoid", nargs="*", default=[], help="engine llm: the release's names of the domains")
    cli.add_argument("--settings", type=options.as_json, default={}, help="JSON: of induction.Settings")
    cli.add_argument("--prompts", type=Path, default=Path("resources/prompts"), help="folder of the prompts")
    cli.add_argument("--output", type=Path, help="taxonomy.json")
    cli.add_argument("--report", type=Path, help="taxonomy.tsv")
    options.add_options(cli)
    args = cli.parse_args(argv)
    if not (args.taxonomy if args.engine == "file" else args.items):
        cli.error("engine file needs --taxonomy, engine llm --items")
    if not (args.output or args.dry_run):
        cli.error("give --output; or, with engine llm, --dry-run")
    return args


def main(argv: Sequence[str] | None = None) -> None:
    """Run the stage."""
    args = arguments(argv)
    if args.engine == "llm":
        made = induce(args)
        if made is None:
            return
        content, rows, *told = made
    else:
        read_taxonomy(args.taxonomy)
        content, rows, *told = args.taxonomy.read_bytes(), [], [], ""
    args.output.parent.mkdir(parents=True, exist_ok=True)
    args.output.write_bytes(content)
    if args.report:
        write_report(rows, *told, args.report)
    categories = read_taxonomy(args.output)
    counts = ", ".join(f"{category.name} ({len(category.subcategories)})" for category in categories)
    log.info("%d categories: %s", len(categories), counts)


if __name__ == "__main__":
    run(main)

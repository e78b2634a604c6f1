"""Taxonomy: the categories that both domains share, each with its subcategories.

Reads   engine file: a taxonomy, such as resources/taxonomies/<scenario>.json, which is used as it is;
        engine llm: items.parquet and the prompts. A language model proposes categories from samples of items of both
        domains, merges the proposals, files other items under them and revises categories that fit too few;
        engine columns: items.parquet and attributes.parquet. Category columns of the user's tables (genre, topic)
        become categories, and their values subcategories. No model is asked.
Writes  taxonomy.json of the scenario, checked; taxonomy.tsv: with engine llm, the results of each test; with engine
        columns, how many items of each domain have each value.

A taxonomy made by a model may be edited by hand: copy it to resources/taxonomies and use engine file.
"""

import argparse
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import Annotated, Any, Literal

from semacdr.errors import UserError
from semacdr.llm import session
from semacdr.llm.prompts import Prompt
from semacdr.runtime.cli import log, parser, run
from semacdr.runtime.settings import Bounds, Count, Natural, Share, add_flags, from_flags, setting
from semacdr.semantics.categories import Category, prompt_name, read_taxonomy
from semacdr.semantics.column_categories import attribute_rows, column_categories, read_attributes
from semacdr.semantics.column_settings import check_columns
from semacdr.semantics.induction import PROMPTS, Induction, Unasked
from semacdr.semantics.naming import Rules, domain_names
from semacdr.semantics.sampling import draw
from semacdr.semantics.trial import TrialRow, Trials
from semacdr.stages._llm import add_llm_flags, llm_from_flags
from semacdr.storage import tables, tsv

NEEDS = {"file": ("taxonomy",), "llm": ("items",), "columns": ("items", "attributes")}  # options of each engine
OF_COLUMNS = ("columns", "values", "min_value_items")  # settings of engine columns
CONTEXT = 8192  # tokens for a local model: a sample of items as the prompt, a taxonomy as the answer


@dataclass(frozen=True)
class Settings:
    """How the taxonomy is made; each setting except `engine` matters for one engine."""

    engine: Literal["file", "llm", "columns"] = setting(
        "file",
        "file: use a taxonomy file; llm: a language model makes one; columns: category columns of your tables are the "
        "categories (this is the default where `columns` is given)",
    )
    file: str = setting(
        "resources/taxonomies/{scenario}.json", "engine file: the taxonomy file of a scenario", engine="file"
    )
    columns: dict[str, str] = setting(
        {}, "engine columns: by domain.column the category that it gives, as {song.genre: genre}", engine="columns"
    )
    values: dict[str, dict[str, str | None]] = setting(
        {},
        "engine columns: by category and value the subcategory, as {genre: {Hip Hop: hip-hop}}; null: the value says"
        " nothing; a value that is not listed keeps its name",
        engine="columns",
    )
    min_value_items: Count = setting(
        1, "engine columns: fewest items of a value; rarer ones become Other", engine="columns"
    )
    kind: Literal["categories", "vocabulary"] = setting(
        "categories",
        "categories: questions that can be asked of every item; vocabulary: facets and terms that describe what people"
        " like and why (motive, tone, world, commitment), for domains without shared users",
        engine="llm",
    )
    categories: Count = setting(5, "number of categories, or facets", engine="llm")
    min_subcategories: Annotated[int, Bounds(2)] = setting(
        4, "minimum number of subcategories of a category, besides Other", engine="llm"
    )
    max_subcategories: Annotated[int, Bounds(2)] = setting(
        12, "maximum number of subcategories of a category, besides Other", engine="llm"
    )
    samples: Count = setting(3, "samples to propose from; the proposals are merged", engine="llm")
    items_per_sample: Annotated[int, Bounds(2)] = setting(24, "items of a sample", engine="llm")
    max_characters: Annotated[int, Bounds(20)] = setting(
        300, "maximum number of characters of an item's description in a sample", engine="llm"
    )
    test_items: Annotated[int, Bounds(2)] = setting(
        60, "items that each test files; other items for each test", engine="llm"
    )
    revision_rounds: Natural = setting(2, "maximum number of revision rounds, each followed by a test", engine="llm")
    max_other: Share = setting(
        0.1, "share of test items that may fit only Other; above it a category is revised", engine="llm"
    )
    max_unfiled_share: Share = setting(
        0.5, "share of test items without a conforming answer; above it the stage stops", engine="llm"
    )
    answer_attempts: Count = setting(3, "attempts until an answer conforms, each with another seed", engine="llm")
    seed: Natural = setting(0, "seed of the samples", engine="llm")

    def most_requests(self) -> int:
        """The most requests that a taxonomy takes if every answer conforms."""
        tests = (self.revision_rounds + 1) * self.test_items
        return self.samples + 1 + tests + self.revision_rounds * self.categories

    def sizes(self) -> list[int]:
        """The sizes of all samples: those to propose from, then those of the tests."""
        return [self.items_per_sample] * self.samples + [self.test_items] * (self.revision_rounds + 1)


@dataclass(frozen=True)
class Taxonomy:
    """A taxonomy file and the report of its tests, which a taxonomy from a file does not have."""

    content: bytes
    tests: Sequence[TrialRow] = ()
    domains: Sequence[str] = field(default_factory=list)
    release: str = ""


def induce(args: argparse.Namespace, settings: Settings) -> Taxonomy | None:
    """The taxonomy that a language model makes; None after a dry run. A UserError where none can be made."""
    if settings.max_subcategories < settings.min_subcategories:
        raise UserError(
            f"taxonomy.max_subcategories {settings.max_subcategories} is below min_subcategories "
            f"{settings.min_subcategories}"
        )
    llm, options = llm_from_flags(args)
    table, meta = tables.read(args.items, "items")
    items = table.to_pylist()
    samples = draw(items, settings.sizes(), settings.seed)
    domains = sorted({item["domain"] for item in items})
    files = {step: Path(options.prompts, f"{prompt_name(step, settings.kind)}.txt") for step in PROMPTS}
    prompts = {step: Prompt(path, PROMPTS[step]) for step, path in files.items()}
    names = tuple(domain_names(domains, args.avoid))
    rules = Rules(settings.categories, settings.min_subcategories, settings.max_subcategories, names)
    trials = Trials(domains, settings.min_subcategories, settings.max_other)
    with session.open_asker(llm, options, args.dry_run, CONTEXT) as asker:
        asking = session.open_asking(llm, options)
        induction = Induction(
            asker, asking, proposals=settings.samples, items_per_sample=settings.items_per_sample,
            revision_rounds=settings.revision_rounds, max_unfiled_share=settings.max_unfiled_share,
            max_characters=settings.max_characters, answer_attempts=settings.answer_attempts,
            prompts=prompts, rules=rules, trials=trials,
        )  # fmt: skip
        try:
            categories = induction.run(samples)
        except Unasked:
            print(f"{session.quote_text(asker)}\nThis is the next step; all take up to {settings.most_requests():,}.")
            return None
        cost = session.paid(asker, asking.model)
    made_by = {"engine": "llm", "model": asking.model, "weights": asking.weights, "parameters": asking.parameters}
    made_by["prompts"] = {path.stem: sha256(path.read_bytes()).hexdigest()[:12] for path in files.values()}
    made_by |= {"settings": asdict(settings), "cost": cost}
    return Taxonomy(
        as_json(meta.get("scenario", ""), made_by, list(map(listed, categories))), trials.rows, domains, meta["release"]
    )


def from_columns(args: argparse.Namespace, settings: Settings) -> Taxonomy:
    """The taxonomy that category columns give; a UserError where they give none. Problems are logged as warnings."""
    items, meta = tables.read(args.items, "items")
    attributes, _ = read_attributes(args.attributes, meta)
    domains = sorted(set(items["domain"].to_pylist()))
    check_columns(settings.columns, settings.values, domains)
    rows = attribute_rows(attributes, items)
    made, warnings = column_categories(rows, settings.columns, settings.values, settings.min_value_items)
    for warning in warnings:
        log.warning("%s", warning)
    made_by = {"engine": "columns", "settings": {name: getattr(settings, name) for name in OF_COLUMNS}}
    content = as_json(meta.get("scenario", ""), made_by, [category.as_json() for category in made])
    tests: list[TrialRow] = []
    for category in made:
        for name, counts in category.items.items():
            domain = category.only_in(name)
            tests.append((0, category.name, name, counts, f"in {domain} only" if domain else ""))
    return Taxonomy(content, tests, domains, meta["release"])


def listed(category: Category) -> dict[str, Any]:
    """A category as a taxonomy file holds it."""
    subcategories = [{"name": name, "description": text} for name, text in category.subcategories]
    return {"name": category.name, "question": category.question, "subcategories": subcategories}


def as_json(scenario: str, made_by: dict[str, Any], categories: Sequence[dict[str, Any]]) -> bytes:
    """The content of a taxonomy file, indented for editing."""
    content = {"scenario": scenario, "made_by": made_by, "categories": categories}
    return (json.dumps(content, indent=2, ensure_ascii=False) + "\n").encode()


def write_tests(taxonomy: Taxonomy, path: Path) -> None:
    """Write the results of the tests, one subcategory per line; only the header if there was no test."""
    lines = [["test", "category", "subcategory", *taxonomy.domains, "remark", "release"]]
    for test, category, name, counts, remark in taxonomy.tests:
        numbers = [str(counts.get(domain, 0)) for domain in taxonomy.domains]
        lines.append([str(test), category, name, *numbers, " ".join(remark.split()), taxonomy.release])
    tsv.write(path, "".join("\t".join(line) + "\n" for line in lines))


def arguments(argv: Sequence[str] | None) -> argparse.Namespace:
    """The stage's command line."""
    cli = parser(__doc__)
    cli.add_argument("--taxonomy", type=Path, help="engine file: the file to take")
    cli.add_argument("--items", type=Path, help="engine llm or columns: items.parquet")
    cli.add_argument("--attributes", type=Path, help="engine columns: attributes.parquet")
    cli.add_argument("--avoid", nargs="*", default=[], help="engine llm: names of the domains in the release")
    cli.add_argument("--output", type=Path, help="taxonomy.json")
    cli.add_argument("--report", type=Path, help="taxonomy.tsv")
    add_flags(cli, Settings)
    add_llm_flags(cli)
    args = cli.parse_args(argv)
    if not (args.output or args.dry_run):
        cli.error("give --output; or, with engine llm, --dry-run")
    return args


def main(argv: Sequence[str] | None = None) -> None:
    """Run the stage."""
    args = arguments(argv)
    settings = from_flags(args, Settings, "taxonomy")
    for name in [name for name in NEEDS[settings.engine] if getattr(args, name) is None]:
        raise UserError(f"stage taxonomy: engine {settings.engine} needs --{name}")
    if settings.engine == "llm":
        taxonomy = induce(args, settings)
    elif settings.engine == "columns":
        taxonomy = from_columns(args, settings)
    else:
        read_taxonomy(args.taxonomy)
        taxonomy = Taxonomy(args.taxonomy.read_bytes())
    if taxonomy is None:  # a dry run
        return
    args.output.parent.mkdir(parents=True, exist_ok=True)
    args.output.write_bytes(taxonomy.content)
    if args.report:
        write_tests(taxonomy, args.report)
    categories = read_taxonomy(args.output)
    counts = ", ".join(f"{category.name} ({len(category.subcategories)})" for category in categories)
    log.info("%d categories: %s", len(categories), counts)


if __name__ == "__main__":
    run(main)

"""Taxonomy: the categories that both domains share, each with its subcategories.

Reads   a taxonomy file, as resources/taxonomies/<scenario>.json: a list of categories, each with a name, a question and
        subcategories (name, description).
Writes  taxonomy.json of the scenario, checked. A person may edit the file that is read; it is used as it is.
"""

import argparse
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from semacdr.cli import log, parser, run
from semacdr.errors import UserError


def arguments(argv: Sequence[str] | None) -> argparse.Namespace:
    """The stage's command line."""
    cli = parser(__doc__)
    cli.add_argument("--taxonomy", type=Path, required=True, help="the file to take")
    cli.add_argument("--output", type=Path, required=True, help="taxonomy.json")
    return cli.parse_args(argv)


def main(argv: Sequence[str] | None = None) -> None:
    """Run the stage."""
    args = arguments(argv)
    categories = read_taxonomy(args.taxonomy)
    args.output.parent.mkdir(parents=True, exist_ok=True)
    args.output.write_bytes(args.taxonomy.read_bytes())
    counts = ", ".join(f"{category.name} ({len(category.subcategories)})" for category in categories)
    log.info("%d categories: %s", len(categories), counts)


if __name__ == "__main__":
    run(main)

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


@dataclass(frozen=True)
class Category:
    """A high-level category: its name, the question it answers, its subcategories as (name, description)."""

    name: str
    question: str
    subcategories: tuple[tuple[str, str], ...]


def read_taxonomy(path: Path) -> list[Category]:
    """The categories of a taxonomy file; a UserError says what in it is wrong."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        categories = [
            Category(
                c["name"],
                c.get("question", ""),
                tuple((s["name"], s.get("description", "")) for s in c["subcategories"]),
            )
            for c in content["categories"]
        ]
    except FileNotFoundError as error:
        raise UserError(f"{path}: no such taxonomy; write one, with the others there as an example") from error
    except OSError as error:
        raise UserError(f"{path}: cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise UserError(f"{path}: not UTF-8: {error}") from error
    except json.JSONDecodeError as error:
        raise UserError(f"{path}: line {error.lineno}: not JSON: {error.msg}") from error
    except (KeyError, TypeError, AttributeError) as error:
        raise UserError(f"{path}: needs categories with name and subcategories with name; missing: {error}") from error
    _check(path, [category.name for category in categories], "category", least=1)
    for category in categories:
        _check(path, [name for name, _ in category.subcategories], f"subcategory of '{category.name}'", least=2)
        for name, text in category.subcategories:
            if not isinstance(text, str):
                raise UserError(f"{path}: the description of '{name}' is {text!r}, not a text")
    return categories


def _check(path: Path, names: list, what: str, least: int) -> None:
    if len(names) < least:
        raise UserError(f"{path}: fewer than {least} entries: {what}")
    for name in names:
        if not isinstance(name, str) or not name.strip():
            raise UserError(f"{path}: the name of a {what} is {name!r}, not a text")
        if names.count(name) > 1:
            raise UserError(f"{path}: '{name}' stands twice: {what}")


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

"""Taxonomies: the categories that both domains share, read from a JSON file.

A file is a JSON object with a list `categories`; each has a name, a question and subcategories (name, description).
A category that was made from columns of the user's tables also has `columns`, such as ["songs.genre"], and its
subcategories `values`: by column the values that belong to them. Other keys are ignored. Files are in
resources/taxonomies and results/<scenario>/semantics.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from semacdr.errors import UserError

OTHER = "Other"  # the subcategory for items that fit no other


@dataclass(frozen=True)
class Category:
    """A high-level category: its name, the question it answers, its subcategories as (name, description).

    `values`: by column (as domain.column) and folded value its subcategory; empty where no column gives the category.
    """

    name: str
    question: str
    subcategories: tuple[tuple[str, str], ...]
    values: Mapping[str, Mapping[str, str]] = field(default_factory=dict, hash=False)


def prompt_name(step: str, kind: str) -> str:
    """The name of the prompt for a step of making a taxonomy of a kind; every kind files items by the same one."""
    return step if step == "structured" else f"{'taxonomy' if kind == 'categories' else kind}_{step}"


def folded(value: str) -> str:
    """A value as it is compared: without outer and double blanks, and without regard to upper and lower case."""
    return " ".join(value.split()).casefold()


def read_taxonomy(path: Path) -> list[Category]:
    """The categories of a taxonomy file; a UserError names what is wrong in it."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        categories = [
            Category(
                c["name"],
                c.get("question", ""),
                tuple((s["name"], s.get("description", "")) for s in c["subcategories"]),
                _values(path, c),
            )
            for c in content["categories"]
        ]
    except FileNotFoundError as error:
        raise UserError(
            f"{path}: no such taxonomy; write one like those in resources/taxonomies, or set taxonomy.engine to llm"
        ) from error
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


def _values(path: Path, category: Mapping[str, Any]) -> dict[str, dict[str, str]]:
    """By column and folded value the subcategory, as a file states them for each subcategory."""
    found: dict[str, dict[str, str]] = {column: {} for column in category.get("columns", [])}
    for subcategory in category["subcategories"]:
        for column, values in subcategory.get("values", {}).items():
            for value in values:
                first = found[column].setdefault(folded(value), subcategory["name"])
                if first != subcategory["name"]:
                    raise UserError(
                        f"{path}: value '{value}' of column {column} is of two subcategories of '{category['name']}': "
                        f"'{first}' and '{subcategory['name']}'"
                    )
    return found


def _check(path: Path, names: list, what: str, least: int) -> None:
    if len(names) < least:
        raise UserError(f"{path}: fewer than {least} entries: {what}")
    for name in names:
        if not isinstance(name, str) or not name.strip():
            raise UserError(f"{path}: the name of a {what} is {name!r}, not a text")
        if names.count(name) > 1:
            raise UserError(f"{path}: '{name}' occurs twice: {what}")

"""Rules for a taxonomy that a language model makes: the form of its answers, its names, and their number."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from pydantic import BaseModel

from semacdr.llm.prompts import clean
from semacdr.llm.requests import Answer
from semacdr.semantics.categories import OTHER, Category
from semacdr.semantics.filing import parsed

MOST_NAME, MOST_TEXT = 50, 200  # characters
_MEANT = ("none", "none of these", "none of the above", "miscellaneous", "everything else", "anything else", "unknown")
_SEPARATORS = re.compile(r"[,:;|/\"]")  # prompts use some of them between names


class _Strict(BaseModel, extra="forbid"):
    name: str


class _Subcategory(_Strict):
    description: str


class _Category(_Strict):
    question: str
    subcategories: list[_Subcategory]


class _Categories(BaseModel, extra="forbid"):
    categories: list[_Category]


def response_format() -> dict[str, Any]:
    """The response format that allows only a list of categories.

    It does not limit their number, because many endpoints refuse a schema with minItems or maxItems.
    """
    text = {"type": "string"}
    subcategory = _object(name=text, description=text)
    category = _object(name=text, question=text, subcategories={"type": "array", "items": subcategory})
    schema = _object(categories={"type": "array", "items": category})
    return {"type": "json_schema", "json_schema": {"name": "taxonomy", "strict": True, "schema": schema}}


def _object(**properties: dict) -> dict[str, Any]:
    return {"type": "object", "properties": properties, "required": list(properties), "additionalProperties": False}


def words(name: str) -> list[str]:
    """The words of a name in lower case and singular, without punctuation, for comparing names."""
    plain = re.sub(r"['’`]", "", name.casefold()).replace("&", " and ")
    return [_singular(word) for word in re.findall(r"[^\W_]+", plain)]


def _singular(word: str) -> str:
    """A form shared by singular and plural; it need not be a word."""
    if len(word) > 2 and word.endswith("s") and not word.endswith(("ss", "us", "is")):
        word = word[:-1]
    if len(word) > 3 and word.endswith("ie"):
        return f"{word[:-2]}y"
    return word[:-1] if len(word) > 3 and word.endswith(("xe", "ze", "che", "she", "se")) else word


def same(name: str) -> str:
    """A key that is equal for names that differ only in case, plural, spaces and punctuation."""
    return "".join(words(name))


def domain_names(domains: Iterable[str], releases: Iterable[str]) -> list[str]:
    """The names of the domains: their own, and the parts of the release's names, such as `Movies_and_TV`."""
    parts = (part for name in releases for part in re.split(r"[\s_]+(?:and|&)[\s_]+", name.strip("_ ")))
    names = [name.replace("_", " ") for name in (*domains, *parts) if words(name)]
    first: dict[str, str] = {}
    for name in names:
        first.setdefault(same(name), name)
    return list(first.values())


@dataclass(frozen=True)
class Rules:
    """How many categories and subcategories (besides `Other`) there may be, and the names of the domains."""

    categories: int
    least: int
    most: int
    domain_names: tuple[str, ...]

    def judge(self, answer: Answer) -> tuple[list[Category] | None, str]:
        """The taxonomy in an answer and "", or None and the broken rule."""
        categories, why = parse_categories(answer)
        if categories and len(categories) != self.categories:
            return None, f"{len(categories)} categories, not {self.categories}"
        return self._checked(categories, why)

    def judge_one(self, answer: Answer, others: Sequence[Category]) -> tuple[Category | None, str]:
        """The only category in an answer, checked with the others, and ""; or None and the broken rule."""
        found, why = parse_categories(answer)
        if found and len(found) != 1:
            return None, f"{len(found)} categories, not 1"
        checked, why = self._checked(found and [*others, *found], why)
        return (checked[-1] if checked else None), why

    def _checked(self, categories: list[Category] | None, why: str) -> tuple[list[Category] | None, str]:
        if categories is not None:
            why = self.fault(categories)
        return (None, why) if why else (categories, "")

    def fault(self, categories: Sequence[Category]) -> str:
        """The first broken rule in words; empty if the categories keep all rules."""
        seen: dict[str, str] = {}  # subcategories of all categories
        heads: dict[str, str] = {}
        for category in categories:
            names = [name for name, _ in category.subcategories if name != OTHER]
            if not self.least <= len(names) <= self.most:
                return f"{len(names)} subcategories of '{category.name}', not {self.least} to {self.most}"
            for known, some in ((heads, [category.name]), (seen, names)):
                for name in some:
                    if fault := self._name(name) or _again(name, known):
                        return fault
                    known[same(name)] = name
        return ""

    def _name(self, name: str) -> str:
        """The rule that a name breaks; empty if none."""
        if not same(name) or len(name) > MOST_NAME or _SEPARATORS.search(name):
            return f"'{name}' is no short name without punctuation"
        text = f" {' '.join(words(name))} "
        return next(
            (f"'{name}' is named after '{own}'" for own in self.domain_names if f" {' '.join(words(own))} " in text), ""
        )


def _again(name: str, known: dict[str, str]) -> str:
    first = known.get(same(name))
    return f"'{name}' and '{first}' are the same name" if first else ""


def parse_categories(answer: Answer) -> tuple[list[Category] | None, str]:
    """The categories in an answer, each with `Other` last, and ""; or None and why there are none."""
    found, why = parsed(answer, _Categories)
    if found is None:
        return None, "cut off at its limit of tokens" if answer.finish == "length" else why
    if not found.categories:
        return None, "no categories"
    categories = [
        Category(
            _name(category.name),
            f"{clean(category.question, MOST_TEXT).rstrip('?. ')}?",
            tuple((_name(s.name), clean(s.description, MOST_TEXT)) for s in category.subcategories),
        )
        for category in found.categories
    ]
    return [with_other(category) for category in categories], ""


def _name(text: str) -> str:
    """A name as the file holds it. A name that is too long is not shortened, so it is refused later."""
    name = clean(text, MOST_NAME + 1).strip("*#. ")
    return name[:1].upper() + name[1:]


def with_other(category: Category) -> Category:
    """The category with `Other` once, as its last subcategory, whatever the model called it."""
    meant = {same(name) for name in (OTHER, f"{OTHER} {category.name}", *_MEANT)}
    others = [text for name, text in category.subcategories if same(name) in meant]
    named = tuple(pair for pair in category.subcategories if same(pair[0]) not in meant)
    text = next(filter(None, others), "none of these")
    return replace(category, subcategories=(*named, (OTHER, text)))

"""What a taxonomy must be that a language model makes: the form of its answers, and the rules for names and numbers."""

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
_SEPARATORS = re.compile(r"[,:;|/\"]")  # prompts list names with some of them


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
    """The response format that holds an answer to a list of categories.

    How many there may be it does not say: many endpoints refuse a schema with minItems or maxItems.
    """
    text = {"type": "string"}
    subcategory = _object(name=text, description=text)
    category = _object(name=text, question=text, subcategories={"type": "array", "items": subcategory})
    schema = _object(categories={"type": "array", "items": category})
    return {"type": "json_schema", "json_schema": {"name": "taxonomy", "strict": True, "schema": schema}}


def _object(**properties: dict) -> dict[str, Any]:
    return {"type": "object", "properties": properties, "required": list(properties), "additionalProperties": False}


def words(name: str) -> list[str]:
    """The words of a name without case, punctuation and plural: equal ones are the same word to a reader."""
    plain = re.sub(r"['’`]", "", name.casefold()).replace("&", " and ")
    return [_singular(word) for word in re.findall(r"[^\W_]+", plain)]


def _singular(word: str) -> str:
    """A form that singular and plural share; not always a word."""
    if len(word) > 2 and word.endswith("s") and not word.endswith(("ss", "us", "is")):
        word = word[:-1]
    if len(word) > 3 and word.endswith("ie"):
        return f"{word[:-2]}y"
    return word[:-1] if len(word) > 3 and word.endswith(("xe", "ze", "che", "she", "se")) else word


def same(name: str) -> str:
    """What two names have in common that differ at most in case, plural, spaces and punctuation."""
    return "".join(words(name))


def own_names(domains: Iterable[str], releases: Iterable[str]) -> list[str]:
    """The names that stand for one domain: its own, and the parts of what the release calls it, as `Movies_and_TV`."""
    parts = (part for name in releases for part in re.split(r"[\s_]+(?:and|&)[\s_]+", name.strip("_ ")))
    names = [name.replace("_", " ") for name in (*domains, *parts) if words(name)]
    first: dict[str, str] = {}
    for name in names:
        first.setdefault(same(name), name)
    return list(first.values())


@dataclass(frozen=True)
class Rules:
    """How many categories and subcategories (beside `Other`) there may be, and which names are a domain's own."""

    categories: int
    least: int
    most: int
    own: tuple[str, ...]

    def judge(self, answer: Answer) -> tuple[list[Category] | None, str]:
        """The whole taxonomy of an answer, or None and why it cannot be taken."""
        categories, why = read(answer)
        if categories and len(categories) != self.categories:
            return None, f"{len(categories)} categories, not {self.categories}"
        return self._checked(categories, why)

    def judge_one(self, answer: Answer, others: Sequence[Category]) -> tuple[Category | None, str]:
        """The one category of an answer, to stand beside the others; or None and why it cannot be taken."""
        found, why = read(answer)
        if found and len(found) != 1:
            return None, f"{len(found)} categories, not 1"
        found, why = self._checked(found and [*others, *found], why)
        return found and found[-1], why

    def _checked(self, categories: list[Category] | None, why: str) -> tuple[list[Category] | None, str]:
        why = why or self.fault(categories)
        return (None, why) if why else (categories, "")

    def fault(self, categories: Sequence[Category]) -> str:
        """The first thing that is wrong with the categories; empty where all is well."""
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
        """What is wrong with a name."""
        if not same(name) or len(name) > MOST_NAME or _SEPARATORS.search(name):
            return f"'{name}' is no short name without punctuation"
        text = f" {' '.join(words(name))} "
        return next((f"'{name}' is named after '{own}'" for own in self.own if f" {' '.join(words(own))} " in text), "")


def _again(name: str, known: dict[str, str]) -> str:
    first = known.get(same(name))
    return f"'{name}' and '{first}' are the same name" if first else ""


def read(answer: Answer) -> tuple[list[Category] | None, str]:
    """The categories of an answer, tidied and each with `Other` at its end; or None and why there are none."""
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
    """A name as it stands in the file; one that is too long stays so, and is refused."""
    name = clean(text, MOST_NAME + 1).strip("*#. ")
    return name[:1].upper() + name[1:]


def with_other(category: Category) -> Category:
    """The category with `Other` as its last subcategory, once, whatever the model called it."""
    meant = {same(name) for name in (OTHER, f"{OTHER} {category.name}", *_MEANT)}
    others = [text for name, text in category.subcategories if same(name) in meant]
    named = tuple(pair for pair in category.subcategories if same(pair[0]) not in meant)
    text = next(filter(None, others), "none of these")
    return replace(category, subcategories=(*named, (OTHER, text)))

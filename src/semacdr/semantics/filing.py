"""File items under subcategories: by scores, by log-probabilities of letters, or by a JSON object with a schema."""

import re
import string
from collections.abc import Callable, Sequence
from typing import Annotated, Any, Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, ValidationError, create_model

from semacdr.errors import UserError
from semacdr.llm.requests import Answer
from semacdr.semantics.categories import Category
from semacdr.semantics.quality import ONLY_THOUGHTS, without_thoughts

_FENCED = re.compile(r"\A\s*```[a-zA-Z]*\s*\n(.*?)\n?\s*```\s*\Z", re.DOTALL)
MOST_OPTIONS = 20  # endpoints give the log-probabilities of 20 tokens at most


def lettered(category: Category) -> str:
    """The options of a category, one per line after its letter; a UserError if there are too many."""
    names = [name for name, _ in category.subcategories]
    if len(names) > MOST_OPTIONS:
        raise UserError(
            f"taxonomy: '{category.name}' has {len(names)} subcategories; semantics.method letters takes up to "
            f"{MOST_OPTIONS}, structured any number"
        )
    return "\n".join(f"{letter}. {name}" for letter, name in zip(string.ascii_uppercase, names, strict=False))


def letter_scores(answer: Answer, options: int) -> tuple[np.ndarray | None, str]:
    """(options,) log-probabilities of the letters, normalised, and ""; or None and why there are none.

    A letter that is not among the returned tokens gets the probability of the least likely one of them.
    """
    if answer.refusal or not answer.scores:
        return None, "refused" if answer.refusal else "no log-probabilities"
    scores = np.full(options, -np.inf)
    for token, score in answer.scores.items():
        letter = token.strip(" .):▁Ġ")
        if len(letter) == 1 and letter in string.ascii_uppercase[:options]:
            place = ord(letter) - ord("A")
            scores[place] = np.logaddexp(scores[place], score)
    if np.isfinite(scores).sum() < min(2, options):
        return None, "no letters among the most likely tokens"
    scores = np.where(np.isfinite(scores), scores, min(answer.scores.values()))
    return scores - np.logaddexp.reduce(scores), ""


def calibrated(scores: np.ndarray, share: float = 1.0, groups: np.ndarray | None = None) -> np.ndarray:
    """(items, options) scores minus a share of each option's mean over all items, or over those of the same group.

    The mean is what an option gets for any item: for its wording, its position, or a bias of the model.
    """
    scores, groups = np.array(scores), np.zeros(len(scores)) if groups is None else groups
    for group in np.unique(groups):
        scores[groups == group] -= share * scores[groups == group].mean(0)
    return scores


def choose(scores: np.ndarray, most: int, margin: float) -> tuple[list[int], list[int]]:
    """Item and option of each assignment from (items, options) scores, the best option of an item first.

    An item gets up to `most` options whose score is within `margin` of its best; of equal ones the earlier.
    """
    order = np.argsort(-scores, axis=1, kind="stable")[:, :most]
    taken = np.take_along_axis(scores, order, axis=1)
    item, place = np.nonzero(taken >= taken[:, :1] - margin)
    return item.tolist(), order[item, place].tolist()


def listing(categories: Sequence[Category]) -> str:
    """The categories for a prompt, one per line with its subcategories."""
    return "\n".join(
        f"{category.name}: {', '.join(name for name, _ in category.subcategories)}" for category in categories
    )


def schema(categories: Sequence[Category]) -> dict[str, Any]:
    """The response format: an object with one list of known subcategories for each category."""
    properties = {
        category.name: {
            "type": "array",
            "items": {"type": "string", "enum": [name for name, _ in category.subcategories]},
        }
        for category in categories
    }
    content = {
        "type": "object",
        "properties": properties,
        "required": list(properties),
        "additionalProperties": False,
    }
    return {"type": "json_schema", "json_schema": {"name": "filing", "strict": True, "schema": content}}


def filing_parser(categories: Sequence[Category], most: int) -> Callable[[Answer], tuple[list[list[str]] | None, str]]:
    """A function from an answer to its subcategories, one list a category, or None and why it does not conform."""
    fields: dict[str, Any] = {
        f"field{place}": (
            Annotated[list[Literal[tuple(name for name, _ in category.subcategories)]], Field(min_length=1)],  # type: ignore[misc]
            Field(alias=category.name),
        )
        for place, category in enumerate(categories)
    }
    model = create_model("Filing", __config__=ConfigDict(extra="forbid"), **fields)

    def parse(answer: Answer) -> tuple[list[list[str]] | None, str]:
        filed, why = parsed(answer, model)
        return filed and [list(dict.fromkeys(getattr(filed, name)))[:most] for name in fields], why

    return parse


def parsed(answer: Answer, model: type[BaseModel]) -> tuple[Any, str]:
    """The answer's JSON object as `model` and "", or None and why it does not conform.

    Reasoning before the object and a code fence around it are removed first.
    """
    if answer.refusal or answer.finish == "content_filter":
        return None, "refused"
    text = without_thoughts(answer.text or "")
    if text is None:
        return None, ONLY_THOUGHTS
    if not text.strip():
        return None, "empty"
    try:
        return model.model_validate_json(_FENCED.sub(r"\1", text)), ""
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        return None, f"off the schema: {'.'.join(map(str, first['loc']))} {first['msg']}".replace("\n", " ")

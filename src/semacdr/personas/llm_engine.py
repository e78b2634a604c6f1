"""Engine `llm`: a language model weighs the terms of the vocabulary for each user and describes the user in sentences.

Source: SPHERE (arXiv 2606.01783), whose prompt is not public. One request per user and domain, with the last training
events there. An answer is a JSON object under a schema. It conforms if all terms are in the vocabulary and each facet
has a weight; the sentences must be plain and name no domain, no title that was shown, and no number, as such a text
could be found again instead of compared. If an answer does not conform, the request is repeated with another seed.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, create_model

from semacdr.llm.asker import Asker
from semacdr.llm.attempts import Reasons, until_good
from semacdr.llm.prompts import Prompt, clean
from semacdr.llm.requests import Answer, Asking, Request
from semacdr.personas.vocabulary import Filing, Vocabulary
from semacdr.runtime.settings import Bounds, Count, Share, setting
from semacdr.semantics.filing import parsed
from semacdr.semantics.quality import prose

NAMES = {"facets", "items", "words"}  # the $names that the prompt may use
FEW = 8  # letters; a title of one word must have as many to be recognised in a text
TOKENS = 40  # of an answer for each term of a facet, at most


@dataclass(frozen=True)
class LlmSettings:
    """What engine llm shows of a user, and how it validates answers."""

    items: Count = setting(20, "last training events of a user that are shown")
    fields: Annotated[tuple[Literal["title", "brand", "categories", "terms"], ...], Bounds(1)] = setting(
        ("title", "terms"), "what is shown of an item; terms: those of the vocabulary it is filed under"
    )
    max_characters: Annotated[int, Bounds(20)] = setting(120, "maximum number of characters of a shown field")
    max_words: Annotated[int, Bounds(10)] = setting(60, "maximum number of words of the sentences")
    answer_attempts: Count = setting(3, "attempts until an answer conforms, each with another seed")
    max_fallback_share: Share = setting(
        0.2, "share of personas that may fall back to engine compose; above it the stage stops"
    )


@dataclass(frozen=True)
class Described:
    """What a conforming answer says: weights (T,) f32 that sum to 1 in each facet, and the sentences."""

    weights: np.ndarray
    text: str


@dataclass
class PersonaEngine:
    """Asks for personas; `shown`: for each one the items of its last training events, the latest last."""

    items: Sequence[dict]
    shown: Sequence[Sequence[int]]
    names: Sequence[str]  # of the personas, for messages
    domains: Sequence[str]  # names that no text may have
    vocabulary: Vocabulary
    filing: Filing
    asker: Asker
    asking: Asking
    settings: LlmSettings

    def describe(self, prompt: Prompt, attempts: int) -> tuple[dict[int, Described], dict[int, int], Reasons]:
        """The conforming answers by persona, the attempt (from 0) of each, and why other personas have none."""
        settings, facets = self.settings, self.vocabulary.facets
        listing = "\n".join(f"{facet}: {'; '.join(terms)}" for facet, terms in facets)
        response, model = schema(self.vocabulary), answer_model(self.vocabulary)
        limit = 2 * settings.max_words + 3 * TOKENS * len(facets)

        def build(index: int, attempt: int) -> Request:
            lines = "\n".join(f"- {self.line(item)}" for item in self.shown[index])
            messages = prompt.messages(facets=listing, items=lines, words=str(settings.max_words))
            what = f"the persona of {self.names[index]}"
            return self.asking.request(what, messages, attempt, limit, response_format=response)

        def judge(index: int, answer: Answer) -> tuple[Described | None, str]:
            content, why = parsed(answer, model)
            if content is None:
                return None, why
            text, why = prose(Answer(text=content.sentences), settings.max_words)
            why = why or self._reveals(text or "", index)
            if why:
                return None, f"sentences: {why}"
            return weighed(content, self.vocabulary, text or "")

        return until_good(self.asker, attempts, range(len(self.shown)), build, judge)

    def line(self, item: int) -> str:
        """What is shown of an item."""
        row, most = self.items[item], self.settings.max_characters
        chosen = slice(self.filing.start[item], self.filing.start[item + 1])
        terms = [": ".join(self.vocabulary.terms[term]) for term in self.filing.term[chosen]]
        values = {
            "title": row["title"],
            "brand": row["brand"] and f"by {row['brand']}",
            "categories": ", ".join(row["categories"] or ()),
        }
        known = {name: clean(value, most) for name, value in values.items() if value} | {"terms": "; ".join(terms)}
        return " | ".join(known[name] for name in self.settings.fields if known.get(name)) or "(unknown)"

    def _reveals(self, text: str, index: int) -> str:
        """What a text names that it must not; empty if nothing."""
        folded = text.casefold()
        if re.search(r"\d", text):
            return "a number"
        for domain in self.domains:
            if re.search(rf"\b{re.escape(domain.casefold())}s?\b", folded):
                return "a domain's name"
        for item in self.shown[index]:
            title = clean(self.items[item]["title"] or "", self.settings.max_characters).casefold()
            long = len(title.split()) > 1 or len(title) >= FEW
            if long and re.search(rf"(?<!\w){re.escape(title)}(?!\w)", folded):
                return "the title of an item"
        return ""


def schema(vocabulary: Vocabulary) -> dict[str, Any]:
    """The response format: for each facet weighted terms of it, and the sentences."""

    def whole(properties: dict[str, Any]) -> dict[str, Any]:
        named = {"properties": properties, "required": list(properties)}
        return {"type": "object", **named, "additionalProperties": False}

    facets = {
        facet: {
            "type": "array",
            "items": whole({"term": {"type": "string", "enum": list(terms)}, "weight": {"type": "number"}}),
        }
        for facet, terms in vocabulary.facets
    }
    content = whole({"facets": whole(facets), "sentences": {"type": "string"}})
    return {"type": "json_schema", "json_schema": {"name": "persona", "strict": True, "schema": content}}


def answer_model(vocabulary: Vocabulary) -> type[BaseModel]:
    """The model that validates an answer; the facets are its fields facet0, facet1, and so on."""
    closed = ConfigDict(extra="forbid")
    fields: dict[str, Any] = {}
    for place, (facet, terms) in enumerate(vocabulary.facets):
        weight = Annotated[float, Field(ge=0, le=1, allow_inf_nan=False)]
        term = create_model(f"Term{place}", __config__=closed, term=(Literal[terms], ...), weight=(weight, ...))  # type: ignore[arg-type]
        fields[f"facet{place}"] = (Annotated[list[term], Field(min_length=1)], Field(alias=facet))  # type: ignore[valid-type]
    facets = create_model("Facets", __config__=closed, **fields)
    return create_model("Persona", __config__=closed, facets=(facets, ...), sentences=(str, ...))


def weighed(content: Any, vocabulary: Vocabulary, text: str) -> tuple[Described | None, str]:
    """An answer's weights, those of each facet divided by their sum; or None and which facet has none."""
    place = {pair: number for number, pair in enumerate(vocabulary.terms)}
    weights = np.zeros(len(place))
    for number, (facet, _) in enumerate(vocabulary.facets):
        for one in getattr(content.facets, f"facet{number}"):
            weights[place[facet, one.term]] += one.weight
    totals = vocabulary.by_facet(weights)
    if (totals <= 0).any():
        return None, f"all weights of {vocabulary.terms[int(np.argmin(totals))][0]} are zero"
    return Described((weights / totals).astype(np.float32), text), ""

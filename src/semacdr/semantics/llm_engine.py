"""Engine `llm`: a language model describes each item and files it (sections 2.3.1 and 2.3.2, appendices A and C).

What it answers is judged; what does not conform is asked again with another seed, up to `tries` times, and what fails
then is left to the caller, with the reason.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from semacdr.llm.asker import Asker
from semacdr.llm.attempts import Reasons, until_good
from semacdr.llm.prompts import Prompt, describe
from semacdr.llm.requests import Asking, Request
from semacdr.semantics import filing
from semacdr.semantics.categories import Category
from semacdr.semantics.quality import outliers, prose
from semacdr.storage.tables import column

NAMES = {  # of the prompts, and what each may ask for
    "inner": {"domain", "item", "words"},
    "letters": {"domain", "item", "category", "question", "options"},
    "structured": {"domain", "item", "categories", "most"},
}
Filed = list[
    tuple[list[tuple[int, str, int]], Reasons]
]  # a category each: (item, subcategory, attempt) rows, failed items


@dataclass(frozen=True)
class Settings:
    """How items are described and filed."""

    tries: int = 3
    max_characters: int = 1000  # of an item's description in a prompt
    max_words: int = 60  # of an inner-domain description
    max_loop: float = 0.25  # share of a description's feature words that may be one and the same
    max_rare: float = 0.6  # share of its distinct feature words that no other description may have
    max_subcategories: int = 2  # of an item in one category
    calibration: float = 0.5  # of letters: how much of an option's mean over all items is taken off
    margin: float = 0.5  # of letters: how far in log-probability from the best another subcategory may be


@dataclass
class Engine:
    """Describes and files items (rows as dicts, or tables.Rows) through an asker."""

    items: Sequence[dict]
    asker: Asker
    asking: Asking
    settings: Settings

    def __post_init__(self) -> None:
        self.known = lru_cache(16)(lambda index: describe(self.items[index], self.settings.max_characters))

    def describe(self, prompt: Prompt, sifted: bool = True) -> tuple[dict[int, str], dict[int, int], Reasons]:
        """The inner-domain descriptions by item, the attempts they came at, and why others have none.

        Unless `sifted`, descriptions that stand out among all are kept.
        """
        settings = self.settings
        domains: dict[str, list[int]] = {}
        for index, domain in enumerate(column(self.items, "domain")):
            domains.setdefault(domain, []).append(index)

        def build(index: int, attempt: int) -> Request:
            item = self.items[index]
            messages = prompt.messages(domain=item["domain"], item=self.known(index), words=str(settings.max_words))
            return self.asking.request(
                f"the description of {item['item_id']}", messages, attempt, 2 * settings.max_words
            )

        def sift(good: dict[int, str]) -> Reasons:
            found = {}
            for members in domains.values():
                texts = {index: good[index] for index in members if index in good}
                found |= outliers(texts, self.known, settings.max_loop, settings.max_rare)
            return found

        return until_good(
            self.asker,
            self.settings.tries,
            range(len(self.items)),
            build,
            lambda _, answer: prose(answer, settings.max_words),
            sift if sifted else None,
        )

    def file(self, method: str, prompt: Prompt, categories: Sequence[Category]) -> Filed:
        """File all items by `method`: letters or structured."""
        return {"letters": self._by_letters, "structured": self._structured}[method](prompt, categories)

    def _by_letters(self, prompt: Prompt, categories: Sequence[Category]) -> Filed:
        """File by calibrated log-probabilities of lettered options."""
        width = len(categories)  # an item's questions in a row: servers keep the common beginning of prompts

        def build(index: int, attempt: int) -> Request:
            item, category = self.items[index // width], categories[index % width]
            values = {"category": category.name, "question": category.question, "options": filing.lettered(category)}
            messages = prompt.messages(domain=item["domain"], item=self.known(index // width), **values)
            what = f"{category.name} of {item['item_id']}"
            return self.asking.request(what, messages, attempt, 1, logprobs=True, top_logprobs=20)

        good, attempts, reasons = until_good(
            self.asker,
            self.settings.tries,
            range(len(self.items) * width),
            build,
            lambda index, answer: filing.letter_scores(answer, len(categories[index % width].subcategories)),
        )
        filed = []
        for place, category in enumerate(categories):
            found = [index for index in range(place, len(self.items) * width, width) if index in good]
            scores = filing.calibrated(np.array([good[index] for index in found]), self.settings.calibration)
            chosen = zip(*filing.choose(scores, self.settings.max_subcategories, self.settings.margin), strict=True)
            names = [name for name, _ in category.subcategories]
            rows = [(found[i] // width, names[o], attempts[found[i]]) for i, o in chosen]
            filed.append((rows, {i // width: why for i, why in reasons.items() if i % width == place}))
        return filed

    def _structured(self, prompt: Prompt, categories: Sequence[Category]) -> Filed:
        """File by one JSON object an item, held to a schema."""
        schema, read = filing.schema(categories), filing.reader(categories, self.settings.max_subcategories)
        listing, limit = filing.listing(categories), 20 * len(categories) * (1 + self.settings.max_subcategories)

        def build(index: int, attempt: int) -> Request:
            item = self.items[index]
            values = {"categories": listing, "most": str(self.settings.max_subcategories)}
            messages = prompt.messages(domain=item["domain"], item=self.known(index), **values)
            what = f"the categories of {item['item_id']}"
            return self.asking.request(what, messages, attempt, limit, response_format=schema)

        good, attempts, reasons = until_good(
            self.asker, self.settings.tries, range(len(self.items)), build, lambda _, answer: read(answer)
        )
        return [
            ([(item, name, attempts[item]) for item in sorted(good) for name in good[item][place]], reasons)
            for place in range(len(categories))
        ]

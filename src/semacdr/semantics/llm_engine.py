"""Engine `llm`: a language model describes each item and files it under categories.

Source: SemaCDR, sections 2.3.1 and 2.3.2, appendices A and C. Each answer is validated. If it does not conform, the
request is repeated with another seed, up to `answer_attempts` times; if all fail, the caller gets the reason.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from semacdr.llm.asker import Asker
from semacdr.llm.attempts import Reasons, until_good
from semacdr.llm.prompts import Prompt, describe
from semacdr.llm.requests import Answer, Asking, Request
from semacdr.semantics import filing
from semacdr.semantics.categories import Category
from semacdr.semantics.quality import outliers, prose
from semacdr.storage.tables import column

NAMES = {  # prompts, and the $names that each may use
    "inner": {"domain", "item", "words"},
    "letters": {"domain", "item", "category", "question", "options"},
    "structured": {"domain", "item", "categories", "most"},
}
# For each category: rows of (item, subcategory, attempt), and why other items have none.
Filed = list[tuple[list[tuple[int, str, int]], Reasons]]


@dataclass
class Engine:
    """Describes and files items, which are rows as dicts or tables.Rows."""

    items: Sequence[dict]
    asker: Asker
    asking: Asking
    answer_attempts: int
    max_characters: int  # of an item's description in a prompt
    max_subcategories: int  # of an item in one category

    def __post_init__(self) -> None:
        self.corrected: set[int] = set()  # items whose description was corrected by hand
        self.known = lru_cache(16)(lambda index: describe(self.items[index], self.max_characters))

    def describe(
        self, prompt: Prompt, max_words: int, max_loop: float = 1.0, max_rare: float = 1.0, sifted: bool = True
    ) -> tuple[dict[int, str], dict[int, int], Reasons]:
        """The descriptions by item, the attempt (from 0) of each, and why other items have none.

        `sifted`: also reject outliers among the descriptions of a domain (see quality.outliers).
        """
        domains: dict[str, list[int]] = {}
        for index, domain in enumerate(column(self.items, "domain")):
            domains.setdefault(domain, []).append(index)

        def build(index: int, attempt: int) -> Request:
            item = self.items[index]
            messages = prompt.messages(domain=item["domain"], item=self.known(index), words=str(max_words))
            return self.asking.request(f"the description of {item['item_id']}", messages, attempt, 2 * max_words)

        def judge(index: int, answer: Answer) -> tuple[str | None, str]:
            if answer.corrected:
                self.corrected.add(index)
            return prose(answer, max_words)

        def sift(good: dict[int, str]) -> Reasons:
            found: Reasons = {}
            for members in domains.values():
                texts = {index: good[index] for index in members if index in good}
                found |= outliers(texts, self.known, max_loop, max_rare)
            return found

        return until_good(
            self.asker,
            self.answer_attempts,
            range(len(self.items)),
            build,
            judge,
            sift if sifted else None,
        )

    def file_by_letters(
        self, prompt: Prompt, categories: Sequence[Category], calibration: float, margin: float
    ) -> Filed:
        """File all items by the log-probabilities of lettered options, one request for each item and category.

        A share `calibration` of each option's mean is subtracted; options within `margin` of the best are taken too.
        """
        width = len(categories)  # an item's questions follow each other: servers cache the common start of prompts

        def build(index: int, attempt: int) -> Request:
            item, category = self.items[index // width], categories[index % width]
            values = {"category": category.name, "question": category.question, "options": filing.lettered(category)}
            messages = prompt.messages(domain=item["domain"], item=self.known(index // width), **values)
            what = f"{category.name} of {item['item_id']}"
            return self.asking.request(what, messages, attempt, 1, logprobs=True, top_logprobs=20)

        good, attempts, reasons = until_good(
            self.asker,
            self.answer_attempts,
            range(len(self.items) * width),
            build,
            lambda index, answer: filing.letter_scores(answer, len(categories[index % width].subcategories)),
        )
        filed = []
        for place, category in enumerate(categories):
            found = [index for index in range(place, len(self.items) * width, width) if index in good]
            names = [name for name, _ in category.subcategories]
            given = np.array([good[index] for index in found]).reshape(-1, len(names))  # also right for no items
            scores = filing.calibrated(given, calibration)
            chosen = zip(*filing.choose(scores, self.max_subcategories, margin), strict=True)
            rows = [(found[i] // width, names[o], attempts[found[i]]) for i, o in chosen]
            filed.append((rows, {i // width: why for i, why in reasons.items() if i % width == place}))
        return filed

    def file_structured(self, prompt: Prompt, categories: Sequence[Category]) -> Filed:
        """File all items by one JSON object each, validated by a schema."""
        schema, parse = filing.schema(categories), filing.filing_parser(categories, self.max_subcategories)
        listing, limit = filing.listing(categories), 20 * len(categories) * (1 + self.max_subcategories)

        def build(index: int, attempt: int) -> Request:
            item = self.items[index]
            values = {"categories": listing, "most": str(self.max_subcategories)}
            messages = prompt.messages(domain=item["domain"], item=self.known(index), **values)
            what = f"the categories of {item['item_id']}"
            return self.asking.request(what, messages, attempt, limit, response_format=schema)

        good, attempts, reasons = until_good(
            self.asker, self.answer_attempts, range(len(self.items)), build, lambda _, answer: parse(answer)
        )
        return [
            ([(item, name, attempts[item]) for item in sorted(good) for name in good[item][place]], reasons)
            for place in range(len(categories))
        ]

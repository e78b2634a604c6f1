"""Engine `llm` of stage taxonomy: a language model proposes categories from samples of items and tests them.

The model proposes a taxonomy from each sample and merges the proposals into one. Then other items are filed under it:
subcategories that no item uses are dropped, and categories that fit too few items are revised.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from semacdr.errors import UserError
from semacdr.llm.asker import Asker
from semacdr.llm.attempts import Judged, Reasons, until_good
from semacdr.llm.prompts import Prompt, clean, describe
from semacdr.llm.requests import Answer, Asking, Request
from semacdr.runtime.cli import log
from semacdr.semantics.categories import Category
from semacdr.semantics.llm_engine import NAMES, Engine
from semacdr.semantics.naming import OTHER, Rules, response_format
from semacdr.semantics.trial import Trial, Trials, trial_of, unused

MOST_REFUSED = 300  # characters of the reason why an answer was refused
TEST_CHARACTERS, TEST_SUBCATEGORIES = 1000, 2  # for a test item: of its description in a prompt; in each category
_VALUES = {"domains", "count", "least", "most", "avoid"}
PROMPTS = {  # by step the $names that its prompt may use
    "propose": _VALUES | {"items"},
    "merge": _VALUES | {"proposals"},
    "revise": _VALUES | {"category", "items", "others"},
    "structured": NAMES["structured"],
}


class Unasked(Exception):
    """A dry run reached a step whose answers are not stored; the next steps depend on them."""


@dataclass
class Induction:
    """Makes a taxonomy of two domains."""

    asker: Asker
    asking: Asking
    proposals: int  # samples to propose from
    items_per_sample: int
    revision_rounds: int
    max_unfiled_share: float  # of a test's items
    max_characters: int  # of an item's description
    answer_attempts: int
    prompts: dict[str, Prompt]  # by step, as in PROMPTS
    rules: Rules
    trials: Trials
    refused: dict[str, str] = field(default_factory=dict)  # why the last answer was refused, by request

    def run(self, samples: Sequence[list[dict]]) -> list[Category]:
        """Make the taxonomy from samples: first those for proposals, then one for each test. A UserError on failure."""
        count = self.proposals
        categories = self.merge(self.propose(samples[:count]))
        for number, items in enumerate(samples[count:]):
            trial = self.test(categories, items)
            categories, to_revise = self.trials.judge(categories, trial)
            if not to_revise or number == self.revision_rounds:
                break
            for category in to_revise:
                self.revise(categories, category, trial)
        self._warn(categories, to_revise, trial)
        return categories

    def propose(self, samples: Sequence[list[dict]]) -> list[list[Category]]:
        """The conforming proposals, one from each sample at most."""
        listed = [self._listed(sample) for sample in samples]

        def build(index: int, attempt: int) -> Request:
            return self._request("propose", f"proposal {index + 1}", attempt, items=listed[index])

        good, reasons = self._until_good(range(len(samples)), build, self.rules.judge)
        for index, why in sorted(reasons.items()):
            log.warning("proposal %d is left out, no answer conforms: %s", index + 1, why)
        if not good:
            raise UserError(
                f"no taxonomy: none of {len(samples)} proposals conforms in {self.answer_attempts} attempts, the first "
                f"because: {reasons[0]}. Try a larger model, or write the taxonomy by hand (taxonomy.engine file)"
            )
        return [good[index] for index in sorted(good)]

    def merge(self, proposals: Sequence[list[Category]]) -> list[Category]:
        """Merge the proposals into one taxonomy."""
        if len(proposals) == 1:
            return proposals[0]
        shown = "\n\n".join(f"Proposal {n}\n{shown_as_text(categories)}" for n, categories in enumerate(proposals, 1))

        def build(_: int, attempt: int) -> Request:
            return self._request("merge", "the merged proposals", attempt, proposals=shown)

        good, reasons = self._until_good([0], build, self.rules.judge)
        if not good:
            raise UserError(
                f"no taxonomy: {len(proposals)} proposals conform, but none of {self.answer_attempts} answers that "
                f"merge them does, the last because: {reasons[0]}. Set taxonomy.samples to 1 to merge nothing"
            )
        return good[0]

    def test(self, categories: Sequence[Category], items: Sequence[dict]) -> Trial:
        """File the items under the categories."""
        settings = (self.answer_attempts, TEST_CHARACTERS, TEST_SUBCATEGORIES)
        engine = Engine(items, self.asker, self.asking, *settings)
        by_category = engine.file_structured(self.prompts["structured"], categories)
        trial = trial_of(items, categories, by_category)
        self._stop_if_dry(trial.failed)
        if len(trial.failed) > self.max_unfiled_share * len(items) or not trial.filed:
            raise UserError(
                f"no taxonomy: {len(trial.failed)} of {len(items)} test items could not be filed, more than "
                f"taxonomy.max_unfiled_share {self.max_unfiled_share:g}, one because: {min(trial.failed.values())}"
            )
        return trial

    def revise(self, categories: list[Category], category: Category, trial: Trial) -> None:
        """Have the model revise a category for the items that do not fit it; it is unchanged if no answer conforms."""
        place = categories.index(category)
        others = [*categories[:place], *categories[place + 1 :]]
        items = self._listed(trial.alone[category.name][: self.items_per_sample])
        values = {"category": shown_as_text([category]), "others": shown_as_text(others), "items": items}

        def build(_: int, attempt: int) -> Request:
            return self._request("revise", f"the revision of {category.name}", attempt, 1, **values)

        good, reasons = self._until_good([0], build, lambda answer: self.rules.judge_one(answer, others))
        if good:
            categories[place] = good[0]
            log.info("%s is revised, as %.0f %% did not fit it", category.name, 100 * trial.share(category))
        else:
            log.warning("%s stays unrevised, no answer conforms: %s", category.name, reasons[0])

    def _warn(self, categories: Sequence[Category], to_revise: Sequence[Category], trial: Trial) -> None:
        """Warn about problems that remain after the last test."""
        for category in categories:
            if names := unused(category, self.trials.used, self.trials.domains):
                least = self.rules.least
                log.warning("%s: no test item uses %s, kept to have %d", category.name, ", ".join(names), least)
        most = 100 * self.trials.limit
        for category in to_revise:
            alone = len(trial.alone[category.name])
            log.warning(
                "%s: %d of %d test items fit only Other, more than %.0f %%", category.name, alone, trial.filed, most
            )
        if trial.failed:
            why = min(trial.failed.values())
            log.warning("%d of the last test's items could not be filed, one because: %s", len(trial.failed), why)

    def _listed(self, items: Sequence[dict]) -> str:
        """Items for a prompt, each with its domain."""
        most = self.max_characters
        return "\n\n".join(f"A {item['domain']} item:\n{describe(item, most)}" for item in items)

    def _request(self, name: str, what: str, attempt: int, count: int | None = None, **values: str) -> Request:
        rules = self.rules
        count = count or rules.categories
        common = {"count": str(count), "least": str(rules.least), "most": str(rules.most)}
        common |= {"domains": " and ".join(self.trials.domains), "avoid": ", ".join(rules.domain_names)}
        refused = clean(self.refused[what], MOST_REFUSED) if attempt else ""
        messages = self.prompts[name].messages(refused, **common, **values)
        limit = count * (60 + 40 * (rules.most + 1))  # tokens, generous for names and descriptions
        return self.asking.request(what, messages, attempt, limit, response_format=response_format())

    def _until_good(
        self, indices: Iterable[int], build: Callable[[int, int], Request], judge: Callable[[Answer], Judged]
    ) -> tuple[dict[int, Any], Reasons]:
        """The values of the first conforming answers, and why others do not conform.

        A UserError where the endpoint refused a request: a taxonomy without it would differ from the next run's.
        """
        heard: Counter[int] = Counter()

        def judged(index: int, answer: Answer) -> Judged:
            value, why = judge(answer)
            self.refused[build(index, 0).what] = why
            heard[index] += 1
            return value, why

        good, _, reasons = until_good(self.asker, self.answer_attempts, indices, build, judged)
        self._stop_if_dry(reasons)
        for index, why in reasons.items():
            if heard[index] < self.answer_attempts:
                raise UserError(f"no taxonomy: {build(index, heard[index]).what} has no answer: {why}")
        return good, reasons

    def _stop_if_dry(self, reasons: Reasons) -> None:
        if self.asker.dry and reasons:
            raise Unasked


def shown_as_text(categories: Sequence[Category]) -> str:
    """Categories for a prompt, one subcategory a line, without Other."""
    lines = []
    for category in categories:
        lines.append(f"{category.name}: {category.question}")
        lines += [f"- {name}: {text}" for name, text in category.subcategories if name != OTHER]
    return "\n".join(lines)

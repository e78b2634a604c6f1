"""Engine `llm` of stage taxonomy: a language model proposes categories from samples of items, and they are tested.

From each sample it proposes a taxonomy, then it merges the proposals into one. Items that it has not seen are filed
under it: subcategories that none of them needs are dropped, and categories that too many of them do not fit are
revised, up to `rounds` times.
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
from semacdr.semantics.llm_engine import Settings as FilingSettings
from semacdr.semantics.naming import OTHER, Rules, response_format
from semacdr.semantics.trial import Trial, Trials, trial_of, unused

MOST_REFUSED = 300  # characters of why an answer was refused
_TOLD = {"domains", "count", "least", "most", "avoid"}
PROMPTS = {  # and what each may ask for
    "taxonomy_propose": _TOLD | {"items"},
    "taxonomy_merge": _TOLD | {"proposals"},
    "taxonomy_revise": _TOLD | {"category", "items", "others"},
    "structured": NAMES["structured"],
}


class Unasked(Exception):
    """A dry run came to a step whose answers the store lacks; what follows depends on them."""


@dataclass(frozen=True)
class Settings:
    """How a taxonomy is made."""

    categories: int = 5
    min_subcategories: int = 4  # of a category, beside Other
    max_subcategories: int = 12
    samples: int = 3
    items_per_sample: int = 24
    test_items: int = 60  # of each test
    rounds: int = 2  # of revision, each with a test of its own
    max_other: float = 0.1  # share of test items that fit nothing but Other, above which a category is revised
    max_characters: int = 300  # of an item's description in a sample
    tries: int = 3  # until an answer conforms
    seed: int = 0  # of the samples

    def __post_init__(self) -> None:
        least = {"rounds": 0, "seed": 0, "min_subcategories": 2, "items_per_sample": 2, "test_items": 2}
        for name in ("categories", "samples", "max_characters", "tries", *least):
            if getattr(self, name) < least.get(name, 1):
                raise UserError(f"taxonomy.{name} is {getattr(self, name)}; it must be at least {least.get(name, 1)}")
        if self.max_subcategories < self.min_subcategories:
            raise UserError("taxonomy.max_subcategories must not be below min_subcategories")
        if not 0 <= self.max_other <= 1:
            raise UserError(f"taxonomy.max_other is {self.max_other}; it is a share, 0 to 1")

    @property
    def most_requests(self) -> int:
        """How many requests a taxonomy takes at most, if every answer conforms."""
        return self.samples + 1 + (self.rounds + 1) * self.test_items + self.rounds * self.categories

    def sizes(self) -> list[int]:
        """The sizes of all samples: those to propose from, then those to test on."""
        return [self.items_per_sample] * self.samples + [self.test_items] * (self.rounds + 1)


@dataclass
class Induction:
    """Makes a taxonomy of two domains through an asker."""

    asker: Asker
    asking: Asking
    settings: Settings
    prompts: dict[str, Prompt]
    rules: Rules
    trials: Trials
    refused: dict[str, str] = field(default_factory=dict)  # by what was asked, why the last answer was refused

    def run(self, samples: Sequence[list[dict]]) -> list[Category]:
        """The taxonomy, from samples of the sizes that the settings give; a UserError where none can be made."""
        count = self.settings.samples
        categories = self.merge(self.propose(samples[:count]))
        for number, items in enumerate(samples[count:]):
            trial = self.test(categories, items)
            categories, poor = self.trials.judge(categories, trial)
            if not poor or number == self.settings.rounds:
                break
            for category in poor:
                self.revise(categories, category, trial)
        self._warn(categories, poor, trial)
        return categories

    def propose(self, samples: Sequence[list[dict]]) -> list[list[Category]]:
        """A taxonomy from each sample, as far as the model gives a conforming one."""
        listed = [self._listed(sample) for sample in samples]

        def build(index: int, attempt: int) -> Request:
            return self._request("taxonomy_propose", f"proposal {index + 1}", attempt, items=listed[index])

        good, reasons = self._until_good(range(len(samples)), build, self.rules.judge)
        for index, why in sorted(reasons.items()):
            log.warning("proposal %d is left out, no answer conforms: %s", index + 1, why)
        if not good:
            raise UserError(
                f"no taxonomy: none of {len(samples)} proposals conforms in {self.settings.tries} tries, the first "
                f"because: {reasons[0]}. Try a larger model, or write the taxonomy by hand (taxonomy.engine file)"
            )
        return [good[index] for index in sorted(good)]

    def merge(self, proposals: Sequence[list[Category]]) -> list[Category]:
        """One taxonomy of them all."""
        if len(proposals) == 1:
            return proposals[0]
        shown = "\n\n".join(f"Proposal {n}\n{shown_as_text(categories)}" for n, categories in enumerate(proposals, 1))

        def build(_: int, attempt: int) -> Request:
            return self._request("taxonomy_merge", "the merged proposals", attempt, proposals=shown)

        good, reasons = self._until_good([0], build, self.rules.judge)
        if not good:
            raise UserError(
                f"no taxonomy: {len(proposals)} proposals conform, but none of {self.settings.tries} answers that "
                f"merge them does, the last because: {reasons[0]}. With taxonomy.samples 1 nothing is merged"
            )
        return good[0]

    def test(self, categories: Sequence[Category], items: Sequence[dict]) -> Trial:
        """File the items under the categories."""
        engine = Engine(items, self.asker, self.asking, FilingSettings(tries=self.settings.tries))
        by_category = engine.file("structured", self.prompts["structured"], categories)
        trial = trial_of(items, categories, by_category)
        self._stop_if_dry(trial.failed)
        if not trial.filed:
            raise UserError(f"no taxonomy: none of {len(items)} test items could be filed: {trial.failed[0]}")
        return trial

    def revise(self, categories: list[Category], category: Category, trial: Trial) -> None:
        """Have a category made better by the items that do not fit it, in place; left as it is where none conforms."""
        place = categories.index(category)
        others = [*categories[:place], *categories[place + 1 :]]
        items = self._listed(trial.alone[category.name][: self.settings.items_per_sample])
        values = {"category": shown_as_text([category]), "others": shown_as_text(others), "items": items}

        def build(_: int, attempt: int) -> Request:
            return self._request("taxonomy_revise", f"the revision of {category.name}", attempt, 1, **values)

        good, reasons = self._until_good([0], build, lambda answer: self.rules.judge_one(answer, others))
        if good:
            categories[place] = good[0]
            log.info("%s is revised, as %.0f %% did not fit it", category.name, 100 * trial.share(category))
        else:
            log.warning("%s stays unrevised, no answer conforms: %s", category.name, reasons[0])

    def _warn(self, categories: Sequence[Category], poor: Sequence[Category], trial: Trial) -> None:
        """Say what is not as it should be after the last test."""
        for category in categories:
            if names := unused(category, self.trials.used, self.trials.domains):
                least = self.rules.least
                log.warning("%s: no test item uses %s, kept to have %d", category.name, ", ".join(names), least)
        most = 100 * self.settings.max_other
        for category in poor:
            alone = len(trial.alone[category.name])
            log.warning(
                "%s: %d of %d test items fit only Other, more than %.0f %%", category.name, alone, trial.filed, most
            )
        if trial.failed:
            why = min(trial.failed.values())
            log.warning("%d of the last test's items could not be filed, one because: %s", len(trial.failed), why)

    def _listed(self, items: Sequence[dict]) -> str:
        """Items for a prompt, each with its domain."""
        most = self.settings.max_characters
        return "\n\n".join(f"A {item['domain']} item:\n{describe(item, most)}" for item in items)

    def _request(self, name: str, what: str, attempt: int, count: int | None = None, **values: str) -> Request:
        rules = self.rules
        count = count or rules.categories
        told = {"count": count, "least": rules.least, "most": rules.most}
        told |= {"domains": " and ".join(self.trials.domains), "avoid": ", ".join(rules.own)}
        refused = clean(self.refused[what], MOST_REFUSED) if attempt else ""
        messages = self.prompts[name].messages(refused, **{key: str(value) for key, value in told.items()}, **values)
        limit = count * (60 + 40 * (rules.most + 1))  # tokens of generous names and descriptions
        return self.asking.request(what, messages, attempt, limit, response_format=response_format())

    def _until_good(
        self, indices: Iterable[int], build: Callable[[int, int], Request], judge: Callable[[Answer], Judged]
    ) -> tuple[dict[int, Any], Reasons]:
        """What the first good answers are worth, and why others are not; a UserError where no answer comes at all.

        What the wire did must not decide the taxonomy: the next run, with an answer, would make another one.
        """
        heard = Counter()

        def judged(index: int, answer: Answer) -> Judged:
            value, why = judge(answer)
            self.refused[build(index, 0).what] = why
            heard[index] += 1
            return value, why

        good, _, reasons = until_good(self.asker, self.settings.tries, indices, build, judged)
        self._stop_if_dry(reasons)
        for index, why in reasons.items():
            if heard[index] < self.settings.tries:
                raise UserError(f"no taxonomy: {build(index, heard[index]).what} has no answer: {why}")
        return good, reasons

    def _stop_if_dry(self, reasons: Reasons) -> None:
        if self.asker.dry and reasons:
            raise Unasked


def shown_as_text(categories: Sequence[Category]) -> str:
    """Categories for a prompt, a line each subcategory but for Other."""
    lines = []
    for category in categories:
        lines.append(f"{category.name}: {category.question}")
        lines += [f"- {name}: {text}" for name, text in category.subcategories if name != OTHER]
    return "\n".join(lines)

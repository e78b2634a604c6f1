"""Item semantics by a language model, with the text encoder or a learned classifier for items without an answer."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

from semacdr.errors import UserError
from semacdr.llm.attempts import Reasons
from semacdr.llm.prompts import Prompt
from semacdr.semantics.categories import Category
from semacdr.semantics.encoder_engine import EncoderEngine
from semacdr.semantics.item_semantics import LlmSettings, Semantics
from semacdr.semantics.learned_filing import Learner
from semacdr.semantics.llm_engine import Engine, Filed
from semacdr.storage import tables

NOT_ASKED = "not asked"  # why an item has no answer, in provenance and counts
HELD_OUT, AGREES = "held out: ", "agrees"  # step and result of a learned category's cross-validation


@dataclass
class LlmSemantics:
    """Describes and files items by the language model; items without a conforming answer by the encoder.

    `asked` are the positions of the engine's items among those of the encoder. `learning`: a classifier learns from the
    answers and files all items without one, instead of the encoder. Texts of items that are not asked are composed.
    """

    engine: Engine
    encoder: EncoderEngine
    method: str
    settings: LlmSettings
    asked: Sequence[int]
    learning: bool = False
    semantics: Semantics = field(default_factory=lambda: Semantics([], []))

    def describe(self, prompt: Prompt) -> None:
        """Add each item's text."""
        settings, semantics = self.settings, self.semantics
        described, at, failed = self.engine.describe(prompt, settings.max_words, settings.max_loop, settings.max_rare)
        self._count("describe", at, failed)
        semantics.report.update({("describe", NOT_ASKED): self.unasked} if self.unasked else {})
        made, fallback = self._provenance()
        hand = " corrected=by_hand"
        items = {self.asked[item]: item for item in range(len(self.engine.items))}
        for place in range(len(self.encoder.items)):
            item = items.get(place, -1)
            if item in described:
                by_hand = hand if item in self.engine.corrected else ""
                semantics.texts.append((described[item], f"{made} attempt={at[item] + 1}{by_hand}"))
            else:
                why = failed[item] if place in items else NOT_ASKED
                semantics.texts.append((self.encoder.text(place), f"{fallback} text=composed because={why}"))

    def file(self, prompt: Prompt, categories: Sequence[Category]) -> None:
        """Add each item's subcategories."""
        made, fallback = self._provenance()
        filed = self.semantics.filed
        for category, (rows, failed) in zip(categories, self.ask_to_file(prompt, categories), strict=True):
            self._count(f"file: {category.name}", {item: attempt for item, _, attempt in rows}, failed)
            made_here = f"{made} method={self.method}"
            filed += [
                (self.asked[item], category.name, name, f"{made_here} attempt={at + 1}") for item, name, at in rows
            ]
            why = {self.asked[item]: reason for item, reason in failed.items()}
            if self.learning and rows:
                self._learn(category, rows, why)
                continue
            if self.unasked:  # no answer to learn from
                why = dict.fromkeys(range(len(self.encoder.items)), NOT_ASKED) | why
            for place, name in self.encoder.file(category) if why else []:
                if place in why:
                    filed.append((place, category.name, name, f"{fallback} because={why[place]}"))

    @property
    def unasked(self) -> int:
        """The number of items that the language model is not asked about."""
        return len(self.encoder.items) - len(self.engine.items)

    @cached_property
    def learner(self) -> Learner:
        """The classifier's features of all items."""
        encoder = self.encoder
        texts = [encoder.text(place) for place in range(len(encoder.items))]
        return Learner(encoder.vectors, texts, tables.column(encoder.items, "domain"), encoder.most)

    def _learn(self, category: Category, rows: Sequence[tuple[int, str, int]], why: Reasons) -> None:
        """File the items without an answer as the answers file theirs; `why`: those that were asked in vain."""
        given: dict[int, list[str]] = {}
        for item, name, _ in rows:
            given.setdefault(self.asked[item], []).append(name)
        rest = [place for place in range(len(self.encoder.items)) if place not in given]
        learned = self.learner.file(category, given, rest)
        model, encoder = self.engine.asking.model, self.encoder.arguments["name"]
        made = f"engine=learned model={model} encoder={encoder} answers={len(given)}"
        self.semantics.filed += [
            (place, category.name, name, f"{made} because={why.get(place, NOT_ASKED)}") for place, name in learned.rows
        ]
        counts = {
            (f"file: {category.name}", "learned"): self.unasked,
            (f"{HELD_OUT}{category.name}", AGREES): learned.agreeing,
            (f"{HELD_OUT}{category.name}", "differs"): learned.checked - learned.agreeing,
        }
        self.semantics.report.update({key: count for key, count in counts.items() if count})

    def ask_to_file(self, prompt: Prompt, categories: Sequence[Category]) -> Filed:
        """The model's assignments."""
        if self.method == "letters":
            settings = self.settings
            return self.engine.file_by_letters(prompt, categories, settings.calibration, settings.margin)
        return self.engine.file_structured(prompt, categories)

    def _count(self, step: str, attempts: Mapping[int, int], failed: Mapping[int, str]) -> None:
        """Count results for the report; a UserError where too many items would fall back to the encoder."""
        report = self.semantics.report
        report.update((step, f"attempt {attempt + 1}") for attempt in attempts.values())
        report.update((step, f"fell back: {why}") for why in failed.values())
        items, limit = len(self.engine.items), self.settings.max_fallback_share
        if len(failed) > limit * items:
            (why, count), *_ = Counter(failed.values()).most_common(1)
            raise UserError(
                f"{step}: {len(failed):,} of {items:,} items have no conforming answer, more than "
                f"semantics.llm.max_fallback_share {limit:g}; the most frequent reason ({count:,} items): {why}. "
                "The answers are kept. Try another model, method or prompt, or allow a larger share"
            )

    def _provenance(self) -> tuple[str, str]:
        """The prefixes of the provenance: for rows by the language model, and for rows by the encoder."""
        asking = self.engine.asking
        made = f"engine=llm model={asking.model} weights={asking.weights[:12] or 'unknown'}"
        return made, f"engine=encoder model={self.encoder.arguments['name']}"

"""Tests of a taxonomy: how items were filed, which subcategories no item needs, and which categories fit too few."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from semacdr.llm.attempts import Reasons
from semacdr.semantics.categories import Category
from semacdr.semantics.llm_engine import Filed
from semacdr.semantics.naming import OTHER

TrialRow = tuple[int, str, str, Counter, str]  # test, category, subcategory, items by domain, remark


@dataclass(frozen=True)
class Trial:
    """How the items of one test were filed."""

    used: Counter  # items by (category, subcategory, domain), without Other
    alone: dict[str, list[dict]]  # by category: the items that were filed under Other and nothing else
    filed: int
    failed: Reasons
    failed_items: list[dict]

    def share(self, category: Category) -> float:
        """The share of the filed items that fit only Other in a category."""
        return len(self.alone[category.name]) / self.filed


def trial_of(items: Sequence[dict], categories: Sequence[Category], by_category: Filed) -> Trial:
    """The trial of items that an engine filed; `by_category` is the engine's result."""
    failed = by_category[0][1]  # one answer files an item in all categories, or in none
    used: Counter[tuple[str, str, str]] = Counter()
    alone: dict[str, list[dict]] = {}
    for category, (rows, _) in zip(categories, by_category, strict=True):
        named = [(index, name) for index, name, _ in rows if name != OTHER]
        used.update((category.name, name, items[index]["domain"]) for index, name in named)
        others = {index for index, *_ in rows} - {index for index, _ in named}
        alone[category.name] = [items[index] for index in sorted(others)]
    return Trial(used, alone, len(items) - len(failed), failed, [items[index] for index in sorted(failed)])


def unused(category: Category, used: Counter, domains: Sequence[str]) -> list[str]:
    """The subcategories of a category, except Other, that no item used."""
    names = [name for name, _ in category.subcategories if name != OTHER]
    return [name for name in names if not any(used[category.name, name, domain] for domain in domains)]


def needed(category: Category, used: Counter, least: int, domains: Sequence[str]) -> Category:
    """The category without its unused subcategories, dropped from the end; `least` and Other always stay."""
    spare = len(category.subcategories) - 1 - least
    dropped = set(unused(category, used, domains)[-spare:]) if spare > 0 else set()
    return replace(category, subcategories=tuple(pair for pair in category.subcategories if pair[0] not in dropped))


@dataclass
class Trials:
    """The successive tests of a taxonomy, and their report."""

    domains: Sequence[str]
    least: int  # subcategories that a category keeps
    limit: float  # share of items that may fit only Other
    used: Counter = field(default_factory=Counter)  # in all tests: a subcategory that one test needed stays
    rows: list[TrialRow] = field(default_factory=list)
    count: int = 0

    def judge(self, categories: Sequence[Category], trial: Trial) -> tuple[list[Category], list[Category]]:
        """The categories without unneeded subcategories, and those of them that too many items do not fit."""
        self.count += 1
        self.used.update(trial.used)
        left = [needed(category, self.used, self.least, self.domains) for category in categories]
        for before, after in zip(categories, left, strict=True):
            self._note(before, dict(after.subcategories), trial)
        if trial.failed:
            failed = Counter(item["domain"] for item in trial.failed_items)
            self.rows.append((self.count, "", "(not filed)", failed, min(trial.failed.values())))
        return left, [category for category in left if trial.share(category) > self.limit]

    def _note(self, category: Category, left: dict, trial: Trial) -> None:
        """Report a category as it was tested; `left` are the subcategories that stay."""
        for name in (name for name, _ in category.subcategories if name != OTHER):
            counts = Counter({domain: trial.used[category.name, name, domain] for domain in self.domains})
            missing = [domain for domain in self.domains if not self.used[category.name, name, domain]]
            remark = f"no {' and no '.join(missing)} item" if missing else ""
            remark = remark if name in left else f"dropped: {remark}"
            self.rows.append((self.count, category.name, name, counts, remark))
        alone, share = Counter(item["domain"] for item in trial.alone[category.name]), trial.share(category)
        remark = f"{share:.0%} fit nothing else{f', more than {self.limit:.0%}' if share > self.limit else ''}"
        self.rows.append((self.count, category.name, OTHER, alone, remark))

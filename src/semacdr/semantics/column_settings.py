"""Check the settings of taxonomy.engine columns. The planner imports this module, so it is light."""

from collections.abc import Iterable, Mapping

from semacdr.runtime.setting_errors import SettingError, known_name
from semacdr.semantics.categories import folded

ValueMap = Mapping[str, str | None]  # from a value to a subcategory; None: the value says nothing
COLUMNS, VALUES = ("taxonomy", "columns"), ("taxonomy", "values")


def check_columns(columns: Mapping[str, str], maps: Mapping[str, ValueMap], domains: Iterable[str]) -> None:
    """Raise a SettingError where `columns` (category by domain.column) or the maps (by category) are not usable."""
    known = list(domains)
    if not columns:
        raise SettingError(COLUMNS, "engine columns needs columns, such as {song.genre: genre, film.topic: genre}")
    for column, category in columns.items():
        domain, _, name = column.partition(".")
        known_name(domain, known, "domain", *COLUMNS, column)
        if not name:
            raise SettingError((*COLUMNS, column), f"must be domain.column, such as {domain}.genre")
        if not category.strip():
            raise SettingError((*COLUMNS, column), "needs the name of a category")
    for category, given in maps.items():
        known_name(category, dict.fromkeys(columns.values()), "category of taxonomy.columns", *VALUES, category)
        _check_map(category, given)


def _check_map(category: str, given: ValueMap) -> None:
    """Raise a SettingError where a map gives a value two subcategories, or one without a name."""
    goals: dict[str, str | None] = {}
    for value, goal in given.items():
        path = (*VALUES, category, value)
        if goal is not None and not goal.strip():
            raise SettingError(path, "needs the name of a subcategory; null drops the value")
        if goals.setdefault(folded(value), goal) != goal:
            raise SettingError(path, f"is given twice, as '{goals[folded(value)]}' and '{goal}'; case does not count")

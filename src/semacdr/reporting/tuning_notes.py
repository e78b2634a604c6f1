"""Notes on a page about which of its systems were tuned, and on which data."""

from collections.abc import Mapping, Sequence
from typing import Any

UNEQUAL, OTHER_DATA = "Unequal tuning budgets", "Tuned on other data"


def tuning_notes(settings: Mapping[str, Sequence[Mapping[str, Any]]]) -> list[tuple[str, str]]:
    """Titles and sentences of the notes that a page needs, from the settings.json of the runs by system name.

    One note says which systems were tuned where only some of a direction's systems were; models without training need
    no tuning and do not count. The other says how the tuning data were filtered where that differs from these data.
    """
    notes = [(UNEQUAL, _unequal(settings)), (OTHER_DATA, _other_data(settings))]
    return [(title, sentence) for title, sentence in notes if sentence]


def tuning_lines(settings: Mapping[str, Sequence[Mapping[str, Any]]]) -> str:
    """The same notes as Markdown paragraphs at the end of a page."""
    return "".join(f"\n**{title}**: {sentence}\n" for title, sentence in tuning_notes(settings))


def _unequal(settings: Mapping[str, Sequence[Mapping[str, Any]]]) -> str:
    by_direction: dict[tuple[str, str], dict[str, bool]] = {}
    for name, runs in settings.items():
        for run in runs:
            if run.get("training", {}).get("loss"):
                direction = run["source"], run["target"]
                by_direction.setdefault(direction, {})[name] = run.get("tuned") is not None
    mixed = [tuned for tuned in by_direction.values() if len(set(tuned.values())) == 2]
    names = {
        wanted: ", ".join(dict.fromkeys(name for tuned in mixed for name, was in tuned.items() if was is wanted))
        for wanted in (True, False)
    }
    if not mixed:
        return ""
    return f"tuning chose settings of {names[True]}, but not of {names[False]}, in at least one direction."


def _other_data(settings: Mapping[str, Sequence[Mapping[str, Any]]]) -> str:
    others = [(run.get("tuned") or {}).get("other_data") for runs in settings.values() for run in runs]
    scenarios = dict.fromkeys(other["scenario"] for other in others if other and "scenario" in other)
    filters = dict.fromkeys(
        ", ".join(f"{name}={value}" for name, value in other.items())
        for other in others
        if other and "scenario" not in other
    )
    if scenarios:
        return f"the settings were tuned on {' and '.join(scenarios)}, not on these data."
    if not filters:
        return ""
    return f"the settings were tuned on data filtered by {' and by '.join(filters)}; these data are filtered otherwise."

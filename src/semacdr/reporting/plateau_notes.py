"""A note on a page about the runs that never left the level of popularity on validation events."""

from collections.abc import Mapping, Sequence

from semacdr.evaluation.measures import PLATEAU
from semacdr.evaluation.validation import Plateau
from semacdr.reporting.markdown import decimals

TITLE = "At the level of popularity"


def plateau_notes(plateaus: Mapping[str, Sequence[Plateau]]) -> list[tuple[str, str]]:
    """Title and sentence of the note, from the plateaus by system name; nothing where there are none."""
    runs = [f"{name}, {where}" for name, own in plateaus.items() for where in _directions(own)]
    if not runs:
        return []
    sentence = (
        f"on validation events, the best epoch of these runs has at most {PLATEAU} times the NDCG@10 of the most"
        f" popular items (full ranking), so their numbers do not show what the system can do: {'; '.join(runs)}."
    )
    return [(TITLE, sentence)]


def with_plateaus(page: str, plateaus: Mapping[str, Sequence[Plateau]]) -> str:
    """A Markdown page with the note before its first section."""
    note = "".join(f"**{title}**: {sentence}\n\n" for title, sentence in plateau_notes(plateaus))
    head, section, rest = page.partition("\n## ")
    return f"{head}\n{note}## {rest}" if note and section else page + note


def _directions(plateaus: Sequence[Plateau]) -> list[str]:
    """What a system's plateaus are, a text for each direction."""
    found = []
    for source, target in dict.fromkeys((one.source, one.target) for one in plateaus):
        own = [one for one in plateaus if (one.source, one.target) == (source, target)]
        seeds = " and ".join(f"{one.seed} ({decimals(one.best)})" for one in own)
        plural = "s" if len(own) > 1 else ""
        found.append(f"{source} → {target}, seed{plural} {seeds} against {decimals(own[0].popularity)}")
    return found

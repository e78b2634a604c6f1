"""The summary of metrics.md: findings by direction, how the systems trained, and what to do next."""

from collections.abc import Mapping, Sequence

from semacdr.evaluation.lead import LeadRow
from semacdr.evaluation.validation import Plateau
from semacdr.reporting.advice import Records, next_steps, training_sentences
from semacdr.reporting.findings import HOW_CERTAIN, findings
from semacdr.reporting.plateau_notes import plateau_notes


def summary_lines(
    rows: Sequence[LeadRow], records: Records, plateaus: Mapping[str, Sequence[Plateau]], scenario: str
) -> list[str]:
    """The lines of section Summary, with the note on runs at the level of popularity; `plateaus` by system name."""
    lines = ["## Summary", ""]
    for found in findings(rows):
        head, *rest = found.sentences
        space = "" if head.startswith(",") else " "
        lines += [f"**{found.title}**: **{found.first}**{space}{' '.join([head, *rest])}", ""]
    lines += [f"**Training**: {' '.join(training_sentences(rows, records))}", ""]
    for title, sentence in plateau_notes(plateaus):
        lines += [f"**{title}**: {sentence}", ""]
    lines += ["**What to do next**", "", *(f"* {step}" for step in next_steps(rows, records, plateaus, scenario)), ""]
    return [*lines, f"{HOW_CERTAIN} The words are explained [below](#how-to-read-the-tables).", ""]

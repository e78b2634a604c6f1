"""The page of stage gate: the weight of the collaborative side by training events."""

from collections.abc import Sequence

from semacdr.evaluation.gates import GateRow
from semacdr.reporting.markdown import header, line, page_head
from semacdr.reporting.names import count_of, system_name

SIDES = {"user": "users, by their training events", "item": "target items, by their training events"}
METHOD = (
    "Mean weight of the collaborative side in the gate, over dimensions, seeds and the users or items of a bin: 1 is "
    "the backbone's vector alone, 0 the semantic one alone. In brackets the 10th and 90th percentile over the bin; ± "
    "is the standard deviation over seeds. Training events are of the target domain. A weight compares vectors of "
    "different lengths, so it is no share of the score."
)


def gate_page(rows: Sequence[GateRow], title: str) -> str:
    """A Markdown page: a table per direction and side, with a column per bin."""
    lines = [*page_head(title, rows[0].release), METHOD, ""]
    for key in dict.fromkeys((row.source, row.target, row.side) for row in rows):
        part = [row for row in rows if (row.source, row.target, row.side) == key]
        events = sorted({row.events for row in part}, key=lambda name: int(name.rstrip("+").partition("-")[0]))
        counts = {row.events: row.count for row in part}
        lines += [f"## {key[0]} → {key[1]}, {SIDES[key[2]]}", ""]
        lines += header(["System", *(f"{name} ({counts[name]:,})" for name in events)])
        for variant in dict.fromkeys(row.variant for row in part):
            own = {row.events: row for row in part if row.variant == variant}
            name = system_name(next(iter(own.values())).model, variant)
            lines.append(line([name, *(_cell(own[one]) if one in own else "" for one in events)]))
        lines.append("")
    return "\n".join([*lines, f"{count_of(rows[0].seeds, 'seed')}.", ""])


def _cell(row: GateRow) -> str:
    deviation = f" ± {row.std:.2f}" if row.std is not None else ""
    return f"{row.weight:.2f}{deviation} [{row.low:.2f}, {row.high:.2f}]"

"""Shorten Snakemake's reason for a job to what changed: settings with both values, or files by name."""

import ast
import json
import re
from typing import Any

PARAMS = re.compile(
    r"Params have changed since last execution: .*? across all output: before: (.*) now: (.*?) ?(?=; Software|$)", re.S
)
MOST = 5  # settings or files that one line names
WIDTH = 60  # characters of one value


def shorten(reason: str, rule: str, planned: bool) -> str:
    """Return the reason in one line; "" where it is only that a job has not run yet in this run.

    A dry run (`planned`) also says that output is missing or that the input comes from another job.
    """
    parts = []
    if params := PARAMS.search(reason):
        reason = reason.replace(params[0], "")
        parts.append(f"{rule}: {changes(params[1], params[2])}")
    for clause in filter(None, reason.split("; ")):
        title, _, files = clause.partition(": ")
        if title == "Updated input files":
            parts.append(f"changed: {some(sorted(files.split(', ')))}")
        elif title == "Missing output files":
            parts += ["no output yet"] if planned else []
        elif title == "Input files updated by another job":
            parts += ["input from another job"] if planned else []
        else:
            parts.append(clause.rstrip("."))
    return "; ".join(parts)


def changes(before: str, now: str) -> str:
    """Name each setting that differs, with its recorded and its new value.

    Snakemake's text lists the parameters that differ as Python literals. One that is a JSON object holds settings.
    Other parameters have no name there, so only their values can be shown.
    """
    old, new = settings(before), settings(now)
    names = [name for name in old | new if old.get(name) != new.get(name)]
    return some([f"{name} {old.get(name, 'unset')} → {new.get(name, 'unset')}" for name in names])


def settings(text: str) -> dict[str, str]:
    """Return the settings in a list of parameters as {dotted name: value as text}, other values as `parameters`."""
    try:
        values = [] if text == "<nothing exclusive>" else ast.literal_eval(f"[{text}]")
    except (SyntaxError, ValueError):
        values = [text]
    found: dict[str, str] = {}
    others = []
    for value in values:
        try:
            parsed = json.loads(value) if isinstance(value, str) else value
        except json.JSONDecodeError:
            parsed = value
        found |= flat(parsed) if isinstance(parsed, dict) else {}
        others += [] if isinstance(parsed, dict) else [shown(value)]
    return found | ({"parameters": ", ".join(others)} if others else {})


def flat(nested: dict[str, Any], prefix: str = "") -> dict[str, str]:
    """Return nested settings in one level: {"llm": {"seed": 0}} as {"llm.seed": "0"}."""
    result: dict[str, str] = {}
    for name, value in nested.items():
        result |= flat(value, f"{prefix}{name}.") if isinstance(value, dict) else {f"{prefix}{name}": shown(value)}
    return result


def shown(value: Any) -> str:
    """Return a value as text of at most WIDTH characters."""
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)
    return text if len(text) <= WIDTH else f"{text[: WIDTH - 1]}…"


def some(texts: list[str]) -> str:
    """Join the first MOST texts and count the others."""
    return ", ".join(texts[:MOST] + ([f"and {len(texts) - MOST} more"] if len(texts) > MOST else []))

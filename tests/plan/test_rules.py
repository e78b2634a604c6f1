"""The rules' files: little Python outside rules, and every value of a command quoted."""

import ast
import re

from plans import ROOT

FILES = [ROOT / "Snakefile", *sorted((ROOT / "workflow/rules").glob("*.smk"))]
KEYWORDS = r"(use )?(rule|localrules|wildcard_constraints|configfile|report|include)\b"


def helper_lines(text):
    """The lines of Python outside rules, without blank lines, comments and the file's docstring."""
    lines, helper = [], True
    for line in text.splitlines():
        if line and not line[0].isspace() and line[0] not in ")]}":
            helper = not re.match(KEYWORDS, line)
        lines += [line] if helper and line.strip() and not line.strip().startswith("#") else []
    docstring = ast.parse("\n".join(lines)).body[0]
    return lines[docstring.end_lineno :]


def test_the_rules_hold_at_most_sixty_lines_of_python():
    counts = {path.name: len(helper_lines(path.read_text())) for path in FILES}
    assert counts["common.smk"] > 10 and sum(counts.values()) <= 60, counts


def test_every_value_in_a_command_is_quoted():
    """But for the number of threads, which Snakemake itself makes."""
    bare = [
        (path.name, value)
        for path in FILES
        for command in re.findall(r"    shell:\n((?: {8}.*\n?)+)", path.read_text())
        for value in re.findall(r"\{([^{}]+)\}", command)
        if not value.endswith(":q") and value != "threads"
    ]
    assert bare == []

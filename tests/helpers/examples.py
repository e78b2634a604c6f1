"""The commands in the comments of the files in examples/."""

import re
from pathlib import Path

EXAMPLES = sorted((Path(__file__).parents[2] / "examples").glob("*.yaml"))


def commands(path: Path) -> list[list[str]]:
    """The words of each command after `snakemake --cores N`, braces expanded as a shell does; lines are joined."""
    lines = "\n".join(line.removeprefix("#").strip() for line in path.read_text().splitlines() if line.startswith("#"))
    found = re.findall(r"^snakemake --cores \d+ (.*)$", re.sub(r"\\\n\s*", "", lines), re.MULTILINE)
    return [[one for word in command.split(" (")[0].split() for one in expanded(word)] for command in found]


def expanded(word: str) -> list[str]:
    """The shell's expansion of {a,b}."""
    found = re.search(r"\{([^{}]*)\}", word)
    if not found:
        return [word]
    return [one for part in found[1].split(",") for one in expanded(word[: found.start()] + part + word[found.end() :])]

"""The command `semacdr`: runs one of the commands of this folder.

`semacdr NAME --help` explains a command. Each command is a module with a docstring and `main(argv)`.
"""

import ast
import importlib
import sys
from collections.abc import Sequence
from pathlib import Path

from semacdr.errors import UserError
from semacdr.runtime.cli import run


def commands() -> dict[str, str]:
    """By name the first line of each command's docstring; nothing is imported, as torch takes seconds."""
    found = {}
    for path in sorted(Path(__file__).parent.glob("[!_]*.py")):
        if path.stem != "main":
            doc = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or ""
            found[path.stem] = doc.partition("\n")[0]
    return found


def usage() -> str:
    """What `semacdr` alone prints."""
    lines = [f"  {name:<10} {line}" for name, line in commands().items()]
    return "\n".join(["usage: semacdr COMMAND …    (semacdr COMMAND --help explains a command)", "", *lines])


def dispatch(argv: Sequence[str] | None = None) -> None:
    """Run the command that the first word names; a UserError lists the commands if there is none of that name."""
    words = list(sys.argv[1:] if argv is None else argv)
    if not words or words[0] in ("-h", "--help", "help"):
        print(usage())
        return
    if words[0] not in commands():
        raise UserError(f"no command '{words[0]}'; the commands are {', '.join(commands())}")
    sys.argv[0] = f"semacdr {words[0]}"  # for the usage lines of argparse
    importlib.import_module(f"semacdr.commands.{words[0]}").main(words[1:])


def main() -> None:
    """The console script."""
    run(dispatch)


if __name__ == "__main__":
    main()

"""What all stages share on the command line: help that shows reads and writes, a log on stderr, errors for users."""

import argparse
import dataclasses
import gc
import logging
import sys
import typing
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from semacdr.errors import UserError

log = logging.getLogger("semacdr")
T = TypeVar("T")


def parser(doc: str) -> argparse.ArgumentParser:
    """An argument parser whose description is the module docstring: what the stage reads and what it writes."""
    return argparse.ArgumentParser(description=doc, formatter_class=argparse.RawDescriptionHelpFormatter)


def run(main: Callable[[Sequence[str] | None], None]) -> None:
    """Run a stage's main on the command line's arguments; a UserError becomes a plain message and exit status 1."""
    gc.freeze()  # what was imported stays: no collection looks at it, nor does the one at the end, 0.3 s beside torch
    logging.basicConfig(stream=sys.stderr, level=logging.INFO, format="%(asctime)s %(message)s", datefmt="%H:%M:%S")
    for chatty in ("httpx2", "openai"):  # a line for each request
        logging.getLogger(chatty).setLevel(logging.WARNING)
    try:
        main(None)
    except UserError as error:
        sys.exit(f"error: {error}")


def resolve(kind: type[T], given: dict[str, Any], owner: str) -> T:
    """A settings dataclass from a JSON object; a UserError names a setting that does not exist or has another type."""
    fields = {field.name: field for field in dataclasses.fields(kind)}
    values = {}
    for name, value in given.items():
        if name not in fields:
            raise UserError(f"{owner} has no setting '{name}'; its settings are {', '.join(fields) or 'none'}")
        types = typing.get_args(fields[name].type) or (fields[name].type,)
        if float in types and type(value) is int:
            value = float(value)
        if not isinstance(value, types) or (isinstance(value, bool) and bool not in types):
            wanted = " or ".join(kind.__name__ for kind in types)
            raise UserError(f"{owner}: setting '{name}' is a {wanted}, not {value!r}")
        values[name] = value
    return kind(**values)

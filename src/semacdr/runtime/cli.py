"""The command line of all stages: help that lists inputs and outputs, a log on stderr, one-line errors."""

import argparse
import gc
import logging
import sys
from collections.abc import Callable, Sequence
from typing import TypeVar

from semacdr.errors import UserError

log = logging.getLogger("semacdr")
T = TypeVar("T")


def parser(doc: str) -> argparse.ArgumentParser:
    """An argument parser whose description is the module docstring: what the stage reads and what it writes."""
    return argparse.ArgumentParser(description=doc, formatter_class=argparse.RawDescriptionHelpFormatter)


def run(main: Callable[[Sequence[str] | None], None]) -> None:
    """Run a stage's main on the command line's arguments; a UserError becomes a plain message and exit status 1."""
    gc.freeze()  # modules stay, so the garbage collector need not scan them; with torch this saves 0.3 s at exit
    logging.basicConfig(stream=sys.stderr, level=logging.INFO, format="%(asctime)s %(message)s", datefmt="%H:%M:%S")
    for chatty in ("httpx2", "openai"):  # they log every request
        logging.getLogger(chatty).setLevel(logging.WARNING)
    try:
        main(None)
    except UserError as error:
        sys.exit(f"error: {error}")

"""What all stages share on the command line: help that shows reads and writes, a log on stderr, errors for users."""

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
    gc.freeze()  # what was imported stays: no collection looks at it, nor does the one at the end, 0.3 s beside torch
    logging.basicConfig(stream=sys.stderr, level=logging.INFO, format="%(asctime)s %(message)s", datefmt="%H:%M:%S")
    for chatty in ("httpx2", "openai"):  # a line for each request
        logging.getLogger(chatty).setLevel(logging.WARNING)
    try:
        main(None)
    except UserError as error:
        sys.exit(f"error: {error}")

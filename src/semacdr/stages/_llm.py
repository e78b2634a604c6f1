"""Command-line options of the stages that ask a language model."""

import argparse
import dataclasses
import json

from semacdr.llm.options import Options, Settings
from semacdr.runtime.settings import resolve


def add_llm_flags(cli: argparse.ArgumentParser) -> None:
    """Add --llm-settings, --llm-options and --dry-run to a stage's command line."""
    group = cli.add_argument_group("the language model (engine llm)")
    kinds: dict[str, tuple[type, str]] = {
        "settings": (Settings, "what determines its answers"),
        "options": (Options, "how answers are obtained"),
    }
    for name, (kind, purpose) in kinds.items():
        fields = ", ".join(field.name for field in dataclasses.fields(kind))
        group.add_argument(
            f"--llm-{name}", type=json.loads, default={}, metavar="JSON", help=f"{purpose}: a JSON object of {fields}"
        )
    group.add_argument(
        "--dry-run", action="store_true", help="ask nothing, write nothing: print what asking would cost"
    )


def llm_from_flags(args: argparse.Namespace) -> tuple[Settings, Options]:
    """The settings and options of a command line that `add_llm_flags` made; a UserError names a wrong one."""
    return resolve(Settings, args.llm_settings, "llm"), resolve(Options, args.llm_options, "llm")


def as_shard(text: str) -> tuple[int, int]:
    """The value of an option K/N: the K-th of N parts, from 1."""
    part, _, parts = text.partition("/")
    if not (part.isdecimal() and parts.isdecimal() and 1 <= int(part) <= int(parts)):
        raise argparse.ArgumentTypeError(f"{text!r} is not K/N with 1 <= K <= N")
    return int(part), int(parts)

"""Write the config's schema and the page of all settings from the settings classes.

Reads   the settings classes of all stages and of the planner.
Writes  --schema, a JSON schema that editors can check the config with; --page, docs/settings.md.
"""

import argparse
import dataclasses
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from semacdr.data.own_tables import OwnTable
from semacdr.plan.models import models, own_settings
from semacdr.plan.sections import UNSCOPED, Comparison, Release, sections
from semacdr.runtime.cli import log, parser, run
from semacdr.runtime.schema import schema
from semacdr.runtime.settings import default_of, describe, types_of
from semacdr.storage import tsv

INTRODUCTION = """# Settings

All settings, with types and defaults. `python -m semacdr.stages.describe_settings` writes this page from the settings
classes. A section of the config has the name of its stage. A scenario or a release may set any of them, except
those of {unscoped}. Options change no result, so changing one reruns nothing.
"""
MODELS = """## Models

The models' own settings, under `settings` of a system, or under `train.settings` for all systems whose model has them.
"""
RELEASES = "Entries of a release, under its name in section `raw`."
NAMED = {"type": "object", "additionalProperties": {"type": "object"}}


def config_schema() -> dict[str, Any]:
    """The JSON schema of the config."""
    parts = {name: _joined(kinds) for name, kinds in sections().items()}
    parts["train"]["properties"] |= {"systems": NAMED}
    each = {name: {"$ref": f"#/$defs/{name}"} for name in parts}
    scoped = {name: part for name, part in each.items() if name not in UNSCOPED}
    scenario = {"release": {"type": "string"}, "domains": {"type": "object", "minProperties": 2, "maxProperties": 2}}
    top = {
        "run": {"type": "array", "items": {"type": "string"}},
        "scenarios": {"type": "object", "additionalProperties": _object(scenario | scoped)},
        "raw": {"type": "object", "additionalProperties": _object(schema(Release)["properties"] | scoped)},
        "compare": {"type": "object", "additionalProperties": schema(Comparison)},
    }
    draft = {"$schema": "https://json-schema.org/draft/2020-12/schema", "description": "The settings of the config."}
    return draft | _object(top | each) | {"$defs": parts}


def _object(properties: dict[str, Any]) -> dict[str, Any]:
    return {"type": "object", "additionalProperties": False, "properties": properties}


def _joined(kinds: Sequence[type]) -> dict[str, Any]:
    return _object({name: part for kind in kinds for name, part in schema(kind)["properties"].items()})


def page() -> str:
    """The Markdown page of all settings."""
    lines = [INTRODUCTION.format(unscoped=" and ".join(f"`{name}`" for name in UNSCOPED))]
    for section, kinds in sections().items():
        lines += [f"## {section}", ""]
        for kind in kinds:
            title = {"Options": "Options", "Settings": "Settings", "Training": "Settings"}.get(kind.__name__, "Planner")
            lines += [f"| {title} | type | default | description |", "| --- | --- | --- | --- |", *_lines(kind), ""]
    lines += ["## raw", "", RELEASES, "", "| Planner | type | default | description |", "| --- | --- | --- | --- |"]
    lines += [*_lines(Release), *_lines(OwnTable, "tables.<category>."), ""]
    lines += [
        "## Models",
        "",
        "The models' own settings, under `settings` of a system, or `train.settings` for all systems.",
        "",
    ]
    for model in models():
        if dataclasses.fields(own_settings(model)):
            lines += [f"### {model}", "", "| setting | type | default |", "| --- | --- | --- |"]
            lines += [row.rsplit(" |", 2)[0] + " |" for row in _lines(own_settings(model))] + [""]
    return "\n".join(lines)


def _lines(kind: type, prefix: str = "") -> list[str]:
    """A row for each setting; those of a nested class follow with its name before theirs."""
    found, hints = [], types_of(kind)
    for field in dataclasses.fields(kind):
        name, hint = prefix + field.name, hints[field.name]
        if isinstance(hint, type) and dataclasses.is_dataclass(hint):
            found += _lines(hint, f"{name}.")
            continue
        default = json.dumps(default_of(field), default=dataclasses.asdict)
        cells = (f"`{name}`", describe(hint), f"`{default}`", field.metadata.get("help", ""))
        found.append("| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |")
    return found


def arguments(argv: Sequence[str] | None) -> argparse.Namespace:
    """The command line."""
    cli = parser(__doc__)
    cli.add_argument("--schema", type=Path, default=Path("workflow/schemas/config.schema.json"))
    cli.add_argument("--page", type=Path, default=Path("docs/settings.md"))
    return cli.parse_args(argv)


def main(argv: Sequence[str] | None = None) -> None:
    """Write both files."""
    args = arguments(argv)
    tsv.write(args.schema, json.dumps(config_schema(), indent=1) + "\n")
    tsv.write(args.page, page())
    log.info("%s and %s written", args.schema, args.page)


if __name__ == "__main__":
    run(main)

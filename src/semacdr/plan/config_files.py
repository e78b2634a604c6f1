"""The files of a config: where an entry is, and the order of entries."""

import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from semacdr.errors import UserError

COMMAND_LINE = "--config"


def in_order(given: Any, shipped: Any) -> Any:
    """The config in the order of config.yaml, whatever an overlay names first.

    Rows of tables have that order, and an experiment's first variant is the one that the others are compared with.
    """
    if not (isinstance(given, dict) and isinstance(shipped, dict)):
        return given
    return {name: in_order(given[name], shipped.get(name)) for name in shipped | given if name in given}


def laid_over(below: Any, above: Any) -> Any:
    """A config with another one laid over it, as Snakemake merges the files of --configfile: mappings key by key."""
    if not (isinstance(below, Mapping) and isinstance(above, Mapping)):
        return above
    return {**below, **{name: laid_over(below.get(name), value) for name, value in above.items()}}


def refuse_doubles(files: Iterable[Path]) -> None:
    """Raise a UserError where a file gives a key twice in one mapping: YAML would keep the last one silently."""
    for file in files:
        ahead = [yaml.compose(Path(file).read_text(encoding="utf-8"), yaml.SafeLoader)]
        while ahead:
            node = ahead.pop()
            if isinstance(node, yaml.MappingNode):
                _check_keys(node, file)
                ahead += [value for _, value in node.value]
            elif isinstance(node, yaml.SequenceNode):
                ahead += node.value


def _check_keys(node: yaml.MappingNode, file: Path) -> None:
    seen: dict[Any, int] = {}
    for key, _ in node.value:
        line = key.start_mark.line + 1
        first = seen.setdefault(key.value if isinstance(key, yaml.ScalarNode) else id(key), line)
        if first != line and key.tag != "tag:yaml.org,2002:merge":
            raise UserError(f"{shown(file)}, line {line}: {key.value} is given twice, first in line {first}")


def shown(file: Path) -> str:
    """The name of a file: relative if it is below the working directory."""
    return os.path.relpath(file) if Path(file).is_relative_to(Path.cwd()) else str(file)


def locate(path: Sequence[str | int], files: Iterable[Path], command_line: Mapping[str, Any] | None = None) -> str:
    """Where an entry is: --config, or the last of the files that has it, with its line.

    For an entry that none has, the deepest key on the way to it counts.
    """
    best, found = 0, "config"
    for file in files:
        depth, line = _find(yaml.compose(Path(file).read_text(encoding="utf-8"), yaml.SafeLoader), path)
        if depth >= best and depth:
            best, found = depth, f"{shown(file)}, line {line}"
    node: Any = command_line or {}
    for depth, key in enumerate(path, 1):
        if not isinstance(node, Mapping) or key not in node:
            break
        node, best, found = node[key], max(best, depth), COMMAND_LINE if depth >= best else found
    return found


def _find(node: yaml.Node | None, path: Sequence[str | int]) -> tuple[int, int]:
    """How many keys of a path a YAML document has, and the line of the last one."""
    line = 1
    for depth, key in enumerate(path):
        if isinstance(node, yaml.SequenceNode) and isinstance(key, int) and key < len(node.value):
            node = node.value[key]
            line = node.start_mark.line + 1
            continue
        pairs = node.value if isinstance(node, yaml.MappingNode) else []
        entry = next(((k, v) for k, v in pairs if k.value == str(key)), None)
        if entry is None:
            return depth, line
        line, node = entry[0].start_mark.line + 1, entry[1]
    return len(path), line

"""The files of code that a job runs: a module and all modules of this project that it imports."""

import ast
import os
from collections.abc import Iterator
from functools import cache
from pathlib import Path

from semacdr.plan.declarations import SOURCES, file_of, tree_of


def imported(module: str) -> Iterator[str]:
    """The absolute names of all that a module imports, anywhere in its file, but not for type checkers alone."""
    for node in _nodes(tree_of(module)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def _nodes(tree: ast.AST) -> Iterator[ast.AST]:
    """All nodes of a tree without the blocks of `if TYPE_CHECKING`, which never run."""
    ahead = [tree]
    while ahead:
        node = ahead.pop()
        yield node
        for_types = isinstance(node, ast.If) and isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING"
        ahead += [] if for_types else ast.iter_child_nodes(node)


@cache
def modules(module: str, without: tuple[str, ...] = ()) -> frozenset[str]:
    """A module and those of this project that it imports, directly or not.

    Left out are the modules and packages in `without`, which the job imports but does not run.
    """
    seen: set[str] = set()
    ahead = [module]
    while ahead:
        name = ahead.pop()
        left_out = any(f"{name}.".startswith(f"{other}.") for other in without)
        if name in seen or left_out:
            continue
        seen.add(name)
        ahead += [name.rpartition(".")[0]] if "." in name else []  # a.b.c: c may be a name in a.b, and a.b runs a first
        ahead += imported(name) if file_of(name) else []
    return frozenset(name for name in seen if file_of(name))


def code(*starts: str, without: tuple[str, ...] = ()) -> list[str]:
    """The files of those modules, sorted; relative to the working directory where that is the checkout.

    As inputs of a rule they make a job stale when its code changes, and only then: Snakemake compares small inputs by
    content.
    """
    names = set().union(*(modules(start, without) for start in starts))
    return sorted(shown(path) for path in map(file_of, names) if path is not None)


def shown(path: Path) -> str:
    """A path of the checkout: relative if Snakemake runs in it, so that a moved checkout changes no input."""
    checkout = SOURCES.parent
    return str(path.relative_to(checkout)) if Path.cwd() == checkout else os.fspath(path)

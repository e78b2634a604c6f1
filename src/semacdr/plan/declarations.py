"""What a module declares, read from its source: settings classes and literals. The module is not imported.

Importing a model would import torch, which takes seconds, and Snakemake plans at every start.
"""

import ast
import dataclasses
import functools
import operator
from functools import cache
from pathlib import Path
from typing import Annotated, Any, Literal

from semacdr.errors import UserError
from semacdr.runtime import settings as vocabulary

SOURCES = Path(__file__).parents[2]
BUILT_IN: dict[str, Any] = {
    "int": int,
    "float": float,
    "str": str,
    "bool": bool,
    "dict": dict,
    "Any": Any,
    "None": None,
}


@cache
def file_of(module: str) -> Path | None:
    """The file of a module of this project; None for any other module."""
    stem = SOURCES.joinpath(*module.split("."))
    return next((path for path in (stem.with_suffix(".py"), stem / "__init__.py") if path.exists()), None)


@cache
def tree_of(module: str) -> ast.Module:
    """The syntax tree of a module of this project."""
    path = file_of(module)
    if path is None:
        raise UserError(f"there is no module {module} in {SOURCES}")
    return ast.parse(path.read_text(encoding="utf-8"))


def literal(module: str, name: str, default: Any = ...) -> Any:
    """The literal that a module assigns to a name, else the default; a UserError if there is neither."""
    node = _assigned(module).get(name)
    if node is not None:
        return ast.literal_eval(node)
    if default is ...:
        raise UserError(f"{file_of(module)} does not declare {name}")
    return default


@cache
def _assigned(module: str) -> dict[str, ast.expr]:
    """What a module assigns to its names."""
    found: dict[str, ast.expr] = {}
    for node in tree_of(module).body:
        if isinstance(node, (ast.Assign, ast.AnnAssign)) and node.value is not None:
            goals = node.targets if isinstance(node, ast.Assign) else [node.target]
            found |= {goal.id: node.value for goal in goals if isinstance(goal, ast.Name)}
    return found


def has_class(module: str, name: str) -> bool:
    """Whether a module defines a class, or imports it from this project."""
    if file_of(_imports(module).get(name, ("", ""))[0]) is not None:
        return True
    return any(isinstance(node, ast.ClassDef) and node.name == name for node in tree_of(module).body)


@cache
def settings_class(module: str, name: str = "Settings") -> type:
    """A settings class as a module declares it: a frozen dataclass with the same fields, types and defaults.

    A UserError says what is not literal enough to be read.
    """
    node = next((n for n in tree_of(module).body if isinstance(n, ast.ClassDef) and n.name == name), None)
    if node is None:
        imported = _imports(module).get(name)
        if imported is None:
            raise UserError(f"{file_of(module)} has no class {name}")
        return settings_class(*imported)
    bases = tuple(_class(module, base) for base in node.bases)
    fields = [_field(module, line) for line in node.body if isinstance(line, ast.AnnAssign)]
    return dataclasses.make_dataclass(name, fields, bases=bases, frozen=True)


def _field(module: str, line: ast.AnnAssign) -> tuple[str, Any, Any]:
    assert isinstance(line.target, ast.Name)
    try:
        kind = _type(module, line.annotation)
        if line.value is None:
            return line.target.id, kind, dataclasses.field()
        return line.target.id, kind, _default(module, line.value)
    except (ValueError, KeyError, TypeError) as error:
        where = f"{file_of(module)}, line {line.lineno}"
        raise UserError(f"{where}: '{ast.unparse(line)}' cannot be read as a setting: {error}") from error


def _default(module: str, node: ast.expr) -> Any:
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "setting":
        keywords = {word.arg: ast.literal_eval(word.value) for word in node.keywords if word.arg}
        return vocabulary.setting(_value(module, node.args[0]), *map(ast.literal_eval, node.args[1:]), **keywords)
    return _value(module, node)


def _value(module: str, node: ast.expr) -> Any:
    """A literal, a constant of the module, or a settings object with its defaults."""
    if isinstance(node, ast.Call) and not node.args and not node.keywords:
        return _class(module, node.func)()
    if isinstance(node, ast.Name):
        return literal(*_imports(module).get(node.id, (module, node.id)))
    return ast.literal_eval(node)


def _type(module: str, node: ast.expr) -> Any:
    if isinstance(node, ast.Constant) and node.value is None:
        return None
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.BitOr):
        return functools.reduce(operator.or_, (_type(module, side) for side in (node.left, node.right)))
    if isinstance(node, ast.Subscript):
        return _subscript(module, node)
    if isinstance(node, ast.Name) and node.id in BUILT_IN:
        return BUILT_IN[node.id]
    if isinstance(node, ast.Name) and hasattr(vocabulary, node.id):
        return getattr(vocabulary, node.id)
    return _class(module, node)


def _subscript(module: str, node: ast.Subscript) -> Any:
    name, inside = ast.unparse(node.value), node.slice
    parts = inside.elts if isinstance(inside, ast.Tuple) else [inside]
    if name == "Literal":
        return Literal[tuple(ast.literal_eval(part) for part in parts)]
    if name == "tuple":
        return tuple.__class_getitem__((_type(module, parts[0]), ...))
    if name == "dict":
        return dict.__class_getitem__((str, _type(module, parts[1])))
    if name == "Annotated" and isinstance(parts[1], ast.Call):
        keywords = {word.arg: ast.literal_eval(word.value) for word in parts[1].keywords if word.arg}
        return Annotated[_type(module, parts[0]), vocabulary.Bounds(*map(ast.literal_eval, parts[1].args), **keywords)]
    raise ValueError(f"a type {name}[...]")


def _class(module: str, node: ast.expr) -> type:
    """The settings class that a name, or a name of an imported module, refers to."""
    if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
        package, name = _imports(module)[node.value.id]
        return settings_class(f"{package}.{name}", node.attr)
    if isinstance(node, ast.Name):
        return settings_class(module, node.id)
    raise ValueError(f"a class {ast.unparse(node)}")


@cache
def _imports(module: str) -> dict[str, tuple[str, str]]:
    """What `from a import b as c` binds in a module: c to (a, b)."""
    nodes = (node for node in tree_of(module).body if isinstance(node, ast.ImportFrom) and node.module)
    return {alias.asname or alias.name: (str(node.module), alias.name) for node in nodes for alias in node.names}

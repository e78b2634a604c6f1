"""Which rows of a table count: an expression such as "plays >= 2 and event in ('listen', 'finish')", or a mapping.

An expression has names of columns, numbers and texts, the comparisons ==, !=, <, <=, >, >=, in and not in, and the
words and, or, not. It is parsed as Python, but nothing in it is evaluated. Compared with a number, a cell must be a
number; a cell that is none makes the whole row a wrong one.
"""

import ast
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import reduce
from operator import and_, or_
from typing import Any

import polars as pl

from semacdr.errors import UserError

ALLOWED = "write comparisons of a column with numbers or texts, such as \"plays >= 2 and event == 'listen'\""
COMPARISONS: dict[type[ast.cmpop], Callable[[pl.Expr, Any], pl.Expr]] = {
    ast.Eq: lambda cell, value: cell == value,
    ast.NotEq: lambda cell, value: cell != value,
    ast.Lt: lambda cell, value: cell < value,
    ast.LtE: lambda cell, value: cell <= value,
    ast.Gt: lambda cell, value: cell > value,
    ast.GtE: lambda cell, value: cell >= value,
    ast.In: lambda cell, value: cell.is_in(value),
    ast.NotIn: lambda cell, value: ~cell.is_in(value),
}
MAPPED: dict[str, type[ast.cmpop]] = {
    "min": ast.GtE,
    "max": ast.LtE,
    "is": ast.Eq,
    "not": ast.NotEq,
    "in": ast.In,
    "not_in": ast.NotIn,
}
Value = str | float | list[str] | list[float]


@dataclass(frozen=True)
class RowFilter:
    """A condition on a row."""

    keep: pl.Expr  # whether the row counts; null where a cell cannot be compared
    columns: tuple[str, ...]  # that it reads
    text: str


def row_filter(given: str | Mapping[str, Mapping[str, Any]]) -> RowFilter:
    """The filter of a table's setting `filter`; a UserError says what cannot be read."""
    if isinstance(given, str):
        try:
            tree = ast.parse(given.strip(), mode="eval")
        except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
            raise UserError(f'filter: cannot read "{given}" ({getattr(error, "msg", error)}); {ALLOWED}') from error
        names = tuple(dict.fromkeys(node.id for node in ast.walk(tree) if isinstance(node, ast.Name)))
        return RowFilter(_expression(tree.body, given), names, given)
    parts = []
    for column, tests in given.items():
        for test, value in tests.items():
            if test not in MAPPED:
                raise UserError(f"filter: {column}: there is no test '{test}'; known: {', '.join(MAPPED)}")
            parts.append(_comparison(column, MAPPED[test], value, f"{column}: {{{test}: {value!r}}}"))
    if not parts:
        raise UserError(f"filter: has no test; leave it out, or {ALLOWED}")
    text = ", ".join(f"{column}: {dict(tests)}" for column, tests in given.items())
    return RowFilter(reduce(and_, parts), tuple(given), text)


def _expression(node: ast.expr, whole: str) -> pl.Expr:
    if isinstance(node, ast.BoolOp):
        joined = and_ if isinstance(node.op, ast.And) else or_
        return reduce(joined, [_expression(part, whole) for part in node.values])
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not):
        return ~_expression(node.operand, whole)
    if isinstance(node, ast.Compare) and isinstance(node.left, ast.Name) and len(node.ops) == 1:
        try:
            value = ast.literal_eval(node.comparators[0])
        except (ValueError, TypeError, SyntaxError):
            value = None
        return _comparison(node.left.id, type(node.ops[0]), value, whole)
    raise UserError(f'filter: cannot read "{ast.unparse(node)}" in "{whole}"; {ALLOWED}')


def _comparison(column: str, operator: type[ast.cmpop], value: Any, whole: str) -> pl.Expr:
    """The comparison of a column's cells with a constant: as numbers where it is a number, else as texts."""
    if operator in (ast.In, ast.NotIn):
        value = list(value) if isinstance(value, (list, tuple, set)) else None
    numbers, texts = (all(_is(one, kind) for one in _many(value)) for kind in ((int, float), (str,)))
    many = isinstance(value, list)
    if (
        operator not in COMPARISONS
        or many != (operator in (ast.In, ast.NotIn))
        or value == []
        or not (numbers or texts)
    ):
        raise UserError(f'filter: cannot read "{whole}"; {ALLOWED}')
    cell = pl.col(column).cast(pl.String).str.strip_chars()
    if not numbers:
        return COMPARISONS[operator](cell.fill_null(""), sorted(value) if many else value)
    flags = {"true": "1", "false": "0", "True": "1", "False": "0"}
    found = cell.replace(flags).cast(pl.Float64, strict=False)
    return COMPARISONS[operator](found, [float(one) for one in value] if many else float(value))


def _many(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def _is(value: Any, kinds: tuple[type, ...]) -> bool:
    """Whether a constant is of one of the types; a truth value counts as a number, as in `recommend == True`."""
    return isinstance(value, kinds)

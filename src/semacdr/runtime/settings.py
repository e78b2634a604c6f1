"""Settings of a stage or a model: one frozen dataclass, from which flags, JSON values and the config schema follow.

A field has a type, a default and a line of help:

    candidates: Count = setting(100, "stored candidates next to each positive")

The type gives the bounds (Count, Share, ...) or the choices (Literal). The planner reads such a class from the source
file without importing it (semacdr.plan.declarations), so its types are names of this module, built-in types, Literal,
tuple, dict and other settings classes, and its defaults are literals or such classes.
"""

import argparse
import dataclasses
import json
import types
import typing
from collections.abc import Iterable, Mapping, Sequence
from datetime import date
from functools import cache
from typing import Annotated, Any, ClassVar, Literal, Protocol, TypeVar

from semacdr.runtime.setting_errors import SettingError, known_name, nearest


class DataclassInstance(Protocol):
    """An object of any dataclass."""

    __dataclass_fields__: ClassVar[dict[str, Any]]


T = TypeVar("T", bound=DataclassInstance)


@dataclasses.dataclass(frozen=True)
class Bounds:
    """The smallest and the largest value of a number; an open end is not itself allowed."""

    low: float | None = None
    high: float | None = None
    open_low: bool = False
    open_high: bool = False

    def hold(self, value: float) -> bool:
        """Whether a number lies within them. NaN never does."""
        above = self.low is None or value > self.low or (value == self.low and not self.open_low)
        below = self.high is None or value < self.high or (value == self.high and not self.open_high)
        return above and below

    def __str__(self) -> str:
        low = "" if self.low is None else f"{'above' if self.open_low else 'of at least'} {self.low:g}"
        high = "" if self.high is None else f"{'below' if self.open_high else 'of at most'} {self.high:g}"
        return " and ".join(filter(None, (low, high)))


Natural = Annotated[int, Bounds(0)]
Count = Annotated[int, Bounds(1)]
NonNegative = Annotated[float, Bounds(0)]
Positive = Annotated[float, Bounds(0, open_low=True)]
Share = Annotated[float, Bounds(0, 1)]
PositiveShare = Annotated[float, Bounds(0, 1, open_low=True)]  # one that takes something
ProperShare = Annotated[float, Bounds(0, 1, open_high=True)]  # one that leaves something
InnerShare = Annotated[float, Bounds(0, 1, open_low=True, open_high=True)]  # one that takes and leaves something


def setting(default: Any, help: str, *, tunable: bool = True, engine: str | None = None) -> Any:
    """A field with its default and a line of help.

    `tunable`: whether stage tune_search may choose its value. `engine`: the one of the stage's engines that reads it.
    """
    metadata = {"help": help, "tunable": tunable, "engine": engine}
    if isinstance(default, (dict, list)) or dataclasses.is_dataclass(default):
        return dataclasses.field(default_factory=lambda: default, metadata=metadata)
    return dataclasses.field(default=default, metadata=metadata)


@cache
def types_of(kind: type) -> dict[str, Any]:
    """The type of each field, with its bounds."""
    return typing.get_type_hints(kind, include_extras=True)


def untunable(kind: type) -> set[str]:
    """The fields that tuning may not choose."""
    return {field.name for field in dataclasses.fields(kind) if not field.metadata.get("tunable", True)}


def switched_on(value: Any) -> bool:
    """Whether the value of a setting that is false or "none" by default asks for something."""
    return value not in (False, None, "none")


def resolve(kind: type[T], given: Any, *path: str | int) -> T:
    """A settings object from a JSON object; fields that are not given have their defaults.

    `path` leads to the object. A SettingError says which setting is unknown, of another type or out of bounds.
    """
    return kind(**checked(kind, given, *path))


def checked(kind: type, given: Any, *path: str | int) -> dict[str, Any]:
    """The settings that a JSON object gives of a class, by name; a SettingError as of `resolve`."""
    if not isinstance(given, Mapping):
        raise SettingError(path, f"must be a mapping, not {given!r}")
    hints = types_of(kind)
    for name in given:
        known_name(name, hints, "setting", *path, str(name))
    return {name: check(hints[name], value, *path, name) for name, value in given.items()}


def check(kind: Any, value: Any, *path: str | int) -> Any:
    """A JSON value as a value of a type: lists become tuples, objects settings; a SettingError where it is none."""
    origin, arguments = typing.get_origin(kind), typing.get_args(kind)
    if origin is Annotated:
        return _bounded(kind, arguments, value, path)
    if isinstance(kind, type) and dataclasses.is_dataclass(kind):
        return value if isinstance(value, kind) else resolve(kind, value, *path)
    if origin in (typing.Union, types.UnionType):
        return _one_of(kind, arguments, value, path)
    if origin is tuple and isinstance(value, (list, tuple)):
        return _list(arguments[0], value, path)
    if origin is dict and isinstance(value, Mapping):
        return {name: check(arguments[1], one, *path, str(name)) for name, one in value.items()}
    if kind is float and type(value) is int:
        value = float(value)
    if not _fits(kind, origin, arguments, value):
        raise refused(kind, value, path)
    return value


def refused(kind: Any, value: Any, path: Sequence[str | int]) -> SettingError:
    """The error of a value that is none of a type."""
    choices = typing.get_args(kind) if typing.get_origin(kind) is Literal and isinstance(value, str) else ()
    if isinstance(value, date):  # YAML reads an unquoted date so
        return SettingError(path, f"must be {describe(kind)}; put the date in quotes: '{value}'")
    return SettingError(path, f"must be {describe(kind)}, not {value!r}{nearest(value, map(str, choices))}")


def _bounded(kind: Any, arguments: tuple, value: Any, path: Sequence[str | int]) -> Any:
    try:
        found = check(arguments[0], value, *path)
    except SettingError as error:
        if error.path != tuple(path) or isinstance(value, (list, tuple)):
            raise  # it says more: which entry is wrong, or that one is there twice
        raise refused(kind, value, path) from None
    if not all(bounds.hold(len(found) if isinstance(found, tuple) else found) for bounds in arguments[1:]):
        raise refused(kind, value, path)
    return found


def _fits(kind: Any, origin: Any, arguments: tuple, value: Any) -> bool:
    if kind is Any:
        return True
    if origin is Literal:
        return any(type(value) is type(choice) and value == choice for choice in arguments)
    if kind in (None, types.NoneType):
        return value is None
    if origin in (tuple, dict):
        return False
    return isinstance(value, kind) and (kind is bool or not isinstance(value, bool))


def _one_of(kind: Any, arguments: tuple, value: Any, path: Sequence[str | int]) -> Any:
    deeper = None
    for one in arguments:
        try:
            return check(one, value, *path)
        except SettingError as error:
            deeper = error if error.path != tuple(path) else deeper
    raise deeper or refused(kind, value, path)


def _list(kind: Any, value: Iterable[Any], path: Sequence[str | int]) -> tuple:
    found = tuple(check(kind, one, *path, place) for place, one in enumerate(value))
    if len({json.dumps(one, sort_keys=True, default=str) for one in found}) < len(found):
        raise SettingError(path, f"names a value twice: {', '.join(map(str, found))}")
    return found


def describe(kind: Any) -> str:
    """A type in words, as messages and pages have it."""
    origin, arguments = typing.get_origin(kind), typing.get_args(kind)
    if origin is Annotated and typing.get_origin(arguments[0]) is tuple:
        return f"a list {arguments[1]} entries, each {describe(typing.get_args(arguments[0])[0])}"
    if origin is Annotated:
        return " ".join([describe(arguments[0]), *map(str, arguments[1:])])
    if origin in (typing.Union, types.UnionType):
        return " or ".join("null" if one is types.NoneType else describe(one) for one in arguments)
    if origin is Literal:
        return "one of " + ", ".join(json.dumps(one) if isinstance(one, bool) else str(one) for one in arguments)
    if origin is tuple:
        return f"a list, each entry {describe(arguments[0])}"
    if origin is dict or kind is dict or dataclasses.is_dataclass(kind):
        return "a mapping"
    return {int: "a whole number", float: "a number", bool: "true or false", str: "text"}.get(kind, "any value")


def as_json(settings: Any) -> str:
    """A settings object as one JSON value, the same for equal settings."""
    return json.dumps(vars(settings), default=dataclasses.asdict, sort_keys=True)


def add_flags(cli: argparse.ArgumentParser, *kinds: type) -> None:
    """The option --settings, a JSON object for the first kind, and a flag for each field, which comes before it."""
    cli.set_defaults(settings_kind=kinds[0])
    cli.add_argument("--settings", type=json.loads, default={}, metavar="JSON", help="all settings as one JSON object")
    for kind in kinds:
        hints = types_of(kind)
        for field in dataclasses.fields(kind):
            default = json.dumps(default_of(field), default=dataclasses.asdict)
            description = f"{field.metadata.get('help', '')}; {describe(hints[field.name])}; default {default}"
            flag = "--" + field.name.replace("_", "-")
            cli.add_argument(flag, dest=field.name, default=argparse.SUPPRESS, **_reader(hints[field.name]),
                             help=description.removeprefix("; ").replace("%", "%%"))  # fmt: skip


def from_flags(args: argparse.Namespace, kind: type[T], owner: str) -> T:
    """The settings of a command line that `add_flags` made; a UserError as of `resolve`."""
    names = {field.name for field in dataclasses.fields(kind)}
    given = args.settings if kind is args.settings_kind else {}
    return resolve(kind, given | {name: value for name, value in vars(args).items() if name in names}, owner)


def default_of(field: dataclasses.Field) -> Any:
    """The default of a field."""
    return field.default if field.default_factory is dataclasses.MISSING else field.default_factory()


def _reader(kind: Any) -> dict[str, Any]:
    """What argparse needs to read a value of a type."""
    origin, arguments = typing.get_origin(kind), typing.get_args(kind)
    if origin is Annotated:
        return _reader(arguments[0])
    if origin in (typing.Union, types.UnionType):
        return _reader(next(one for one in arguments if one is not types.NoneType))
    if origin is tuple:
        return _reader(arguments[0]) | {"nargs": "+"}
    if origin is Literal:
        return {"type": type(arguments[0])}
    if kind is bool:
        return {"action": argparse.BooleanOptionalAction}
    return {"type": kind if kind in (int, float, str) else json.loads}

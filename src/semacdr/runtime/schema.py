"""JSON schemas of settings classes, for editors that check the config."""

import dataclasses
import json
import types
import typing
from typing import Annotated, Any, Literal

from semacdr.runtime.settings import Bounds, default_of, types_of


def schema(kind: Any) -> dict[str, Any]:
    """The JSON schema of a type."""
    origin, arguments = typing.get_origin(kind), typing.get_args(kind)
    if origin is Annotated and typing.get_origin(arguments[0]) is tuple:
        return schema(arguments[0]) | {"minItems": arguments[1].low}
    if origin is Annotated:
        bounds: Bounds = arguments[1]
        low = {} if bounds.low is None else {"exclusiveMinimum" if bounds.open_low else "minimum": bounds.low}
        high = {} if bounds.high is None else {"exclusiveMaximum" if bounds.open_high else "maximum": bounds.high}
        return schema(arguments[0]) | low | high
    if isinstance(kind, type) and dataclasses.is_dataclass(kind):
        hints = types_of(kind)
        fields = {field.name: _field_schema(field, hints[field.name]) for field in dataclasses.fields(kind)}
        return {"type": "object", "additionalProperties": False, "properties": fields}
    if origin in (typing.Union, types.UnionType):
        return {"anyOf": [schema(one) for one in arguments]}
    if origin is Literal:
        return {"enum": list(arguments)}
    if origin is tuple:
        return {"type": "array", "uniqueItems": True, "items": schema(arguments[0])}
    if origin is dict:
        return {"type": "object", "additionalProperties": schema(arguments[1])}
    names = {int: "integer", float: "number", bool: "boolean", str: "string", dict: "object", types.NoneType: "null"}
    return {"type": names[kind]} if kind in names else {}


def _field_schema(field: dataclasses.Field, kind: Any) -> dict[str, Any]:
    description = {"description": field.metadata["help"]} if "help" in field.metadata else {}
    default = json.loads(json.dumps(default_of(field), default=dataclasses.asdict))
    return description | schema(kind) | {"default": default}

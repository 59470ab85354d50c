"""An event's data as argo-events gives it to Lua.

Numbers, texts, booleans and objects come over; nulls do not, nor does a list within a list. An empty list is an empty table, which goes
back as `{}`.
"""

from __future__ import annotations

from typing import Any

import orjson

from tiphys.errors import JsonError, ScriptError
from tiphys.languages import gojson

__all__ = ["object_of", "table_of"]


def object_of(data: bytes, text: str) -> dict[str, Any]:
    """The decoded object; `null` is an empty one, as in Go. Raises `ScriptError` for data that is not JSON, and for any other value."""
    try:
        value = orjson.loads(data)
    except orjson.JSONDecodeError:
        try:
            value = gojson.loads(data)
        except JsonError as error:
            raise ScriptError(text, f"the event's data is not JSON: {error.problem}") from error
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise ScriptError(text, f"the event's data is {_KINDS[type(value)]}, not an object", "scripts take objects only")
    return value


_KINDS = {list: "a list", str: "a text", bool: "a boolean", int: "a number", float: "a number"}


def table_of(value: dict[str, Any]) -> dict[bytes, Any]:
    """What becomes the table: keys and texts as UTF-8, numbers as floats."""
    table: dict[bytes, Any] = {}
    for key, item in value.items():
        kind = type(item)
        if kind is str:
            table[key.encode()] = item.encode()
        elif kind is dict:
            table[key.encode()] = table_of(item)
        elif kind is bool:
            table[key.encode()] = item
        elif kind is int or kind is float:
            table[key.encode()] = float(item)
        elif kind is list:
            table[key.encode()] = _sequence(item)
    return table


def _sequence(items: list[Any]) -> list[Any]:
    found: list[Any] = []
    for item in items:
        kind = type(item)
        if kind is str:
            found.append(item.encode())
        elif kind is dict:
            found.append(table_of(item))
        elif kind is bool:
            found.append(item)
        elif kind is int or kind is float:
            found.append(float(item))
    return found
